"""Ask a node N times for the mask of another box: `round_trips.py tcp|shared|child N [ENDPOINT]`.

Run by the CPython of Windows. Prints how many of how many were right, and the time of the median one.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from maskbus_client import Child, Client

WIDTH, HEIGHT = 320, 240


def box_of(number: int) -> tuple[int, int, int, int]:
    """Return the corners of the box, pixels."""
    x, y = number * 7 % 200, number * 5 % 150
    return x, y, x + 10 + number % 90, y + 5 + number % 70


def pixels_of(number: int) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """Return an image, uint8 (height, width, 3)."""
    return (np.arange(HEIGHT * WIDTH * 3) * 31 + number).astype(np.uint8).reshape(HEIGHT, WIDTH, 3)


def count_right(count: int, ask: Callable[[int], Any]) -> int:
    """Ask, compare each mask with its box, and print the sum."""
    right, took = 0, []
    for number in range(count):
        begin = time.perf_counter()
        result = ask(number)
        took.append((time.perf_counter() - begin) * 1e3)
        expected = np.zeros((HEIGHT, WIDTH), np.bool_)
        x0, y0, x1, y1 = box_of(number)
        expected[y0:y1, x0:x1] = True
        right += np.array_equal(result[0].to_array(), expected)
    print(f"{right} of {count}, median {statistics.median(took):.2f} ms")
    return 0 if right == count else 1


def main(kind: str, count: int, endpoint: str = "") -> int:
    """Run one kind of round trips."""
    if kind == "child":
        with Child("echo", mapping="4MiB", checksum=True) as child:
            return count_right(count, lambda number: child.segment(pixels_of(number), box=box_of(number)))
    with Client(endpoint) as client:
        client.ping()
        if kind == "tcp":
            return count_right(count, lambda number: client.segment(pixels_of(number), box=box_of(number)))
        with client.shared_memory(slots=3, slot_bytes=WIDTH * HEIGHT * 3, checksum=True) as memory:

            def ask(number: int) -> Any:
                with memory.copy(pixels_of(number)) as image:
                    return client.segment(image, box=box_of(number), encoding="raw")

            return count_right(count, ask)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], int(sys.argv[2]), *sys.argv[3:]))
