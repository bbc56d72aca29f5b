"""Measure how well built-in models follow an object through a video, beside two plain ways to do it.

python bench/tracking.py [--data ../shared/data] [--models grabcut nano] [--json FILE] [--docs] [--limit FRAMES]

The videos are DAVIS 2016 (Perazzi et al.) sequences with a mask for every frame. Each way is given the first frame's
mask and then frame after frame; J is the mean IoU over the other frames. The plain ways: dense optical flow that
carries the mask along, and a box tracker (MIL, Babenko et al. 2009) with `cv2.grabCut` in its box, both on as small a
copy of the frame as the models work on.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from functools import partial
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, Protocol

import cv2
import machine
import numpy as np
import numpy.typing as npt
from page import replace_section
from quality_figures import agreement, pearson

from maskbus.contract import FreeJob
from maskbus.interfaces import Handler, Image, LoadContext, Prompt, TrackerOptions

SIDE = 427
Bool = npt.NDArray[np.bool_]
UInt8 = npt.NDArray[np.uint8]


class Way(Protocol):
    def start(self, bgr: UInt8, mask: Bool) -> None: ...

    def step(self, bgr: UInt8) -> tuple[Bool, float]:
        """Return the mask, and the way's own estimate of its IoU where it has one."""
        ...


class Model:
    def __init__(self, handler: Handler) -> None:
        self.tracker = handler.tracker(TrackerOptions())

    def start(self, bgr: UInt8, mask: Bool) -> None:
        self.tracker.advance(Image(bgr, "bgr"), FreeJob())
        self.tracker.prompt(0, Prompt(mask=mask), FreeJob())

    def step(self, bgr: UInt8) -> tuple[Bool, float]:
        seen = self.tracker.advance(Image(bgr, "bgr"), FreeJob())
        return seen.masks[0], float(seen.predicted_iou[0])


def smaller(bgr: UInt8) -> UInt8:
    scale = min(1.0, SIDE / max(bgr.shape[:2]))
    return np.asarray(cv2.resize(bgr, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), np.uint8)


def larger(mask: npt.NDArray[np.float32], bgr: UInt8) -> Bool:
    return np.asarray(cv2.resize(mask, bgr.shape[1::-1], interpolation=cv2.INTER_LINEAR) > 0.5, np.bool_)


class Flow:
    """DIS optical flow (Kroeger et al. 2016) carries the mask along."""

    def start(self, bgr: UInt8, mask: Bool) -> None:
        self.before = cv2.cvtColor(smaller(bgr), cv2.COLOR_BGR2GRAY)
        size = self.before.shape[::-1]
        self.mask = cv2.resize(mask.astype(np.float32), size, interpolation=cv2.INTER_AREA)
        self.grid = np.dstack(np.meshgrid(np.arange(size[0]), np.arange(size[1]))).astype(np.float32)
        self.flow = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)

    def step(self, bgr: UInt8) -> tuple[Bool, float]:
        grey = cv2.cvtColor(smaller(bgr), cv2.COLOR_BGR2GRAY)
        where = self.grid + self.flow.calc(grey, self.before, None)
        self.mask = cv2.remap(self.mask, where, None, cv2.INTER_LINEAR)
        self.before = grey
        return larger(self.mask, bgr), float("nan")


class Box:
    def start(self, bgr: UInt8, mask: Bool) -> None:
        small = smaller(bgr)
        held = cv2.resize(mask.astype(np.uint8), small.shape[1::-1], interpolation=cv2.INTER_AREA)
        cv2.setRNGSeed(0)
        self.tracker = cv2.TrackerMIL_create()
        self.tracker.init(small, cv2.boundingRect(held))

    def step(self, bgr: UInt8) -> tuple[Bool, float]:
        small = smaller(bgr)
        _, (left, top, width, height) = self.tracker.update(small)
        mask = np.zeros(small.shape[:2], np.uint8)
        mask[max(top, 0) : max(top + height, 0), max(left, 0) : max(left + width, 0)] = cv2.GC_PR_FGD
        if mask.any() and not mask.all():
            cv2.setRNGSeed(0)
            cv2.grabCut(small, mask, (0, 0, 1, 1), np.zeros((1, 65)), np.zeros((1, 65)), 5, cv2.GC_INIT_WITH_MASK)
        return larger((mask & 1).astype(np.float32), bgr), float("nan")


def _clocks() -> tuple[float, float]:
    """Return seconds: on the wall, and of the CPU over all threads, which a busy machine changes less."""
    return time.perf_counter(), time.process_time()


def follow(way: Way, frames: list[Path], masks: list[Path]) -> list[dict[str, float]]:
    rows = []
    for number, (frame, mask) in enumerate(zip(frames, masks, strict=True)):
        bgr = np.asarray(cv2.imread(str(frame)), np.uint8)
        true = np.asarray(cv2.imread(str(mask), cv2.IMREAD_GRAYSCALE)) > 127
        if number == 0:
            way.start(bgr, true)
            continue
        begun = _clocks()
        found, estimate = way.step(bgr)
        wall, cpu = (1000 * (now - then) for now, then in zip(_clocks(), begun, strict=True))
        union = np.count_nonzero(found | true)
        iou = np.count_nonzero(found & true) / union if union else 1.0
        rows.append({"iou": iou, "predicted_iou": estimate, "ms": wall, "cpu_ms": cpu})
    return rows


def table(figures: dict[str, Any]) -> list[str]:
    names = figures["videos"]
    lines = [f"| | {' | '.join(names)} | mean J | median ms a frame | CPU ms |", "|---|" + "---:|" * (len(names) + 3)]
    for way, one in figures["ways"].items():
        each = " | ".join(f"{one['J'][name]:.3f}" for name in names)
        lines.append(f"| {way} | {each} | {one['mean_J']:.3f} | {one['median_ms']:.0f} | {one['median_cpu_ms']:.0f} |")
    return lines


def as_markdown(figures: dict[str, Any]) -> str:
    models = figures["models"]
    lines = [
        f"{' and '.join(f'`{name}`' for name in models)} on {len(figures['videos'])} sequences of DAVIS 2016, "
        f"{figures['frames']} frames of 854 × 480 pixels, the first frame's mask given (`python bench/tracking.py`): "
        "J, the mean IoU over the frames after it.",
        "",
        *table(figures),
        "",
        "`predicted_iou` over all frames:",
        "",
        "| | mean | true mean | Pearson | rank correlation |",
        "|---|---:|---:|---:|---:|",
        *(
            f"| {name} | {one['mean']:.3f} | {one['true_mean']:.3f} | {one['pearson']:.2f} | {one['rank']:.2f} |"
            for name, one in models.items()
        ),
        "",
        f"Machine: {figures['machine']}; load average {figures['load']:.1f} at the end.",
    ]
    return "\n".join(lines)


def _handler(name: str) -> Handler:
    found = [entry for entry in entry_points(group="maskbus.handlers") if entry.name == name]
    if not found:
        raise SystemExit(f"No handler is called {name!r}.")
    handler: Handler = found[0].load()(LoadContext(model=name))
    return handler


def main() -> int:
    parser = argparse.ArgumentParser(description="Measure how well built-in models follow an object.")
    parser.add_argument("--data", type=Path, default=Path(__file__).resolve().parents[2] / "shared" / "data")
    parser.add_argument("--models", nargs="+", default=["grabcut", "nano"])
    parser.add_argument("--json", type=Path, help="write every figure of every frame there")
    parser.add_argument("--docs", action="store_true", help="write the table into docs/performance.md")
    parser.add_argument("--limit", type=int, help="only the first so many frames of each video")
    options = parser.parse_args()
    pictures, truths = options.data / "davis" / "JPEGImages", options.data / "davis" / "Annotations"
    videos = sorted(path.name for path in pictures.iterdir()) if pictures.is_dir() and truths.is_dir() else []
    if not videos:
        print(f"Skipped: there are no videos in {options.data / 'davis'} (JPEGImages/ and Annotations/ are needed).")
        return 0
    handlers = {name: _handler(name) for name in dict.fromkeys(options.models)}
    ways: dict[str, Callable[[], Way]] = {
        **{name: partial(Model, handler) for name, handler in handlers.items()},
        "plain optical flow": Flow,
        "box tracker (MIL) and cv2.grabCut": Box,
    }
    rows: dict[str, dict[str, list[dict[str, float]]]] = {way: {} for way in ways}
    for video in videos:
        frames = sorted((pictures / video).iterdir())[: options.limit]
        masks = [truths / video / f"{frame.stem}.png" for frame in frames]
        for way, make in ways.items():
            rows[way][video] = follow(make(), frames, masks)
    for handler in handlers.values():
        handler.close()

    def summary(by_video: dict[str, list[dict[str, float]]]) -> dict[str, Any]:
        means = {video: float(np.mean([row["iou"] for row in each])) for video, each in by_video.items()}
        every = [row for each in by_video.values() for row in each]
        return {
            "J": means,
            "mean_J": float(np.mean(list(means.values()))),
            "median_ms": float(np.median([row["ms"] for row in every])),
            "median_cpu_ms": float(np.median([row["cpu_ms"] for row in every])),
        }

    def belief(by_video: dict[str, list[dict[str, float]]]) -> dict[str, float]:
        answers = [row for each in by_video.values() for row in each]
        return {
            "mean": float(np.mean([row["predicted_iou"] for row in answers])),
            "true_mean": float(np.mean([row["iou"] for row in answers])),
            "pearson": pearson(answers, "predicted_iou"),
            "rank": agreement(answers, "predicted_iou"),
        }

    figures: dict[str, Any] = {
        "models": {name: belief(rows[name]) for name in handlers},
        "videos": videos,
        "frames": sum(len(each) + 1 for each in next(iter(rows.values())).values()),
        "machine": machine.sentence(machine.describe()),
        "load": machine.load_average(),
        "ways": {way: summary(by_video) for way, by_video in rows.items()},
    }
    print(as_markdown(figures))
    if options.json:
        options.json.write_text(json.dumps({**figures, "rows": rows}, indent=1) + "\n", encoding="utf-8")
    if options.docs:
        page = Path(__file__).resolve().parents[1] / "docs" / "performance.md"
        replace_section(page, "tracking", as_markdown(figures))
    return 0


if __name__ == "__main__":
    sys.exit(main())
