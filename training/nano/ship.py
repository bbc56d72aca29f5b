"""Put a trained network into the package, and its facts on the model card: `python -m training.nano.ship`."""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from maskbus.models.nano_network import FACTS, FOLDER, IMAGE, PROMPT
from training.nano.pictures import CURVES

ROOT = Path(__file__).resolve().parents[2]
CARD = ROOT / "docs" / "nano-card.md"
BEGIN, END = "<!-- nano:facts -->", "<!-- /nano:facts -->"
MOST_BYTES = 4_000_000
"""Of both branches together."""


def main() -> int:
    """Copy the network, its facts and the picture of its training to where they are committed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder of the training")
    flags = parser.parse_args()
    missing = [name for name in (IMAGE, PROMPT, FACTS, CURVES) if not (flags.out / name).exists()]
    if missing:
        print(f"ship-nano: {flags.out} has no {missing[0]}: `make train-nano` makes it.", file=sys.stderr)
        return 1
    weight = sum((flags.out / name).stat().st_size for name in (IMAGE, PROMPT))
    if weight >= MOST_BYTES:
        print(f"ship-nano: {weight} bytes of weights are too many for the package.", file=sys.stderr)
        return 1
    for name in (IMAGE, PROMPT, FACTS):
        shutil.copyfile(flags.out / name, FOLDER / name)
    shutil.copyfile(flags.out / CURVES, ROOT / "docs" / "images" / CURVES)
    lines = [json.loads(line) for line in (flags.out / "curve.jsonl").read_text().splitlines()]
    section = as_markdown(json.loads((FOLDER / FACTS).read_text()), FOLDER, lines)
    CARD.write_text(with_section(CARD.read_text(), section))
    print(f"{FOLDER}, {CARD}")
    return 0


def as_markdown(facts: Mapping[str, Any], folder: Path, lines: Sequence[Mapping[str, Any]]) -> str:
    """Return the card's section.

    Args:
        facts: What `nano.json` holds.
        folder: Where the ONNX files lie.
        lines: Those of the training's `curve.jsonl`; the last one counts.
    """
    last, sure = lines[-1], facts["reliability"]
    text = ["| file | bytes | SHA-256 |", "|---|---:|---|"]
    text += [
        f"| `{name}` | {(folder / name).stat().st_size} | `{digest}` |" for name, digest in facts["sha256"].items()
    ]
    stages = ", ".join(f"{one['steps']} steps at {one['size']} pixels" for one in facts["settings"]["stages"])
    text += [
        "",
        f"Trained for {last['step']} steps ({stages}), {last['seconds'] / 3600:.1f} hours. At its end, on the photos "
        f"that were held out, and without a closer look: mean IoU {last['click']:.3f} after one click, "
        f"{last['box']:.3f} by a box, {last['clicks5']:.3f} after five clicks.",
        "",
        f"Calibrated on {sure['answers']} answers of the network as a node asks it, about {sure['photos']} held out "
        f"photos. Before, it believed in {sure['believed']:.3f} where {sure['reached']:.3f} was reached, and was "
        f"{sure['error_before']:.3f} off (expected calibration error); calibrated, {sure['error_after']:.3f}, on "
        "photos that the calibration had not seen.",
    ]
    return "\n".join(text)


def with_section(card: str, section: str) -> str:
    """Return the card with another section between its marks.

    Raises:
        ValueError: if there are no marks.
    """
    head, begun, rest = card.partition(BEGIN)
    _, ended, tail = rest.partition(END)
    if not begun or not ended:
        raise ValueError(f"the card has no {BEGIN} and {END}")
    return f"{head}{BEGIN}\n{section}\n{END}{tail}"


if __name__ == "__main__":
    sys.exit(main())
