"""From a file of weights to a CLIP that answers."""

from __future__ import annotations

import contextlib
import logging
import os
import re
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from maskbus.interfaces import LoadContext, ModelUnavailable
from maskbus.models import checkpoint, clip_recipe, runtime
from maskbus.models.clip import Clip
from maskbus.models.clip_keys import to_open_clip
from maskbus.models.clip_recipe import ClipRecipe
from maskbus.models.clip_text_tower import TextTower
from maskbus.models.clip_texts import TextVectors
from maskbus.models.runtime import RuntimeSettings, Stage
from maskbus.weights import resolve

log = logging.getLogger(__name__)

OPTIONS = clip_recipe.OPTIONS | {"runtime", "dtype", "cache_dir", "compile", "cuda_graphs"}
_PROBES = 8


class ImageTower(nn.Module):
    """Crops to vectors of length 1."""

    def __init__(self, visual: nn.Module) -> None:
        super().__init__()
        self.visual = visual

    def forward(self, crops: Tensor) -> Tensor:
        """Turn (N, 3, S, S) into (N, D)."""
        features = self.visual(crops)
        return functional.normalize(features[0] if isinstance(features, tuple) else features, dim=-1)


def load(context: LoadContext) -> Clip:
    """Return the CLIP that the options name, with its image tower on the runtime that they ask for.

    The text tower computes in float32: a text is short, and known when it comes again.

    Args:
        context: Of the worker. Options: those of `maskbus.models.clip_recipe` and of `RuntimeSettings`.

    Raises:
        ModelUnavailable: if the weights are missing, damaged or another model's, or an option makes no sense.
    """
    settings = RuntimeSettings.of(context)
    if context.threads > 0:
        torch.set_num_threads(context.threads)
    # A node downloads nothing by itself: no tokenizer or config either. It must be said before the import.
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    recipe, label = clip_recipe.recipe(context), clip_recipe.label(context)
    file = resolve(label, context)
    model, tokenizer = _built(recipe)
    weights = to_open_clip(model, checkpoint.read(file.path), path=file.path, name=label)
    checkpoint.fill(model, weights, path=file.path, model=label)
    side = _side(model)
    tower = ImageTower(model.visual).eval()
    del model.visual
    scale = float(model.logit_scale.detach().exp().reshape(()))
    stage = runtime.prepare(
        tower,
        (probes(side),),
        name=_file_name(recipe.name),
        digest=file.digest,
        settings=settings,
        input_names=["crops"],
        output_names=["vectors"],
        dynamic_axes={"crops": {0: "count"}},
        agrees=lambda candidate, reference: agreement(candidate, reference, side),
        report=log.info,
    )
    texts = TextTower(model.to(settings.device), tokenizer, settings.device)
    return Clip(
        stage,
        TextVectors(texts.encode),
        side=side,
        scale=scale,
        recipe=recipe,
        device=settings.device,
        digest=file.digest,
    )


def probes(side: int) -> Tensor:
    """Return crops to time and compare runtimes with, float32 (8, 3, side, side): smooth, as pictures are."""
    noise = torch.randn(_PROBES, 3, 7, 7, generator=torch.Generator().manual_seed(1))
    return functional.interpolate(noise, (side, side), mode="bilinear") + 0.1 * noise.mean()


def agreement(candidate: Stage, reference: Stage, side: int) -> float:
    """Return the least cosine similarity of two towers' vectors of the same crop."""
    crops = probes(side)
    (one,), (other,) = candidate([crops]), reference([crops])
    return float(functional.cosine_similarity(one.float().cpu(), other.float().cpu()).min())


def _built(recipe: ClipRecipe) -> tuple[Any, Any]:
    """Return model, with random weights, and tokenizer."""
    import open_clip

    try:
        with _quiet():
            tokenizer = open_clip.get_tokenizer(recipe.name)
            model = open_clip.create_model(
                recipe.name,
                load_weights=False,
                pretrained_image=False,
                pretrained_text=False,
                quick_gelu=recipe.quick_gelu,
            )
            return model.eval(), tokenizer
    except Exception as error:  # whatever a config that fits nothing makes torch, timm or transformers raise
        first = (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
        raise ModelUnavailable(
            f"open_clip cannot build {recipe.name.removeprefix('local-dir:')} from what is on this machine: {first}"
        ) from None


def _side(model: Any) -> int:
    size = model.visual.image_size
    height, width = (size, size) if isinstance(size, int) else size
    if height != width:
        raise ModelUnavailable(f"This CLIP looks at pictures of {width}×{height}; only squares are supported.")
    return int(height)


def _file_name(name: str) -> str:
    """Return a name for the files of an export."""
    short = name.removeprefix("local-dir:").replace("\\", "/").rstrip("/").rpartition("/")[2].lower()
    return f"clip-{re.sub(r'[^a-z0-9._-]', '-', short)}"


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep what open_clip tells the root logger from users: that the model has no weights yet."""
    root = logging.getLogger()

    def nothing(record: logging.LogRecord) -> bool:
        return False

    root.addFilter(nothing)
    try:
        yield
    finally:
        root.removeFilter(nothing)
