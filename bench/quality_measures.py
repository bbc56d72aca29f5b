"""What is measured of a model: its answers on photos, its times, its answers on the frames of videos."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import cv2
import machine
import numpy as np
from quality_clicks import JOB, Dialogue, judged, tight_box
from quality_photos import Example, Photo

from maskbus.everything import search
from maskbus.interfaces import DecodeOptions, Embedding, GridDecoder, Handler, Image, Masks, ObjectFinder, Prompt

Result = TypeVar("Result")
TYPICAL = 500 * 375
"""Pixels of the photos that times are taken with."""
EVERYTHING_PHOTOS = 2


def ways_to_correct(handler: Handler) -> list[str]:
    """Return what of an answer can be sent along with the next click, the best way first; "clicks": nothing."""
    prompts = handler.info.prompts
    if "points" not in prompts:
        return []
    logits = ["logits"] if "logits" in prompts and handler.info.has_logits else []
    return [*logits, *(["mask"] if "mask" in prompts else []), "clicks"]


def answers(handler: Handler, examples: list[Example]) -> list[dict[str, Any]]:
    """Return for each photo the answers to its box, and to its clicks by each way to correct."""
    rows = []
    for example in examples:
        photo = example.read()
        embedding = _embedded(handler, photo)
        boxed = _boxed(handler, embedding, photo)
        clicks = {send: Dialogue(handler, embedding, photo, send).answers() for send in ways_to_correct(handler)}
        rows.append({"photo": photo.name, "box": judged(boxed, photo.truth), "clicks": clicks})
    return rows


def times(handler: Handler, examples: list[Example]) -> dict[str, Any]:
    """Return milliseconds of first and next clicks, the peak memory (MB), and seconds of everything mode.

    Photos are scaled to a typical size. A first click is embedding and decoding; a next click, the correction with the
    answer before, decoding alone. A model that takes no clicks is given the box.
    """
    ways = ways_to_correct(handler)
    first: list[dict[str, float]] = []
    following: list[dict[str, float]] = []
    for number, example in enumerate([*examples[:1], *examples]):
        photo = example.read().scaled(TYPICAL)
        taken = _clicked(handler, photo, ways[0]) if ways else [_clocked(partial(_boxed_anew, handler, photo))[1]]
        if number:  # The first time does not count: something may be loaded on first use.
            first += taken[:1]
            following += taken[1:]
    return {"first": first, "next": following, "peak_mb": peak_megabytes(), **_everything(handler, examples)}


def frames(handler: Handler, folder: Path, every: int, limit: int | None) -> dict[str, list[dict[str, float]]]:
    """Return by video the answers to the true box of each frame by itself; frames without the object are left out."""
    rows: dict[str, list[dict[str, float]]] = {}
    for video in sorted(path.name for path in (folder / "JPEGImages").iterdir()):
        rows[video] = []
        for path in sorted((folder / "JPEGImages" / video).iterdir())[::every][:limit]:
            bgr = np.asarray(cv2.imread(str(path)), np.uint8)
            mask = cv2.imread(str(folder / "Annotations" / video / f"{path.stem}.png"), cv2.IMREAD_GRAYSCALE)
            photo = Photo(path.stem, bgr, np.where(np.asarray(mask) > 127, 255, 0).astype(np.uint8))
            if photo.truth.any():
                rows[video].append(judged(_boxed_anew(handler, photo), photo.truth))
    return rows


def peak_megabytes() -> float:
    """Return the most resident memory this process has had, MiB; NaN on Windows.

    `getrusage` on Linux also counts what the process that started this one had before.
    """
    status = Path("/proc/self/status")
    lines = status.read_text().splitlines() if status.exists() else []
    held = [int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM:")]
    return held[0] if held else machine.peak_megabytes()


def _embedded(handler: Handler, photo: Photo) -> Embedding:
    return handler.embed([Image(photo.bgr, "bgr")], JOB)[0]


def _boxed(handler: Handler, embedding: Embedding, photo: Photo) -> Masks:
    return handler.decode(embedding, Prompt(boxes=tight_box(photo.truth)), DecodeOptions(), JOB)


def _boxed_anew(handler: Handler, photo: Photo) -> Masks:
    return _boxed(handler, _embedded(handler, photo), photo)


def _clicked(handler: Handler, photo: Photo, send: str) -> list[dict[str, float]]:
    """Return the times of a first click and of the next one, where there is something to correct."""
    embedding, embedded = _clocked(lambda: _embedded(handler, photo))
    dialogue = Dialogue(handler, embedding, photo, send)
    _, first = _clocked(dialogue.ask)
    taken = [{unit: embedded[unit] + first[unit] for unit in first}]
    if dialogue.correct():
        taken.append(_clocked(dialogue.ask)[1])
    return taken


def _clocked(call: Callable[[], Result]) -> tuple[Result, dict[str, float]]:
    """Return also milliseconds: on the wall, and of the CPU over all threads, which a busy machine changes less."""
    wall, cpu = time.perf_counter(), time.process_time()
    result = call()
    return result, {"ms": (time.perf_counter() - wall) * 1000, "cpu_ms": (time.process_time() - cpu) * 1000}


def _everything(handler: Handler, examples: list[Example]) -> dict[str, Any]:
    """Return seconds for each of a few photos; nothing for a model that would take minutes."""
    if not isinstance(handler, (GridDecoder, ObjectFinder)):
        return {}
    taken = []
    for example in examples[:EVERYTHING_PHOTOS]:
        image = Image(example.read().scaled(TYPICAL).bgr, "bgr")
        _, one = _clocked(partial(search, handler, image, handler.info.everything, JOB))
        taken.append(one["ms"] / 1000)
    return {"everything_s": taken}
