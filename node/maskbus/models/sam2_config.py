"""Shapes of the eight published SAM 2 and SAM 2.1 models, as transformers describes them.

The values are those of the files that the authors publish beside the checkpoints (Ravi et al. 2024, SAM 2).
"""

from __future__ import annotations

from dataclasses import dataclass

from transformers import Sam2HieraDetConfig, Sam2VideoConfig, Sam2VisionConfig


@dataclass(frozen=True)
class Hiera:
    """Size of the image encoder's trunk (Ryali et al. 2023, Hiera)."""

    width: int
    """Channels of the first stage; each later stage has twice as many."""
    heads: int
    """Attention heads of the first stage; each later stage has twice as many."""
    blocks: tuple[int, int, int, int]
    global_attention: tuple[int, ...]
    """Blocks that look at the whole image instead of a window."""
    windows: tuple[int, int, int, int] = (8, 4, 14, 7)
    """Side of the window in each stage, in tokens."""
    background: int = 7
    """Side of the position embedding that is stretched over the image, in tokens."""

    @property
    def widths(self) -> list[int]:
        """Channels of each stage."""
        return [self.width << stage for stage in range(4)]


HIERA = {
    "tiny": Hiera(96, 1, (1, 2, 7, 2), (5, 7, 9)),
    "small": Hiera(96, 1, (1, 2, 11, 2), (7, 10, 13)),
    "base-plus": Hiera(112, 2, (2, 3, 16, 3), (12, 16, 20), background=14),
    "large": Hiera(144, 2, (2, 6, 36, 4), (23, 33, 43), windows=(8, 4, 16, 8)),
}
NAMES = tuple(f"{family}-hiera-{size}" for family in ("sam2.1", "sam2") for size in HIERA)


def video_config(name: str) -> Sam2VideoConfig:
    """Describe one published model.

    Args:
        name: One of `NAMES`; another is a `KeyError`.

    Returns:
        The configuration of the whole model, for images and videos; its `vision_config` is that of the image encoder.
    """
    if name not in NAMES:
        raise KeyError(name)
    family, size = name.split("-hiera-")
    return make_config(HIERA[size], family)


def make_config(hiera: Hiera, family: str, image_size: int = 1024) -> Sam2VideoConfig:
    """Describe a model around an image encoder.

    Args:
        hiera: The encoder's trunk.
        family: "sam2.1", which marks in the memory that an object is hidden and tells how old an object pointer is, or
            "sam2", which does neither.
        image_size: Side of the picture that the model sees, in pixels, a multiple of 32.
    """
    vision = Sam2VisionConfig(
        backbone_config=Sam2HieraDetConfig(
            hidden_size=hiera.width,
            num_attention_heads=hiera.heads,
            image_size=[image_size, image_size],
            blocks_per_stage=list(hiera.blocks),
            embed_dim_per_stage=hiera.widths,
            num_attention_heads_per_stage=[hiera.heads << stage for stage in range(4)],
            window_size_per_stage=list(hiera.windows),
            global_attention_blocks=list(hiera.global_attention),
            window_positional_embedding_background_size=[hiera.background, hiera.background],
        ),
        backbone_channel_list=hiera.widths[::-1],
        backbone_feature_sizes=[[image_size // stride] * 2 for stride in (4, 8, 16)],
    )
    return Sam2VideoConfig(
        vision_config=vision,
        prompt_encoder_config={"image_size": image_size},
        image_size=image_size,
        memory_attention_rope_feat_sizes=[image_size // 16, image_size // 16],
        enable_occlusion_spatial_embedding=family == "sam2.1",
        enable_temporal_pos_encoding_for_object_pointers=family == "sam2.1",
    )
