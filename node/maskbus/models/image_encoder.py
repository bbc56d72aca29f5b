"""The image encoders of SAM, MobileSAM and SAM 2, as one kind of module: a square of pixels in, features out."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from maskbus.models import checkpoint, sam2_config, sam2_keys
from maskbus.models.tiny_vit import TinyViT

VITS = {
    "sam-vit-b": (768, 12, 12, (2, 5, 8, 11)),
    "sam-vit-l": (1024, 24, 16, (5, 11, 17, 23)),
    "sam-vit-h": (1280, 32, 16, (7, 15, 23, 31)),
}
"""Width, depth, heads, and the layers that look at the whole image instead of a window."""
_VIT_NAMES = (
    (r"^blocks\.", "layers."),
    (r"^patch_embed\.proj\.", "patch_embed.projection."),
    (r"\.norm(\d)\.", r".layer_norm\1."),
    (r"^neck\.0\.", "neck.conv1."),
    (r"^neck\.1\.", "neck.layer_norm1."),
    (r"^neck\.2\.", "neck.conv2."),
    (r"^neck\.3\.", "neck.layer_norm2."),
)
"""What transformers calls otherwise than the authors."""
_SAM2_PARTS = ("image_encoder.trunk.", "image_encoder.neck.")


class SamImageEncoder(nn.Module):
    """SAM and MobileSAM: (B, 3, 1024, 1024) to an embedding of (B, 256, 64, 64)."""

    def __init__(self, encoder: nn.Module) -> None:
        super().__init__()
        self.encoder = encoder

    def forward(self, pixels: Tensor) -> tuple[Tensor, ...]:
        """Encode; there is one output."""
        encoded = self.encoder(pixels)
        return (encoded if isinstance(encoded, Tensor) else encoded.last_hidden_state,)


class Sam2ImageEncoder(nn.Module):
    """SAM 2: (B, 3, S, S) to an embedding of (B, 256, S/16, S/16), and features of twice and four times its sides.

    The trunk's position embedding depends on nothing, so it is made once; position encodings of the pyramid, which an
    image needs none of, are not made at all.
    """

    positions: Tensor

    def __init__(self, vision: Any, conv_s0: nn.Conv2d, conv_s1: nn.Conv2d) -> None:
        super().__init__()
        self.vision = vision
        self.conv_s0 = conv_s0
        self.conv_s1 = conv_s1
        config = vision.config
        side = config.backbone_config.image_size[0] // 4
        with torch.inference_mode(False), torch.no_grad():
            self.register_buffer("positions", vision.backbone._get_pos_embed((side, side)).clone())
        self.top_down = frozenset(config.fpn_top_down_levels)

    def forward(self, pixels: Tensor) -> tuple[Tensor, ...]:
        """Return the embedding, (B, 64, S/8, S/8) and (B, 32, S/4, S/4)."""
        vision: Any = self.vision
        backbone, neck = vision.backbone, vision.neck
        hidden: Tensor = backbone.patch_embed(pixels) + self.positions
        levels = []
        for i, block in enumerate(backbone.blocks):
            hidden = block(hidden)
            if i in backbone.stage_ends:
                levels.append(hidden.permute(0, 3, 1, 2))
        last = len(levels) - 1
        merged = [neck.convs[last - i](level) for i, level in enumerate(levels)]
        for i in range(last - 1, -1, -1):
            if i in self.top_down:
                merged[i] = merged[i] + functional.interpolate(merged[i + 1], scale_factor=2.0, mode="nearest")
        return merged[2], self.conv_s1(merged[1]), self.conv_s0(merged[0])


def build(variant: str, weights: Mapping[str, Tensor], path: Path) -> nn.Module:
    """Return the image encoder of a published model, with its weights, float32.

    Args:
        variant: "mobile-sam", "sam-vit-b", "sam2.1-hiera-tiny" and so on.
        weights: The checkpoint's, by the authors' names.
        path: The file they are from, for messages.

    Raises:
        ModelUnavailable: if the weights are another model's.
    """
    if variant == "mobile-sam":
        tiny = TinyViT()
        checkpoint.fill(tiny, checkpoint.part(weights, "image_encoder."), path=path, model=variant)
        return SamImageEncoder(tiny).eval()
    if variant in VITS:
        vit = _vit(variant)
        own = {_renamed(name): value for name, value in checkpoint.part(weights, "image_encoder.").items()}
        checkpoint.fill(vit, own, path=path, model=variant)
        return SamImageEncoder(vit).eval()
    return _sam2(variant, weights, path)


def _vit(variant: str) -> nn.Module:
    from transformers import SamVisionConfig
    from transformers.models.sam.modeling_sam import SamVisionEncoder

    width, depth, heads, whole = VITS[variant]
    config = SamVisionConfig(
        hidden_size=width, num_hidden_layers=depth, num_attention_heads=heads, global_attn_indexes=list(whole)
    )
    config._attn_implementation = "sdpa"
    with torch.device("meta"):  # nothing is allocated, nor filled with random numbers, that weights replace
        encoder: nn.Module = SamVisionEncoder(config)
    return encoder


def _renamed(name: str) -> str:
    for pattern, replacement in _VIT_NAMES:
        name = re.sub(pattern, replacement, name)
    return name


def _sam2(variant: str, weights: Mapping[str, Tensor], path: Path) -> nn.Module:
    from transformers import Sam2VisionModel

    config = sam2_config.video_config(variant).vision_config
    config._attn_implementation = "sdpa"
    with torch.device("meta"):
        vision: Any = Sam2VisionModel(config)
    own = {name: value for name, value in weights.items() if name.startswith(_SAM2_PARTS)}
    renamed = {new: value for name, value in own.items() for new in sam2_keys.translate(name)}
    checkpoint.fill(vision, checkpoint.part(renamed, "vision_encoder."), path=path, model=variant)
    convs = []
    for name, channels in (("conv_s0", 32), ("conv_s1", 64)):
        conv = nn.Conv2d(256, channels, 1)
        checkpoint.fill(conv, checkpoint.part(weights, f"sam_mask_decoder.{name}."), path=path, model=variant)
        convs.append(conv)
    return Sam2ImageEncoder(vision, *convs).eval()
