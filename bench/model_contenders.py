"""The models and their authors' code, with the same random weights, ready to be timed."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from maskbus.cli import own_node
from maskbus.everything import search
from maskbus.handlers.registry import installed, load_class
from maskbus.handlers.sam import SamHandler
from maskbus.interfaces import DecodeOptions, EverythingSettings, Image, LoadContext, Prompt
from maskbus.models.probe import agreement as _agreement
from maskbus_client import Client

UInt8 = npt.NDArray[np.uint8]
SAM2_FILES = {"tiny": "t", "small": "s", "base-plus": "b+", "large": "l"}


class Unhurried:
    """A job without deadline."""

    def check(self) -> None:
        return

    def remaining(self) -> float:
        return float("inf")

    def progress(self, done: int, total: int, found: Sequence[object] = ()) -> None:
        return


JOB = Unhurried()


def reference(name: str) -> Any:
    """Return the authors' model at its full size with random weights."""
    torch.manual_seed(1)
    if name.startswith("sam2"):
        from sam2.build_sam import build_sam2

        family, size = name.split("-hiera-")
        return build_sam2(f"configs/{family}/{family}_hiera_{SAM2_FILES[size]}.yaml", None, device="cpu")
    from segment_anything import sam_model_registry

    if name != "mobile-sam":
        return sam_model_registry[name.removeprefix("sam-").replace("-", "_")]().eval()
    from segment_anything.modeling import MaskDecoder, PromptEncoder, Sam, TwoWayTransformer

    from maskbus.models.tiny_vit import TinyViT

    encoder: Any = TinyViT()
    encoder.img_size = 1024
    return Sam(
        image_encoder=encoder,
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


def predictor(model: Any) -> Any:
    """Return the authors' predictor."""
    if hasattr(model, "sam_mask_decoder"):
        from sam2.sam2_image_predictor import SAM2ImagePredictor

        return SAM2ImagePredictor(model)
    from segment_anything import SamPredictor

    return SamPredictor(model)


def save(model: Any, name: str, folder: Path) -> Path:
    """Write the weights as the authors publish them."""
    path = folder / f"{name}.pt"
    torch.save({"model": model.state_dict()} if name.startswith("sam2") else model.state_dict(), path)
    return path


def load(name: str, weights: Path, *, runtime: str, dtype: str) -> SamHandler:
    """Return the handler with these weights."""
    handler = load_class(installed()[name])
    assert issubclass(handler, SamHandler)
    options = {"weights": str(weights), "runtime": runtime, "dtype": dtype, "cache_dir": str(weights.parent)}
    return handler(LoadContext(model=name, threads=torch.get_num_threads(), options=options))


def embed(handler: SamHandler, pixels: UInt8) -> Any:
    return handler.embed([Image(pixels)], JOB)[0]


def agreement(handler: SamHandler, plain: SamHandler) -> float:
    return _agreement(handler._segmenter, plain._segmenter)


def click(handler: SamHandler, embedding: Any, point: npt.NDArray[np.float32]) -> Any:
    prompt = Prompt(points=point, labels=np.ones(1, np.int8))
    return handler.decode(embedding, prompt, DecodeOptions(), JOB)


@contextlib.contextmanager
def serving(name: str, weights: Path, *, runtime: str, dtype: str) -> Iterator[Client]:
    """Run a node that offers one model, and yield a client of it."""
    config = weights.with_suffix(".toml")
    config.write_text(
        f'models = ["{name}"]\n[model."{name}".options]\nweights = "{weights}"\nruntime = "{runtime}"\n'
        f'dtype = "{dtype}"\ncache_dir = "{weights.parent}"\n'
    )
    with own_node.running(name, config=str(config)) as ready, Client(ready.endpoints[0]) as client:
        yield client


def settings(handler: SamHandler, pixels: UInt8, side: int, share: float) -> EverythingSettings:
    """Return settings of a grid of side x side points whose thresholds let about a share of all masks pass."""
    loose = EverythingSettings(
        points_per_side=side,
        pred_iou_thresh=-1e9,
        stability_score_thresh=-1.0,
        box_nms_thresh=1.0,
        retry=False,
    )
    if share >= 1:
        return loose
    image = Image(pixels)
    steps = (np.arange(side, dtype=np.float32) + 0.5) / side
    points = np.stack(np.meshgrid(steps * image.width, steps * image.height), -1).reshape(-1, 2)
    iou = handler.decode_grid(embed(handler, pixels), points, -np.inf, JOB).predicted_iou
    return replace(loose, pred_iou_thresh=float(np.quantile(iou, 1 - share)))


def generators(
    handler: SamHandler, model: Any, pixels: UInt8, asked: EverythingSettings
) -> tuple[Callable[[], Any], Callable[[], Any]]:
    """Return our search and the authors' generator, each with the image's embedding in its time left out."""
    embedding = embed(handler, pixels)
    image = Image(pixels)
    if hasattr(model, "sam_mask_decoder"):
        from sam2.automatic_mask_generator import SAM2AutomaticMaskGenerator as Generator
    else:
        from segment_anything import SamAutomaticMaskGenerator as Generator
    generator = Generator(
        model,
        points_per_side=asked.points_per_side,
        pred_iou_thresh=asked.pred_iou_thresh,
        stability_score_thresh=asked.stability_score_thresh,
        box_nms_thresh=asked.box_nms_thresh,
        output_mode="uncompressed_rle",
    )
    generator.predictor.set_image(pixels)
    generator.predictor.set_image = lambda *_: None
    generator.predictor.reset_image = generator.predictor.reset_predictor = lambda *_: None
    return (
        lambda: search(handler, image, asked, JOB, embedding).objects,
        lambda: generator.generate(pixels),
    )


def scene(height: int, width: int) -> UInt8:
    """Return an RGB picture with things in it, uint8 (height, width, 3)."""
    rows, columns = np.mgrid[:height, :width].astype(np.float32)
    random = np.random.default_rng(5)
    painted = np.stack([255 * rows / height, 255 * columns / width, 128 + 100 * np.sin(rows / 9 + columns / 17)], -1)
    for _ in range(40):
        row, column, size = random.uniform(0, height), random.uniform(0, width), random.uniform(9, height / 5)
        painted[(columns - column) ** 2 + 2 * (rows - row) ** 2 < size**2] = random.uniform(0, 255, 3)
    return painted.clip(0, 255).astype(np.uint8)
