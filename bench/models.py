"""Measure the models beside their authors' code: encoders by runtime, clicks, everything mode, the way over the bus.

    python bench/models.py [--docs] [--quick] [--model mobile-sam --model sam2.1-hiera-tiny]
    python bench/models.py --table [--docs]

Weights are random: a network takes as long whatever it knows. The reference is the authors' own code in eager torch,
float32, with as many threads: `segment_anything` and `sam2`; for MobileSAM's encoder, which no package has, our TinyViT
as plain torch runs it, behind the authors' predictor. Everything of one row is measured in one run, in turns.

With random weights the masks are noise near 0, where a lower precision flips pixels that a trained network is sure of:
agreement is shown, and bfloat16 is asked for by name, not left to `auto`, which would rightly refuse it on other such
weights. Noise has many run lengths, so masks come over the bus as packed bits.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # as workers have it; before torch loads

import machine
import model_contenders as under_test
import numpy as np
import torch
from page import replace_section

from maskbus.memory import keep_freed_memory
from maskbus.weights import ENTRIES

ROOT = Path(__file__).resolve().parents[1]

RUNTIMES = (
    ("torch", "float32"),
    ("torch", "bfloat16"),
    ("onnxruntime", "float32"),
    ("openvino", "float32"),
    ("openvino", "bfloat16"),
)
POINT = np.array([[700.5, 400.25]], np.float32)
ONE = np.ones(1, np.int8)
AUTHORS = "authors' code"


@dataclass
class Row:
    """One thing measured: milliseconds by name, in the order in which they were taken."""

    times: dict[str, list[float]] = field(default_factory=dict)

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


@dataclass
class Figures:
    """What was measured of one model."""

    model: str
    embed: Row = field(default_factory=Row)
    agreement: dict[str, float] = field(default_factory=dict)
    click: Row = field(default_factory=Row)
    bus: Row = field(default_factory=Row)
    everything: Row = field(default_factory=Row)
    points: int = 0
    found: dict[str, int] = field(default_factory=dict)


def measure(name: str, folder: Path, *, quick: bool) -> Figures:
    """Measure one model."""
    repeats = 1 if quick else 5
    figures = Figures(name)
    reference = under_test.reference(name)
    weights = under_test.save(reference, name, folder)
    pixels = under_test.scene(1080, 1920)
    predictor = under_test.predictor(reference)
    handlers = {
        f"{runtime} {dtype}": under_test.load(name, weights, runtime=runtime, dtype=dtype)
        for runtime, dtype in RUNTIMES
    }
    ways: dict[str, Callable[[], object]] = {AUTHORS: lambda: predictor.set_image(pixels)}
    for key, handler in handlers.items():
        ways[key] = lambda handler=handler: under_test.embed(handler, pixels)
    figures.embed.take(repeats, **ways)
    plain = handlers["torch float32"]
    for key, handler in handlers.items():
        figures.agreement[key] = under_test.agreement(handler, plain)
    best = handlers["openvino bfloat16"]

    # A click on an image that is there already, to its mask of 1080p.
    embedding = under_test.embed(best, pixels)
    figures.click.take(
        3 * repeats,
        **{
            AUTHORS: lambda: predictor.predict(POINT, ONE, multimask_output=False),
            "maskbus": lambda: under_test.click(best, embedding, POINT),
        },
    )
    measure_bus(figures, name, weights, pixels, repeats)
    measure_everything(figures, reference, best, pixels, quick=quick)
    return figures


def measure_bus(figures: Figures, name: str, weights: Path, pixels: Any, repeats: int) -> None:
    """Ask a node of its own: first clicks and clicks on a kept image, from the client."""
    with under_test.serving(name, weights, runtime="openvino", dtype="bfloat16") as client:
        fresh = iter(range(1, 1 << 20))

        def first() -> float:
            changed = pixels.copy()
            changed[0, 0] = next(fresh) % 251, next(fresh) // 251 % 251, 7
            begin = time.perf_counter()
            result = client.segment(changed, points=POINT, encoding="bits", deadline=600)
            took = (time.perf_counter() - begin) * 1e3
            assert not result.cached
            figures.bus.times.setdefault("first click", []).append(took)
            timings = result.timings
            figures.bus.times.setdefault("its embed and decode alone", []).append(timings.embed_ms + timings.decode_ms)
            return took

        first()
        figures.bus.times.clear()
        for _ in range(repeats):
            first()
        image = client.image(pixels, deadline=600)
        figures.bus.take(3 * repeats, **{"click on a kept image": lambda: image.segment(points=POINT, encoding="bits")})


def measure_everything(figures: Figures, reference: Any, handler: Any, pixels: Any, *, quick: bool) -> None:
    """Search a picture by a grid, with thresholds that every mask passes, and with such that a tenth do."""
    side = 2 if quick else 8
    figures.points = side * side
    for label, share in (("all pass", 1.0), ("a tenth pass", 0.1)):
        settings = under_test.settings(handler, pixels, side, share)
        search, generate = under_test.generators(handler, reference, pixels, settings)
        ways = {f"{AUTHORS}, {label}": generate, f"maskbus, {label}": search}
        figures.everything.take(1 if quick else 2, **ways)
        figures.found[label] = len(search())


def table(measured: Collection[str]) -> str:
    """Return a row for each published model: what it takes, its licence, its size; of some, the times as well."""
    rows = [
        "<!-- written by `bench/models.py --table --docs` -->",
        "",
        "| model | prompts | licence | weights | photo to embedding | a click after that |",
        "| --- | --- | --- | ---: | ---: | ---: |",
    ]
    pixels = under_test.scene(1080, 1920)
    for name, entry in ENTRIES.items():
        if name.startswith("sam2-") or entry.family == "CLIP":
            continue  # as large and as fast as their successors; no promptable model by itself
        prompts = "points, boxes, masks, logits; everything" + ("; videos" if "sam2" in name else "")
        size = f"{(entry.size or 0) / 1e6:.0f} MB"
        if name not in measured:
            rows.append(f"| `{name}` | {prompts} | {entry.licence} | {size} | – | – |")
            continue
        with tempfile.TemporaryDirectory() as folder:
            weights = under_test.save(under_test.reference(name), name, Path(folder))
            handler = under_test.load(name, weights, runtime="openvino", dtype="bfloat16")
            row = Row()
            row.take(3, embed=partial(under_test.embed, handler, pixels))
            row.take(7, click=partial(under_test.click, handler, under_test.embed(handler, pixels), POINT))
        rows.append(
            f"| `{name}` | {prompts} | {entry.licence} | {size} "
            f"| {row.median('embed'):.0f} ms | {row.median('click'):.0f} ms |"
        )
        print(rows[-1], flush=True)
    rows += [
        "",
        "The SAM 2.0 models (`sam2-hiera-…`) are as large and as fast as their successors. A 1080p photo, OpenVINO in "
        f"bfloat16, random weights; {machine.describe()['cpu']}, {machine.describe()['cores']} cores.",
    ]
    return "\n".join(rows)


def as_markdown(all_figures: list[Figures]) -> str:
    """Return the tables and the targets."""
    parts = ["<!-- written by `bench/models.py --docs` -->", ""]
    for figures in all_figures:
        reference = figures.embed.median(AUTHORS)
        parts += [f"**{figures.model}**, 1080p photo to embedding", ""]
        parts += [
            "| computed by | ms | faster than the authors' code | masks agree with float32 (IoU, random weights) |"
        ]
        parts += ["| --- | ---: | ---: | ---: |", f"| authors' code, eager torch | {reference:.0f} | 1.0× | |"]
        for name in figures.agreement:
            took = figures.embed.median(name)
            parts.append(f"| {name} | {took:.0f} | {reference / took:.1f}× | {figures.agreement[name]:.4f} |")
        clicks = {name: figures.click.median(name) for name in figures.click.times}
        bus = {name: figures.bus.median(name) for name in figures.bus.times}
        each = {name: figures.everything.median(name) / figures.points for name in figures.everything.times}
        parts += ["", "| | authors' code | maskbus | ratio |", "| --- | ---: | ---: | ---: |"]
        ratio = clicks[AUTHORS] / clicks["maskbus"]
        parts.append(
            f"| a click on a known image, its mask at 1080p | {clicks[AUTHORS]:.1f} ms "
            f"| {clicks['maskbus']:.1f} ms | {ratio:.1f}× |"
        )
        for label, found in figures.found.items():
            theirs, ours = each[f"{AUTHORS}, {label}"], each[f"maskbus, {label}"]
            parts.append(
                f"| everything mode, a point, {label} ({found} masks of {figures.points} points) "
                f"| {theirs:.1f} ms | {ours:.1f} ms | {theirs / ours:.1f}× |"
            )
        alone, first = bus["its embed and decode alone"], bus["first click"]
        kept = bus["click on a kept image"]
        parts += ["", "| over the bus, tcp, 1080p raw | ms |", "| --- | ---: |"]
        parts += [f"| {name} | {took:.1f} |" for name, took in bus.items()]
        best = figures.embed.median("openvino bfloat16")
        wanted = 5.0 if figures.model == "mobile-sam" else 4.0
        targets = [
            (f"embed ≥ {wanted:g}× the authors' code", reference / best, reference / best >= wanted),
            ("a click on a known image ≥ 2.3× the authors' code", ratio, ratio >= 2.3),
            ("first click over the bus ≤ 1.15× of its embed and decode alone", first / alone, first / alone <= 1.15),
            ("a click on a kept image ≤ 1/10 of a first click", first / kept, first / kept >= 10),
        ]
        for label in figures.found:
            speed = each[f"{AUTHORS}, {label}"] / each[f"maskbus, {label}"]
            targets.append((f"everything mode, {label}, ≥ 5× the authors' code", speed, speed >= 5))
        parts += ["", "| target | measured | |", "| --- | ---: | :---: |"]
        parts += [f"| {text} | {value:.2f}× | {'✓' if met else '✗'} |" for text, value, met in targets]
        parts.append("")
    parts.append(machine.sentence(machine.describe()) + ".")
    return "\n".join(parts)


def main() -> int:
    """Measure, print, and write the page where that is asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--docs", action="store_true", help="write the section of docs/performance.md")
    parser.add_argument("--quick", action="store_true", help="one turn each: to see that it runs")
    parser.add_argument("--model", action="append", help="which models (default: mobile-sam, sam2.1-hiera-tiny)")
    parser.add_argument(
        "--table", action="store_true", help="measure all models, or those of --model, briefly, for docs/models.md"
    )
    options = parser.parse_args()
    if options.quick and options.docs:
        parser.error("--quick measures nothing that --docs could show")
    keep_freed_memory()  # as in workers
    torch.set_num_threads(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)
    warnings.simplefilter("ignore")  # the reference's own
    if options.table:
        with torch.inference_mode():
            text = table(options.model or [name for name, entry in ENTRIES.items() if entry.family != "CLIP"])
        if options.docs:
            replace_section(ROOT / "docs" / "models.md", "models-table", text)
        return 0
    names = options.model or ["mobile-sam", "sam2.1-hiera-tiny"]
    with tempfile.TemporaryDirectory() as folder, torch.inference_mode():
        text = as_markdown([measure(name, Path(folder), quick=options.quick) for name in names])
    print(text)
    if options.docs:
        replace_section(ROOT / "docs" / "performance.md", "models", text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
