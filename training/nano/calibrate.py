"""Calibrate the predicted IoU of the exported network, and write `nano.json`: `python -m training.nano.calibrate`."""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from maskbus.models.nano_network import FACTS, FOLDER, IMAGE, PROMPT
from training.nano import held_out
from training.nano.calibration import applied, error, fit
from training.nano.photos import read
from training.nano.settings import SETTINGS, Settings
from training.nano.settings import read as read_settings

_FOLDS = 5


def main() -> int:
    """Write `nano.json` beside the ONNX files."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder with images/ and masks/")
    parser.add_argument("--to", type=Path, default=FOLDER, help=f"folder with {IMAGE} and {PROMPT}")
    parser.add_argument("--settings", type=Path, default=SETTINGS, help="what it was trained with")
    flags = parser.parse_args()
    cv2.setNumThreads(1)  # Sums in another order differ in their last digits.
    settings = read_settings(flags.settings)
    try:
        _, photos = read(flags.data, held_out=settings.held_out)
    except FileNotFoundError as problem:
        print(f"train-nano: {problem}", file=sys.stderr)
        return 1
    network = held_out.network_in(flags.to, settings.size)
    asked = list(held_out.ask(network, photos))
    if not asked:
        print(f"train-nano: no photo in {flags.data} was held out.", file=sys.stderr)
        return 1
    keys = [one.photo.key for one in asked]
    written = facts(flags.to, settings, keys, [one.believed for one in asked], [one.reached for one in asked])
    part = flags.to / f"{FACTS}.part"
    part.write_text(as_text(written))
    part.replace(flags.to / FACTS)
    for kind in ("click", "correction", "box"):
        ious = [one.reached for one in asked if one.kind == kind]
        print(f"{kind}: {len(ious)} answers, mean IoU {np.mean(ious):.3f}")
    print(json.dumps(written["reliability"]))
    return 0


def facts(
    folder: Path, settings: Settings, keys: Sequence[str], believed: Sequence[float], reached: Sequence[float]
) -> dict[str, Any]:
    """Return what goes into `nano.json`.

    Args:
        folder: With the ONNX files.
        settings: Of the training.
        keys: The photo of each answer.
        believed: The IoU that the network believes each answer to have, 0…1.
        reached: The IoU of each.
    """
    knots = fit(believed, reached)
    return {
        "size": settings.size,
        "calibration": knots,
        "sha256": {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in (IMAGE, PROMPT)},
        "reliability": {
            "answers": len(believed),
            "photos": len(set(keys)),
            "believed": round(float(np.mean(believed)), 4),
            "reached": round(float(np.mean(reached)), 4),
            "error_before": round(error(believed, reached), 4),
            "error_after": round(_unseen_error(keys, believed, reached), 4),
        },
        "settings": asdict(settings),
    }


def as_text(written: dict[str, Any]) -> str:
    """Return the facts as JSON, one a line."""
    return "{\n" + ",\n".join(f'  "{key}": {json.dumps(value)}' for key, value in written.items()) + "\n}\n"


def _unseen_error(keys: Sequence[str], believed: Sequence[float], reached: Sequence[float]) -> float:
    """Return the calibration's error on photos that it was not fitted on, each fifth of them in turn."""
    fold = np.array([hashlib.sha256(f"fold {key}".encode()).digest()[0] % _FOLDS for key in keys])
    x, y = np.asarray(believed, np.float64), np.asarray(reached, np.float64)
    predicted = x.copy()
    for n in range(_FOLDS):
        rest = fold != n
        if rest.any():
            predicted[~rest] = applied(list(x[~rest]), fit(list(x[rest]), list(y[rest])))
    return error(predicted, reached)


if __name__ == "__main__":
    sys.exit(main())
