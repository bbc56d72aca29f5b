"""MobileSAM's image encoder computes what its authors' code computes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from maskbus.models.tiny_vit import TinyViT
from support.sam_references import randomize, scene

GOLDEN = Path(__file__).parent / "golden" / "mobile_sam_encoder.npy"
"""Every eighth channel, fourth row and fourth column of what the authors' encoder makes of the weights and the picture
below. Made once, with its position biases looked up anew: it keeps old ones otherwise."""


def test_equals_the_authors_encoder() -> None:
    encoder = TinyViT().eval()
    randomize(encoder)
    pixels = torch.from_numpy(scene(1024, 1024)).permute(2, 0, 1)[None].float() / 64 - 2
    with torch.inference_mode():
        embedding = encoder(pixels)
    assert embedding.shape == (1, 256, 64, 64)
    expected = np.load(GOLDEN)
    assert np.abs(embedding[0, ::8, ::4, ::4].numpy() - expected).max() < 1e-4
    assert expected.std() > 0.1  # features that are alive


def test_parameters_have_the_checkpoints_names() -> None:
    names = set(TinyViT().state_dict())
    assert {
        "patch_embed.seq.0.c.weight",
        "patch_embed.seq.2.bn.running_var",
        "layers.0.blocks.1.conv3.bn.bias",
        "layers.0.downsample.conv2.c.weight",
        "layers.2.blocks.5.attn.attention_biases",
        "layers.3.blocks.1.mlp.fc2.weight",
        "layers.3.blocks.1.local_conv.c.weight",
        "neck.3.bias",
    } <= names
    assert not any("attention_bias_idxs" in name for name in names)
