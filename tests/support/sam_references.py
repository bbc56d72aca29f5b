"""The authors' own code of SAM and SAM 2 at a small size, with random weights, and the files they would be in."""

from __future__ import annotations

import warnings
import zlib
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch

VIT_WIDTH, VIT_HEADS_AND_DEPTH, VIT_WHOLE = 64, 2, (1,)
"""A ViT with one windowed and one global layer, in place of that of sam-vit-b."""


def randomize(module: torch.nn.Module, seed: int = 3) -> None:
    """Give every parameter and running statistic a value that matters, of the size that keeps features alive."""
    with torch.no_grad():
        for name, value in module.state_dict().items():
            if not value.dtype.is_floating_point:
                continue
            random = np.random.default_rng([seed, zlib.crc32(name.encode())])  # whatever else the module has
            noise = torch.from_numpy(random.standard_normal(tuple(value.shape)).astype(np.float32))
            if name.endswith("running_var"):
                value.copy_(0.5 + noise.abs())
            elif value.ndim <= 1:
                value.copy_((1.0 if "weight" in name or "gamma" in name else 0.0) + 0.2 * noise)
            elif name.endswith("gaussian_matrix") or len(value) == 1 or "embeddings" in name:
                value.copy_(noise)
            else:
                value.copy_(noise / np.sqrt(value[0].numel()))


def small_sam(seed: int = 3) -> Any:
    """Return the reference `Sam` behind a small ViT."""
    segment_anything = pytest.importorskip("segment_anything", reason="the extra `reference` is not installed")
    from segment_anything.modeling import ImageEncoderViT, MaskDecoder, PromptEncoder, Sam, TwoWayTransformer

    assert segment_anything
    sam = Sam(
        image_encoder=ImageEncoderViT(
            depth=VIT_HEADS_AND_DEPTH,
            embed_dim=VIT_WIDTH,
            img_size=1024,
            mlp_ratio=4,
            norm_layer=partial(torch.nn.LayerNorm, eps=1e-6),
            num_heads=VIT_HEADS_AND_DEPTH,
            patch_size=16,
            qkv_bias=True,
            use_rel_pos=True,
            global_attn_indexes=VIT_WHOLE,
            window_size=14,
            out_chans=256,
        ),
        prompt_encoder=PromptEncoder(
            embed_dim=256, image_embedding_size=(64, 64), input_image_size=(1024, 1024), mask_in_chans=16
        ),
        mask_decoder=MaskDecoder(
            num_multimask_outputs=3,
            transformer=TwoWayTransformer(depth=2, embedding_dim=256, mlp_dim=2048, num_heads=8),
            transformer_dim=256,
            iou_head_depth=3,
            iou_head_hidden_dim=256,
        ),
        pixel_mean=[123.675, 116.28, 103.53],
        pixel_std=[58.395, 57.12, 57.375],
    ).eval()
    randomize(sam, seed)
    return sam


def sam2(config: str, overrides: tuple[str, ...] = (), *, seed: int = 3) -> Any:
    """Return the reference `SAM2Base` that one of its configuration files describes."""
    pytest.importorskip("sam2", reason="the extra `reference` is not installed")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the reference's own
        from sam2.build_sam import build_sam2

        model = build_sam2(config, None, device="cpu", hydra_overrides_extra=list(overrides))
    randomize(model, seed)
    return model


SMALL_HIERA = (
    "model.image_encoder.trunk.embed_dim=24",
    "model.image_encoder.trunk.stages=[1,1,2,1]",
    "model.image_encoder.trunk.global_att_blocks=[3]",
    "model.image_encoder.neck.backbone_channel_list=[192,96,48,24]",
)
"""A trunk in place of the tiny one's: width 24, five blocks."""
SHALLOW_MEMORY = ("model.memory_attention.num_layers=1",)
"""One layer, of four, looks back at the frames before."""


def save(model: Any, path: Path, *, wrap: str = "") -> Path:
    """Write a model's weights as its authors do."""
    state = {name: value.clone() for name, value in model.state_dict().items()}
    torch.save({wrap: state} if wrap else state, path)
    return path


def scene(height: int, width: int, seed: int = 5) -> npt.NDArray[np.uint8]:
    """Return an RGB picture without any symmetry, uint8 (height, width, 3)."""
    rows, columns = np.mgrid[:height, :width].astype(np.float32)
    random = np.random.default_rng(seed)
    painted = np.stack([255 * rows / height, 255 * columns / width, 128 + 100 * np.sin(rows / 9 + columns / 17)], -1)
    for _ in range(12):
        row, column, size = random.uniform(0, height), random.uniform(0, width), random.uniform(4, max(5, height / 5))
        painted[(columns - column) ** 2 + 2 * (rows - row) ** 2 < size**2] = random.uniform(0, 255, 3)
    return painted.clip(0, 255).astype(np.uint8)
