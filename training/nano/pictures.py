"""Draw how the training went and what the network answers: `python -m training.nano.pictures`."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from training.nano import held_out
from training.nano.held_out import Asked
from training.nano.photos import read
from training.nano.settings import SETTINGS
from training.nano.settings import read as read_settings

UInt8Array = npt.NDArray[np.uint8]

CURVES = "nano-curves.png"
_SHOWN = 10
_COLUMNS = 5
_WIDTH, _HEIGHT, _LINE = 320, 300, 26
_MASK, _TRUTH, _CLICK = (255, 120, 0), (255, 255, 255), (0, 90, 255)


def main() -> int:
    """Draw the curves, and the ten best and the ten worst answers to a first click on photos that were held out."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder with images/ and masks/")
    parser.add_argument("--out", type=Path, required=True, help="folder of the training; the pictures go there")
    parser.add_argument("--settings", type=Path, default=SETTINGS, help="what it was trained with")
    flags = parser.parse_args()
    settings = read_settings(flags.settings)
    curve = flags.out / "curve.jsonl"
    if not curve.exists():
        print(f"train-nano: there is no {curve}.", file=sys.stderr)
        return 1
    curves([json.loads(line) for line in curve.read_text().splitlines()], flags.out / CURVES)
    _, photos = read(flags.data, held_out=settings.held_out)
    cv2.setNumThreads(1)
    asked = list(held_out.ask(held_out.network_in(flags.out, settings.size), photos, clicks=1, box=False))
    asked.sort(key=lambda one: -one.reached)
    for name, shown in (("best", asked[:_SHOWN]), ("worst", asked[-_SHOWN:][::-1])):
        path = flags.out / f"clicks-{name}.png"
        cv2.imwrite(str(path), sheet(shown)[:, :, ::-1])
        print(path)
    return 0


def curves(lines: Sequence[dict[str, Any]], path: Path) -> None:
    """Draw loss and IoU against steps, with hours above, as a PNG file.

    Args:
        lines: Those of `curve.jsonl`.
        path: The file.
    """
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    steps = [line["step"] for line in lines]
    hours = [line["seconds"] / 3600 for line in lines]
    figure, (left, right) = pyplot.subplots(1, 2, figsize=(9, 3.4), layout="constrained")
    left.plot(steps, [line["loss"] for line in lines], color="black")
    left.set_ylabel("loss")
    for key, name in (("click", "one click"), ("box", "box"), ("clicks5", "five clicks")):
        right.plot(steps, [line[key] for line in lines], label=name)
    right.plot(steps, [line["train_iou"] for line in lines], label="first answers in training", color="grey", ls=":")
    right.set_ylabel("mean IoU on photos held out")
    right.set_ylim(0, 1)
    right.legend(loc="lower right", fontsize=8)
    for axes in (left, right):
        axes.set_xlabel("steps")
        axes.grid(alpha=0.3)
        above = axes.secondary_xaxis("top")
        ticks = np.linspace(0, hours[-1], 5)[1:]
        above.set_xticks(np.interp(ticks, [0, *hours], [0, *steps]), [f"{one:.1f} h" for one in ticks])
    figure.savefig(path, dpi=90, metadata={"Software": None})
    pyplot.close(figure)


def sheet(asked: Sequence[Asked]) -> UInt8Array:
    """Return one picture of answers to clicks, RGB: the mask orange, the truth white, and the IoU below."""
    cells = [_cell(one) for one in asked]
    cells += [np.zeros_like(cells[0])] * (-len(cells) % _COLUMNS)
    rows = [np.hstack(cells[first : first + _COLUMNS]) for first in range(0, len(cells), _COLUMNS)]
    return np.asarray(np.vstack(rows), np.uint8)


def _cell(one: Asked) -> UInt8Array:
    height, width = one.found.shape
    scale = min(_WIDTH / width, _HEIGHT / height)
    size = max(round(width * scale), 1), max(round(height * scale), 1)
    drawn = np.ascontiguousarray(cv2.resize(one.photo.pixels, size, interpolation=cv2.INTER_AREA))
    tinted = _scaled(one.found, size) > 0
    drawn[tinted] = np.asarray(0.7 * drawn[tinted] + 0.3 * np.array(_MASK), np.uint8)
    for mask, colour, thick in ((one.truth, _TRUTH, 1), (one.found, _MASK, 2)):
        outlines, _ = cv2.findContours(_scaled(mask, size), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
        cv2.drawContours(drawn, outlines, -1, colour, thick)
    middle = round((one.place[0] + 0.5) * scale), round((one.place[1] + 0.5) * scale)
    cv2.circle(drawn, middle, 6, (255, 255, 255), -1)
    cv2.circle(drawn, middle, 4, _CLICK, -1)
    cell = np.zeros((_HEIGHT + _LINE, _WIDTH, 3), np.uint8)
    cell[: size[1], : size[0]] = drawn
    text = f"IoU {one.reached:.2f}, believed {one.believed:.2f}"
    cv2.putText(cell, text, (6, _HEIGHT + 19), cv2.FONT_HERSHEY_SIMPLEX, 0.55, (255, 255, 255), 1, cv2.LINE_AA)
    return cell


def _scaled(mask: npt.NDArray[np.bool_], size: tuple[int, int]) -> UInt8Array:
    return np.asarray(cv2.resize(mask.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST), np.uint8)


if __name__ == "__main__":
    sys.exit(main())
