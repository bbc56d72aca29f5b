"""Which CLIP, and what must be known of it besides its weights. Nothing heavy is imported before it is needed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from maskbus import weights
from maskbus.interfaces import Availability, LoadContext, ModelUnavailable

OPTIONS = frozenset({"clip", "pretrained", "weights", "mean", "std", "quick_gelu"})
_PACKAGES = ("torch", "open_clip", "torchvision", "safetensors")
_MODEL, _TAG = "ViT-B-32", "laion2b_s34b_b79k"
_PUBLISHED = {
    (_MODEL, _TAG): "clip-vit-b-32",
    (_MODEL, "openai"): "clip-vit-b-32-openai",
    ("MobileCLIP-S1", "datacompdr"): "mobileclip-s1",
    ("MobileCLIP-S2", "datacompdr"): "mobileclip-s2",
}
"""What open_clip calls a model and its training → the entry of the manifest. The first of a model is its default."""
_HUB_CONFIG = "open_clip_config.json"
MEAN = (0.48145466, 0.4578275, 0.40821073)
DEVIATION = (0.26862954, 0.26130258, 0.27577711)
"""Of the pictures that OpenAI's models were trained on; open_clip's default."""


@dataclass(frozen=True)
class ClipRecipe:
    """A model as open_clip knows it, before it has its weights."""

    name: str
    """As open_clip's functions take it: a name of its own, or "local-dir:" and a folder."""
    mean: tuple[float, float, float]
    deviation: tuple[float, float, float]
    quick_gelu: bool
    """Whether its activations are OpenAI's approximation of GELU."""

    @property
    def grey(self) -> tuple[float, float, float]:
        """The mean colour of its training pictures. A model whose input is not shifted does not tell it."""
        return self.mean if any(self.mean) else MEAN


def availability(context: LoadContext) -> Availability:
    """Tell whether packages, model config and weights are there. Nothing heavy is imported, nothing read."""
    entry = published(context)
    if entry or "weights" in context.options:
        return weights.availability(entry, context, _PACKAGES, extra="text")
    packages = weights.availability("", _with_any_weights(context), _PACKAGES, extra="text")
    lacks = [packages.missing] if packages.missing else []
    lacks.append(f"its option `weights` must name a file: none is known for {_model(context)!r} {_tag(context)!r}")
    return Availability(ready=False, missing="; ".join(lacks), weights="missing")


def published(context: LoadContext) -> str:
    """Return the entry of the manifest that the options mean; empty where they mean none."""
    return _PUBLISHED.get((_model(context), _tag(context)), "")


def label(context: LoadContext) -> str:
    """Return what to call it: its entry in the manifest, else the model."""
    return published(context) or _model(context)


def _with_any_weights(context: LoadContext) -> LoadContext:
    """Return a context whose weights are there, to have the packages looked at alone."""
    return LoadContext(context.model, options={"weights": __file__})


def _model(context: LoadContext) -> str:
    return _text(context.options, "clip") or _MODEL


def _tag(context: LoadContext) -> str:
    """Return the training: what the options say, else the first that the manifest knows of the model; or none."""
    known = (tag for model, tag in _PUBLISHED if model == _model(context))
    return _text(context.options, "pretrained") or next(known, "")


def recipe(context: LoadContext) -> ClipRecipe:
    """Return what the options mean. Imports open_clip.

    Raises:
        ModelUnavailable: if there is no such model or training, or a config cannot be read.
    """
    import open_clip

    model, tag = _model(context), _tag(context)
    if model.endswith(".json"):
        name, config, looks = _from_file(Path(model).expanduser())
    elif ":" in model or (config := open_clip.get_model_config(model)) is None:
        raise ModelUnavailable(f"open_clip has no model {model!r}; its own names, or the path of a model config, do.")
    else:
        name, looks = model, {}
    if tag:
        looks = open_clip.get_pretrained_cfg(model, tag)
        if not looks:
            known = ", ".join(open_clip.list_pretrained_tags_by_model(model)) or "none"
            raise ModelUnavailable(f"open_clip knows no training {tag!r} of {model}; it knows {known}.")
    options = context.options
    return ClipRecipe(
        name=name,
        mean=_colour(options.get("mean", looks.get("mean", MEAN)), "mean"),
        deviation=_colour(options.get("std", looks.get("std", DEVIATION)), "std"),
        quick_gelu=bool(options.get("quick_gelu", looks.get("quick_gelu", config.get("quick_gelu", False)))),
    )


def _from_file(path: Path) -> tuple[str, Mapping[str, Any], Mapping[str, Any]]:
    """Return name, architecture and preprocessing of a config: open_clip's own kind, or a hub folder's."""
    import open_clip

    try:
        content = json.loads(path.read_bytes())
        parts = content["model_cfg"] if path.name == _HUB_CONFIG else content
        if "embed_dim" not in parts or not all(isinstance(parts[part], Mapping) for part in ("vision_cfg", "text_cfg")):
            raise TypeError
    except OSError as error:
        raise ModelUnavailable(f"The model config {path} cannot be read: {error.strerror}.") from None
    except (ValueError, KeyError, TypeError):
        raise ModelUnavailable(f"{path} is no model config of open_clip.") from None
    if path.name == _HUB_CONFIG:
        return f"local-dir:{path.parent}", parts, content.get("preprocess_cfg", {})
    open_clip.add_model_config(path)
    return path.stem, parts, {}


def _text(options: Mapping[str, Any], name: str) -> str:
    value = options.get(name, "")
    if not isinstance(value, str):
        raise ModelUnavailable(f"{name} = {value!r} must be text.")
    return value


def _colour(value: Any, name: str) -> tuple[float, float, float]:
    """Return three numbers of an option; one stands for three."""
    values = [value] * 3 if isinstance(value, (int, float)) else value
    numbers = isinstance(values, (list, tuple)) and all(
        isinstance(one, (int, float)) and not isinstance(one, bool) for one in values
    )
    if not numbers or len(values) != 3 or (name == "std" and not all(one > 0 for one in values)):
        raise ModelUnavailable(f"{name} = {value!r} must be three numbers{', all above 0' if name == 'std' else ''}.")
    red, green, blue = (float(one) for one in values)
    return red, green, blue
