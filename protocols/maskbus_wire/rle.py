"""COCO's compressed run-length text, the `counts` of pycocotools.

Runs count pixels column by column (down the first column, then the second, …), beginning with background, so the first
run may be 0. From the fourth run on, each is written as its difference to the run two before it; the numbers are cut
into groups of 5 bits, lowest first, two's complement, bit 0x20 says that another group follows, and 48 is added to make
text. The text equals `pycocotools.mask.encode(np.asfortranarray(mask))["counts"]` byte for byte. The format is that of
`rleToString` in cocoapi's maskApi.c; the numpy code is our own.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from maskbus_wire.geometry import Window, require_mask, require_sides

# 7 groups hold 34 bits and a sign: more than any picture's pixel count that fits an int32.
_MAX_GROUPS = 7
# Above one change in so many pixels, transposing the picture is cheaper than sorting the changes.
_DENSE = 32


def encode(mask: NDArray[np.bool_]) -> str:
    """Return the compressed counts of a bool mask (H, W). ValueError if it is anything else or has 2**31 pixels."""
    return _compress(to_runs(mask))


def encode_window(window: Window, height: int, width: int) -> str:
    """Return the same of a mask of `height` x `width` pixels that is cut to its box."""
    (x, y, w, h), inside = window
    if h == height:
        toggles = find_toggles(inside) + x * height
        if toggles.size % 2 and x + w < width:
            toggles = np.append(toggles, (x + w) * height)
        return _compress(_runs_between(toggles, height * width))
    # Where the box does not fill the columns, none of them runs on into the next: a row of background below the box
    # ends each, and the toggles need only be told where the box lies.
    closed = np.zeros((h + 1, w), np.bool_)
    closed[:h] = inside
    column, row = np.divmod(find_toggles(closed), h + 1)
    toggles = (x + column) * height + y + row
    if toggles.size and toggles[-1] == height * width:
        toggles = toggles[:-1]
    return _compress(_runs_between(toggles, height * width))


def _compress(runs: NDArray[np.int64]) -> str:
    numbers = runs.copy()
    numbers[3:] -= runs[1:-2]
    # A number x needs n groups when -16 * 32**(n-1) <= x < 16 * 32**(n-1); for x < 0 that is the same test on ~x.
    magnitude = np.where(numbers < 0, ~numbers, numbers)
    longest = int(magnitude.max())
    columns = 1
    while longest >= 16 << (5 * (columns - 1)):
        columns += 1
    text = np.empty((numbers.size, columns), np.uint8)
    used = np.empty((numbers.size, columns), np.bool_)
    for column in range(columns):
        used[:, column] = magnitude >= (16 << (5 * (column - 1))) if column else True
        text[:, column] = (numbers >> (5 * column)) & 0x1F
    text[:, :-1][used[:, 1:]] |= 0x20
    text += 48
    return text[used].tobytes().decode("ascii")


def decode(counts: str | bytes, height: int, width: int) -> NDArray[np.bool_]:
    """Return the bool mask (height, width) that compressed counts describe.

    ValueError for a character outside the alphabet, a number that stops midway or is longer than any picture needs, a
    negative run, or runs whose sum is not height * width. All of it is checked before the mask is allocated, and the
    text itself may not be longer than a mask of that size can need.
    """
    require_sides(height, width)
    runs = _parse(counts, height * width)
    return fill(np.cumsum(runs[:-1]), height, width)


def area(counts: str | bytes, height: int, width: int) -> int:
    """Return the number of object pixels without making the mask. ValueError as in `decode`."""
    require_sides(height, width)
    return int(_parse(counts, height * width)[1::2].sum())


def to_runs(mask: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return the run lengths of a bool mask (H, W), column by column, background first; their sum is H * W."""
    return _runs_between(find_toggles(mask), mask.size)


def _runs_between(toggles: NDArray[np.int64], pixels: int) -> NDArray[np.int64]:
    bounds = np.empty(toggles.size + 2, np.int64)
    bounds[0] = 0
    bounds[1:-1] = toggles
    bounds[-1] = pixels
    return np.diff(bounds)


def from_runs(runs: NDArray[np.int64], height: int, width: int) -> NDArray[np.bool_]:
    """Return the bool mask (height, width) of run lengths as `to_runs` gives them. ValueError if they do not fit."""
    require_sides(height, width)
    lengths = np.asarray(runs)
    if lengths.ndim != 1 or lengths.dtype.kind not in "iu":
        raise ValueError("runs must be a flat array of whole numbers")
    lengths = lengths.astype(np.int64)
    _require_fit(lengths, height * width)
    return fill(np.cumsum(lengths[:-1]), height, width)


def find_toggles(mask: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return, ascending, the column-major positions at which the mask changes from the pixel before.

    A position is column * H + row; background is taken to stand before pixel 0.
    """
    mask = require_mask(mask)
    height, width = mask.shape
    if mask.size >= 2**31:
        raise ValueError(f"a mask of {height} x {width} pixels is too large for run lengths")
    if mask.size == 0:
        return np.empty(0, np.int64)
    # The picture stays row-major: comparing whole rows with the rows above reads it once, in order.
    changes = np.flatnonzero(mask[1:] != mask[:-1])
    if changes.size > mask.size // _DENSE:
        flat = np.ascontiguousarray(mask.T).reshape(-1)
        inner = np.flatnonzero(flat[1:] != flat[:-1]) + 1
        return np.concatenate(([0], inner)) if flat[0] else inner
    rows, columns = np.divmod(changes, width)
    # What follows the last pixel of a column is the first one of the next.
    before = np.concatenate((np.zeros(1, np.bool_), mask[-1, :-1]))
    starts = np.flatnonzero(mask[0] != before) * height
    positions = np.concatenate((starts, columns * height + rows + 1))
    positions.sort()
    return positions


def fill(toggles: NDArray[np.int64], height: int, width: int) -> NDArray[np.bool_]:
    """Return the bool mask (height, width) that changes at each of the ascending column-major positions.

    Positions lie in 0 … height * width; two equal ones cancel, one at height * width has no effect.
    """
    mask = np.zeros((height, width), np.bool_)
    toggles = _without_pairs(toggles)
    if toggles.size and toggles[-1] >= mask.size:
        toggles = toggles[:-1]
    if not toggles.size:
        return mask
    # Work in the columns between the first change and the last one (or the right border, if it ends inside).
    left = int(toggles[0]) // height
    right = width if toggles.size % 2 else int(toggles[-1] - 1) // height + 1
    columns, rows = np.divmod(toggles, height)
    # Eight pixels fit a 64-bit word, and numpy runs words down the columns many times faster than bytes.
    grid = np.zeros((height, -(-(right - left) // 8) * 8), np.uint8)
    inside = columns < right
    grid[rows[inside], columns[inside] - left] = 1
    # A column begins inside the object when an odd number of changes came before or at its first pixel.
    grid[0, : right - left] = np.searchsorted(toggles, np.arange(left, right) * height, side="right") & 1
    words = grid.view(np.uint64)
    top = int(rows.min())
    # Rows above the topmost change are background, unless a column begins inside: then row 0 holds a one.
    top = 0 if grid[0].any() else top
    np.bitwise_xor.accumulate(words[top:], axis=0, out=words[top:])
    mask[:, left:right] = grid[:, : right - left].view(np.bool_)
    return mask


def _without_pairs(toggles: NDArray[np.int64]) -> NDArray[np.int64]:
    """Drop equal neighbours two by two: a run of no pixels changes there and back."""
    if toggles.size < 2 or np.all(toggles[1:] != toggles[:-1]):
        return toggles
    values, times = np.unique(toggles, return_counts=True)
    odd: NDArray[np.int64] = values[times % 2 == 1]
    return odd


def _parse(counts: str | bytes, pixels: int) -> NDArray[np.int64]:
    """Return the run lengths of compressed counts, checked against the number of pixels."""
    if isinstance(counts, str):
        try:
            counts = counts.encode("ascii")
        except UnicodeEncodeError:
            raise ValueError("run-length counts hold a character that is not ASCII") from None
    if not counts:
        raise ValueError("run-length counts are empty")
    if len(counts) > _MAX_GROUPS * (pixels + 1):
        raise ValueError(f"run-length counts of {len(counts)} characters are too long for {pixels} pixels")
    groups = np.frombuffer(counts, np.uint8) - np.uint8(48)
    if groups.max() > 63:
        raise ValueError("run-length counts hold a character outside the range '0' to 'o'")
    ends = np.flatnonzero(groups < 0x20)
    if not ends.size or ends[-1] != groups.size - 1:
        raise ValueError("run-length counts stop in the middle of a number")
    starts = np.concatenate(([0], ends[:-1] + 1))
    sizes = ends - starts + 1
    if sizes.max() > _MAX_GROUPS:
        raise ValueError("run-length counts hold a number that no picture needs")
    if sizes.size > pixels + 1:
        raise ValueError(f"run-length counts hold {sizes.size} runs, more than {pixels} pixels can have")
    runs = np.zeros(sizes.size, np.int64)
    for group in range(int(sizes.max())):
        if group == 0:
            runs += groups[starts] & 0x1F
        else:
            longer = np.flatnonzero(sizes > group)
            runs[longer] |= (groups[starts[longer] + group].astype(np.int64) & 0x1F) << (5 * group)
    runs -= ((groups[ends] & 0x10).astype(np.int64) << 1) << (5 * (sizes - 1))
    # Odd runs build on run 1, even ones on run 2: the first run is left alone, and so is the third.
    runs[1::2] = np.cumsum(runs[1::2])
    runs[2::2] = np.cumsum(runs[2::2])
    _require_fit(runs, pixels)
    return runs


def _require_fit(runs: NDArray[np.int64], pixels: int) -> None:
    if not runs.size:
        raise ValueError("there are no runs")
    if runs.min() < 0:
        raise ValueError("a run length is negative")
    # The largest is looked at first, so that the sum of a hostile list cannot wrap around.
    if runs.max() > pixels or int(runs.sum()) != pixels:
        raise ValueError(f"the run lengths do not add up to {pixels} pixels")
