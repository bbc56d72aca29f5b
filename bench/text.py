"""Measure texts: what the first and the second question to a photo cost, and crops at once beside a plain loop.

    python bench/text.py [--docs] [--quick] [--masks 100] [--clip ViT-B-32] [--runtime auto]

Weights are random: a network takes as long whatever it knows. The masks are ellipses of all sizes on a 1080p photo, in
place of what another model would propose: what that takes stands in the tables of everything mode. The loop is what one
would write (crop_loop.py): for each mask its box, what is around it painted over, resized with Pillow, normalised, and
through torch in float32 by itself. Both are measured in one run, in turns.
"""

from __future__ import annotations

import argparse
import logging
import os
import statistics
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # as workers have it; before torch loads

import crop_loop
import cv2
import machine
import numpy as np
import numpy.typing as npt
import torch
from page import replace_section

from maskbus.contract import FreeJob
from maskbus.handlers.text import TextHandler
from maskbus.handlers.text_embedding import TextEmbedding
from maskbus.interfaces import DecodeOptions, FoundObject, LoadContext, Prompt
from maskbus.memory import keep_freed_memory
from maskbus.models import clip_recipe
from maskbus.models.clip_crops import CropCutter, Look

ROOT = Path(__file__).resolve().parents[1]
HEIGHT, WIDTH = 1080, 1920
LOOK = Look()
LOOPED = 20
"""Masks that the loop is measured with: it takes as long for each."""
BoolArray = npt.NDArray[np.bool_]


@dataclass
class Figures:
    """Milliseconds by what they were spent on, of so many masks."""

    clip: str
    runtime: str
    masks: int
    times: dict[str, list[float]] = field(default_factory=dict)
    agreement: float = 0.0

    def take(self, repeats: int, **ways: Callable[[], object]) -> None:
        """Time some ways in turns, after one round that does not count."""
        for turn in range(repeats + 1):
            for name, way in ways.items():
                begin = time.perf_counter()
                way()
                if turn:
                    self.times.setdefault(name, []).append((time.perf_counter() - begin) * 1e3)

    def median(self, name: str) -> float:
        return statistics.median(self.times[name])


def photo(random: np.random.Generator) -> npt.NDArray[np.uint8]:
    """Return a picture with detail of every size, RGB uint8 (1080, 1920, 3)."""
    total = np.full((HEIGHT, WIDTH, 3), 128.0)
    for cells, weight in ((4, 40), (20, 30), (120, 20), (700, 12)):
        coarse = random.normal(0, weight, (cells, cells, 3))
        total += cv2.resize(coarse, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)
    return total.clip(0, 255).astype(np.uint8)


def proposals(count: int, random: np.random.Generator) -> list[FoundObject]:
    """Return ellipses, the largest first, most of them small, as a search finds them."""
    found = []
    for _ in range(count):
        mask = np.zeros((HEIGHT, WIDTH), np.uint8)
        size = float(np.exp(random.uniform(np.log(12), np.log(500))))
        centre = int(random.uniform(0, WIDTH)), int(random.uniform(0, HEIGHT))
        cv2.ellipse(
            mask, centre, (int(size), int(size * random.uniform(0.3, 1))), random.uniform(0, 180), 0, 360, 1, -1
        )
        x, y, width, height = cv2.boundingRect(mask)
        patch = mask[y : y + height, x : x + width].astype(bool)
        found.append(
            FoundObject((x, y, width, height), patch, int(patch.sum()), 0.9, 0.9, (0.0, 0.0), (0, 0, WIDTH, HEIGHT))
        )
    return sorted(found, key=lambda one: -one.area)


def load(clip: str, runtime: str, folder: Path) -> tuple[TextHandler, Any]:
    """Return the handler with random weights, and the image tower with the same ones in plain torch."""
    import open_clip
    from safetensors.torch import save_file

    torch.manual_seed(1)
    tag = clip_recipe.recipe(LoadContext("text", options={"clip": clip}))
    model = open_clip.create_model(
        clip, load_weights=False, pretrained_image=False, pretrained_text=False, quick_gelu=tag.quick_gelu
    ).eval()
    save_file({name: value.contiguous() for name, value in model.state_dict().items()}, folder / "clip.safetensors")
    options = {"clip": clip, "weights": str(folder / "clip.safetensors"), "runtime": runtime, "cache_dir": str(folder)}
    context = LoadContext("text", threads=torch.get_num_threads(), options={**options, "proposals": "grabcut"})
    return TextHandler(context), model.visual


def measure(clip: str, runtime: str, masks: int, *, quick: bool) -> Figures:
    """Measure one CLIP."""
    repeats = 1 if quick else 5
    random = np.random.default_rng(1)
    rgb, objects = photo(random), proposals(masks, random)
    with tempfile.TemporaryDirectory() as folder:
        handler, visual = load(clip, runtime, Path(folder))
        ours = handler._clip
        figures = Figures(clip, ours._images.describe().partition(",")[0], masks)
        boxes, patches = [one.bbox for one in objects], [one.patch for one in objects]
        looped = [objects[i] for i in np.linspace(0, masks - 1, min(LOOPED, masks)).astype(int)]
        full = [one.full(HEIGHT, WIDTH) for one in looped]

        def cut() -> None:
            cutter = CropCutter(rgb, ours.side, ours.recipe.grey)
            for start in range(0, masks, 16):
                cutter.cut(boxes[start : start + 16], patches[start : start + 16], LOOK)

        def crop_by_crop() -> None:
            for mask in full:
                crop_loop.crop(rgb, mask, ours.side, LOOK.background, LOOK.margin, ours.recipe.grey)

        def loop() -> npt.NDArray[np.float32]:
            return crop_loop.vectors(visual, rgb, full, ours.side, LOOK.background, LOOK.margin, ours.recipe)

        def see() -> npt.NDArray[np.float32]:
            return ours.see(rgb, boxes, lambda i: patches[i], LOOK, FreeJob())

        figures.take(
            repeats, **{"crops": cut, "crops and network": see, "crops, looped": crop_by_crop, "all, looped": loop}
        )
        for name in ("crops, looped", "all, looped"):
            figures.times[name] = [taken * masks / len(looped) for taken in figures.times[name]]
        vectors = see()[[next(i for i, one in enumerate(objects) if one is other) for other in looped]]
        figures.agreement = float((vectors * loop()).sum(1).min())

        embedding = TextEmbedding(rgb, objects)
        texts = iter(f"a thing of number {i}" for i in range(1 << 20))

        def ask(text: str) -> None:
            handler.decode(embedding, Prompt(texts=(text,)), DecodeOptions(), FreeJob())

        ask(next(texts))
        figures.take(
            3 * repeats, **{"another text": lambda: ask(next(texts)), "the same text": lambda: ask("a red cup")}
        )
    return figures


def as_markdown(figures: Figures) -> str:
    """Return the tables."""
    crops, both = figures.median("crops"), figures.median("crops and network")
    looped, all_looped = figures.median("crops, looped"), figures.median("all, looped")
    rows = [
        "<!-- written by `bench/text.py --docs` -->",
        "",
        f"**{figures.clip}** (random weights, {figures.runtime}) over {figures.masks} masks of a 1080p photo",
        "",
        "| | maskbus | mask by mask, eager torch | ratio |",
        "| --- | ---: | ---: | ---: |",
        f"| crops | {crops:.0f} ms | {looped:.0f} ms | {looped / crops:.1f}× |",
        f"| crops and image tower | {both:.0f} ms | {all_looped:.0f} ms | {all_looped / both:.1f}× |",
        "",
        "| a question to a photo | ms |",
        "| --- | ---: |",
        "| the first: what proposes the masks, and | – |",
        f"| &nbsp; crops | {crops:.0f} |",
        f"| &nbsp; image tower | {both - crops:.0f} |",
        f"| the second, another text | {figures.median('another text'):.1f} |",
        f"| the second, a text that was asked before | {figures.median('the same text'):.1f} |",
        "",
        f"Vectors agree with the loop's to a cosine of at least {figures.agreement:.4f}. The loop was measured with "
        f"{min(LOOPED, figures.masks)} of the masks.",
        "",
        f"{machine.sentence(machine.describe())}.",
    ]
    return "\n".join(rows)


def main() -> int:
    """Measure, print, and write the page where that is asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--docs", action="store_true", help="write the section of docs/performance.md")
    parser.add_argument("--quick", action="store_true", help="one turn each: to see that it runs")
    parser.add_argument("--masks", type=int, default=100, help="how many (default: 100)")
    parser.add_argument("--clip", default="ViT-B-32", help="open_clip's name of the model (default: ViT-B-32)")
    parser.add_argument("--runtime", default="auto", help="what computes the image tower (default: auto)")
    options = parser.parse_args()
    if options.quick and options.docs:
        parser.error("--quick measures nothing that --docs could show")
    keep_freed_memory()  # as in workers
    torch.set_num_threads(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)  # open_clip's, that there are no weights
    with torch.inference_mode():
        text = as_markdown(measure(options.clip, options.runtime, max(2, options.masks), quick=options.quick))
    print(text)
    if options.docs:
        replace_section(ROOT / "docs" / "performance.md", "text", text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
