"""Points, boxes, words and numbers as they are typed."""

from __future__ import annotations

import argparse
import math

Point = tuple[float, float, int]
"""x, y, and 1 for the object or 0 for the background."""
Box = tuple[float, float, float, float]
"""x0, y0, x1, y1."""


def point(text: str) -> Point:
    """Read "X,Y" (on the object), "X,Y,1" (the same) or "X,Y,0" (on the background)."""
    parts = text.split(",")
    if len(parts) not in (2, 3):
        raise argparse.ArgumentTypeError(f"a point is X,Y or X,Y,1 (object) or X,Y,0 (background), not {text!r}")
    x, y = (_number(part, text) for part in parts[:2])
    label = parts[2].strip() if len(parts) == 3 else "1"
    if label not in ("0", "1"):
        raise argparse.ArgumentTypeError(f"after X,Y comes 1 (object) or 0 (background), not {label!r} in {text!r}")
    return x, y, int(label)


def box(text: str) -> Box:
    """Read "X0,Y0,X1,Y1": the top left corner and the bottom right one."""
    parts = text.split(",")
    if len(parts) != 4:
        raise argparse.ArgumentTypeError(f"a box is X0,Y0,X1,Y1, not {text!r}")
    x0, y0, x1, y1 = (_number(part, text) for part in parts)
    if not (x0 < x1 and y0 < y1):
        raise argparse.ArgumentTypeError(
            f"a box is its top left corner X0,Y0, then its bottom right one X1,Y1 (not width and height): {text!r}"
        )
    return x0, y0, x1, y1


def seconds(text: str) -> float:
    """Read a number of seconds above 0."""
    value = _number(text, text)
    if value <= 0:
        raise argparse.ArgumentTypeError(f"seconds are more than 0, not {text!r}")
    return value


def count(text: str) -> int:
    """Read a whole number above 0."""
    try:
        value = int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"a whole number is wanted, not {text!r}") from None
    if value < 1:
        raise argparse.ArgumentTypeError(f"at least 1 is wanted, not {text!r}")
    return value


def span(text: str) -> tuple[int, int]:
    """Read "A,B": two whole numbers from 0, the second not below the first."""
    first, _, last = text.partition(",")
    if not (first.strip().isdecimal() and last.strip().isdecimal() and int(first) <= int(last)):
        raise argparse.ArgumentTypeError(f"a first and a last number are wanted, such as 0,99, not {text!r}")
    return int(first), int(last)


def share(text: str) -> float:
    """Read a number of 0 to 1."""
    value = _number(text, text)
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"a share is 0 to 1, not {text!r}")
    return value


def seed(text: str) -> int:
    """Read a whole number of 0 to 9999."""
    if not (text.isdecimal() and int(text) <= 9999):
        raise argparse.ArgumentTypeError(f"a whole number of 0 to 9999 is wanted, not {text!r}")
    return int(text)


def similarity(text: str) -> float:
    """Read a number of -1 to 1."""
    value = _number(text, text)
    if not -1 <= value <= 1:
        raise argparse.ArgumentTypeError(f"a number of -1 to 1 is wanted, not {text!r}")
    return value


def margin(text: str) -> float:
    """Read a number of 0 to 4."""
    value = _number(text, text)
    if not 0 <= value <= 4:
        raise argparse.ArgumentTypeError(f"a number of 0 to 4 is wanted, not {text!r}")
    return value


def words(text: str) -> str:
    """Read words that are not nothing."""
    if not text.strip():
        raise argparse.ArgumentTypeError("it has no words")
    return text.strip()


def _number(part: str, text: str) -> float:
    try:
        value = float(part)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{part.strip()!r} in {text!r} is not a number") from None
    if not math.isfinite(value):
        raise argparse.ArgumentTypeError(f"{part.strip()!r} in {text!r} is not a finite number")
    return value
