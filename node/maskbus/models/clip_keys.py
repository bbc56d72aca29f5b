"""Names of weights: other projects' to open_clip's."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from torch import Tensor, nn

from maskbus.interfaces import ModelUnavailable

# TinyCLIP wraps each half, and training on several devices wraps whatever there is.
_WRAPPERS = re.compile(r"^_?(image_encoder|text_encoder|logit_scale)(_without_ddp)?\.")
_MODULE = re.compile(r"^(module\.)+")
_NO_WEIGHTS = ("attn_mask", "position_ids", "input_resolution", "context_length", "vocab_size", "logit_bias")
"""What some files hold besides weights, by how their names end."""


def to_open_clip(model: nn.Module, weights: Mapping[str, Tensor], *, path: Path, name: str) -> dict[str, Tensor]:
    """Return weights under the names that open_clip's model has, and nothing else.

    TinyCLIP's and Apple's own files of MobileCLIP are known, and those of open_clip whatever the class of its model.

    Raises:
        ModelUnavailable: if there are weights that the model does not have: the file is of another one.
    """
    from open_clip.convert import convert_state_dict
    from open_clip.model import convert_to_custom_text_state_dict

    plain = weights if _is_apples(weights) else {_unwrapped(key): value for key, value in weights.items()}
    plain = convert_state_dict(model, dict(plain))
    if "positional_embedding" in plain and not hasattr(model, "positional_embedding"):
        plain = convert_to_custom_text_state_dict(plain)
    wanted = model.state_dict()
    for key in ("logit_scale", "logit_bias"):
        if key in plain and key in wanted:
            plain[key] = plain[key].reshape(wanted[key].shape)  # a number, or a vector of one
    odd = sorted(key for key in plain if key not in wanted and not key.endswith(_NO_WEIGHTS))
    if odd:
        raise ModelUnavailable(f"The weights file {path} is not of {name}: it has {odd[0]}, which that has not.")
    return {key: value for key, value in plain.items() if key in wanted}


def _is_apples(weights: Mapping[str, Tensor]) -> bool:
    return any(key.startswith("image_encoder.model.") for key in weights)


def _unwrapped(key: str) -> str:
    return _MODULE.sub("", _WRAPPERS.sub("", _MODULE.sub("", key)))
