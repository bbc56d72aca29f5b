"""Meta's names of SAM 2's weights, turned into those of transformers."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

import torch
from torch import Tensor

POINT_EMBEDDINGS = tuple(f"sam_prompt_encoder.point_embeddings.{kind}.weight" for kind in range(4))
"""Background, object, top left, bottom right: one row each of transformers' `prompt_encoder.point_embed`."""
POSITIONS = "sam_prompt_encoder.pe_layer.positional_encoding_gaussian_matrix"
"""One matrix here; transformers holds it twice, for prompts and for the image."""

MODULES = {
    "image_encoder.trunk": "vision_encoder.backbone",
    "image_encoder.neck": "vision_encoder.neck",
    "sam_prompt_encoder": "prompt_encoder",
    "sam_mask_decoder": "mask_decoder",
    "memory_attention": "memory_attention",
    "memory_encoder": "memory_encoder",
    "mask_downsample": "mask_downsample",
    "obj_ptr_proj": "object_pointer_proj",
    "obj_ptr_tpos_proj": "temporal_positional_encoding_projection_layer",
    "maskmem_tpos_enc": "memory_temporal_positional_encoding",
    "no_mem_embed": "no_memory_embedding",
    "no_mem_pos_enc": "no_memory_positional_encoding",
    "no_obj_ptr": "no_object_pointer",
    "no_obj_embed_spatial": "occlusion_spatial_embedding_parameter",
}
"""Where each part of the model lives: every name begins with one of these."""

WITHIN = (
    (r"\.out_proj\.", ".o_proj."),
    (r"^memory_encoder\.o_proj\.", "memory_encoder.projection."),
    (r"\.norm", ".layer_norm"),
    (r"\.patch_embed\.proj\.", ".patch_embed.projection."),
    (r"(\.neck\.convs\.\d)\.conv\.", r"\1."),
    # Perceptrons: of two layers in the transformers, of three in the heads.
    (r"\.mlp\.layers\.0\.", ".mlp.proj_in."),
    (r"\.mlp\.layers\.1\.", ".mlp.proj_out."),
    (r"(_mlps\.\d|_head|_proj)\.layers\.0\.", r"\1.proj_in."),
    (r"(_mlps\.\d|_head|_proj)\.layers\.1\.", r"\1.layers.0."),
    (r"(_mlps\.\d|_head|_proj)\.layers\.2\.", r"\1.proj_out."),
    (r"\.output_upscaling\.0\.", ".upscale_conv1."),
    (r"\.output_upscaling\.1\.", ".upscale_layer_norm."),
    (r"\.output_upscaling\.3\.", ".upscale_conv2."),
    (r"\.mask_downscaling\.0\.", ".mask_embed.conv1."),
    (r"\.mask_downscaling\.1\.", ".mask_embed.layer_norm1."),
    (r"\.mask_downscaling\.3\.", ".mask_embed.conv2."),
    (r"\.mask_downscaling\.4\.", ".mask_embed.layer_norm2."),
    (r"\.mask_downscaling\.6\.", ".mask_embed.conv3."),
    (r"\.mask_downsampler\.encoder\.12\.", ".mask_downsampler.final_conv."),
    *((rf"\.mask_downsampler\.encoder\.{3 * n}\.", f".mask_downsampler.layers.{n}.conv.") for n in range(4)),
    *((rf"\.mask_downsampler\.encoder\.{3 * n + 1}\.", f".mask_downsampler.layers.{n}.layer_norm.") for n in range(4)),
    (r"\.pix_feat_proj\.", ".feature_projection."),
    (r"\.fuser\.", ".memory_fuser."),
    (r"\.gamma$", ".scale"),
    (r"\.dwconv\.", ".depthwise_conv."),
    (r"\.pwconv(\d)\.", r".pointwise_conv\1."),
)
"""What is called otherwise within a part, applied in this order."""


def translate(name: str) -> tuple[str, ...]:
    """Return the name or names under which transformers holds the weight that Meta calls `name`.

    The four point embeddings share one name: they become the rows of one matrix.

    Raises:
        KeyError: SAM 2 has no such weight.
    """
    if name in POINT_EMBEDDINGS:
        return ("prompt_encoder.point_embed.weight",)
    if name == POSITIONS:
        field = "positional_embedding"
        return (f"prompt_encoder.shared_embedding.{field}", f"shared_image_embedding.{field}")
    module = next((module for module in MODULES if name == module or name.startswith(f"{module}.")), None)
    if module is None:
        raise KeyError(name)
    translated = MODULES[module] + name.removeprefix(module)
    for pattern, replacement in WITHIN:
        translated = re.sub(pattern, replacement, translated)
    return (translated,)


def to_transformers(state: Mapping[str, Tensor], wanted: Iterable[str] | None = None) -> dict[str, Tensor]:
    """Give the weights of a checkpoint the names of transformers' `Sam2VideoModel`.

    Args:
        state: The checkpoint's "model": name → tensor, as Meta publishes it.
        wanted: Names to keep, all of them where there is None: `Sam2Model`, which is for images alone, has a part of
            those of `Sam2VideoModel`, under the same names.

    Returns:
        Name → tensor. Tensors are shared with `state`, except the point embeddings, which are put together.

    Raises:
        KeyError: The checkpoint holds a weight that SAM 2 does not have, or lacks a point embedding.
    """
    renamed = {new: tensor for name, tensor in state.items() for new in translate(name)}
    renamed["prompt_encoder.point_embed.weight"] = torch.cat([state[name] for name in POINT_EMBEDDINGS])
    if wanted is None:
        return renamed
    return {name: renamed[name] for name in wanted if name in renamed}
