"""What a caller points at, in the shapes people have it, to the prompt of a request."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias, cast

import numpy as np
from numpy.typing import NDArray

from maskbus_client.masks import Mask
from maskbus_wire import bits, prompts
from maskbus_wire.frames import Buffer

if TYPE_CHECKING:
    Numbers: TypeAlias = Sequence[float] | Sequence[Sequence[float]] | NDArray[Any]
    """One row of numbers or several, as sequences or as an array."""
    Labels: TypeAlias = int | Sequence[int] | NDArray[Any]
    """1 = object, 0 = background, one a point."""
    MaskLike: TypeAlias = NDArray[np.bool_] | Mask
    """A bool array (H, W), or a mask of an earlier result."""
    LogitsLike: TypeAlias = NDArray[np.float32] | Mask
    """A float32 array (h, w), or a mask of an earlier result that holds its logits."""


class PreparedPrompt(NamedTuple):
    """A prompt, and the bytes that its mask and logits refer to."""

    prompt: prompts.Prompt
    attachments: list[Buffer]


NOTHING = PreparedPrompt(prompts.Prompt(), [])
"""No prompt: everything mode, or what the model makes of it."""


def prepare(
    *,
    points: Numbers | None = None,
    labels: Labels | None = None,
    box: Numbers | None = None,
    boxes: Numbers | None = None,
    mask: MaskLike | None = None,
    logits: LogitsLike | None = None,
    text: str | Sequence[str] | None = None,
    negative_text: str | Sequence[str] | None = None,
    size: tuple[int, int] | None = None,
    first_attachment: int = 0,
) -> PreparedPrompt:
    """Return the prompt of a request; the arguments are those of `Client.segment`.

    Args:
        points: One (x, y) or several.
        labels: One a point; left out: all are object.
        box: x0, y0, x1, y1.
        boxes: Several of them; excludes `box`.
        mask: To refine, of the image's size.
        logits: To refine, of the model's own size.
        text: What to look for.
        negative_text: What not to take for it.
        size: Height and width of the image where they are known.
        first_attachment: How many attachments the message has already.

    Raises:
        TypeError, ValueError: for what cannot be a prompt.
    """
    if box is not None and boxes is not None:
        raise ValueError("Give either box or boxes, not both.")
    attachments: list[Buffer] = []
    rows = [] if points is None else _rows("points", points, 2)
    prompt = prompts.Prompt(
        points=cast("list[tuple[float, float]]", rows),
        labels=_labels(labels, len(rows)),
        boxes=cast("list[tuple[float, float, float, float]]", _boxes(box if boxes is None else boxes)),
        mask=None if mask is None else _mask(mask, size, attachments, first_attachment),
        logits=None if logits is None else _logits(logits, attachments, first_attachment),
        text=_texts("text", text),
        negative_text=_texts("negative_text", negative_text),
    )
    return PreparedPrompt(prompt, attachments)


def _rows(name: str, value: Any, columns: int) -> list[tuple[float, ...]]:
    """Return one row of numbers, or several, as a list of tuples of floats."""
    plain = value.tolist() if isinstance(value, np.ndarray) else value
    if not isinstance(plain, (list, tuple)):
        raise TypeError(
            f"{name} must be a sequence of {columns} numbers, or of such sequences, not {type(value).__name__}."
        )
    if plain and not isinstance(plain[0], (list, tuple, np.ndarray)):
        plain = [plain]
    rows = []
    for i, row in enumerate(plain):
        try:
            numbers = tuple(map(float, row))
        except (TypeError, ValueError):
            raise TypeError(f"{name}[{i}] must be {columns} numbers, not {row!r}.") from None
        if len(numbers) != columns:
            raise ValueError(f"{name}[{i}] must be {columns} numbers, not {len(numbers)}.")
        if not all(map(math.isfinite, numbers)):
            raise ValueError(f"{name}[{i}] has a number that is not finite: {numbers}.")
        rows.append(numbers)
    return rows


def _boxes(value: Any) -> list[tuple[float, ...]]:
    if value is None:
        return []
    rows = _rows("boxes", value, 4)
    for i, (x0, y0, x1, y1) in enumerate(rows):
        if not (x0 < x1 and y0 < y1):
            raise ValueError(f"boxes[{i}] must be x0, y0, x1, y1 with x0 < x1 and y0 < y1, not {rows[i]}.")
    return rows


def _labels(value: Any, points: int) -> list[Literal[0, 1]]:
    if value is None:
        return []
    plain = value.tolist() if isinstance(value, np.ndarray) else value
    if isinstance(plain, (int, np.integer, np.bool_)):
        plain = [plain]
    if not isinstance(plain, (list, tuple)):
        raise TypeError(f"labels must be a sequence of 0 and 1, not {type(value).__name__}.")
    if len(plain) != points:
        raise ValueError(f"There must be one label a point: {len(plain)} labels for {points} points.")
    for i, label in enumerate(plain):
        if label not in (0, 1):
            raise ValueError(f"labels[{i}] must be 1 (object) or 0 (background), not {label!r}.")
    return [1 if label else 0 for label in plain]


def _mask(
    value: Any, size: tuple[int, int] | None, attachments: list[Buffer], first_attachment: int
) -> prompts.MaskPrompt:
    if isinstance(value, Mask):
        found = (value.height, value.width)
    elif isinstance(value, np.ndarray) and value.dtype == np.bool_ and value.ndim == 2 and value.size:
        found = (value.shape[0], value.shape[1])
    else:
        kind = f"{value.dtype} {value.shape}" if isinstance(value, np.ndarray) else type(value).__name__
        raise TypeError(f"mask must be a bool array (H, W) or a Mask of a result, not {kind}.")
    if size is not None and found != size:
        raise ValueError(f"mask has {found[0]} × {found[1]} pixels, the image {size[0]} × {size[1]} (height × width).")
    if isinstance(value, Mask) and value.holds("rle"):
        return prompts.MaskPrompt(encoding="rle", counts=value.rle["counts"])
    array = value.to_array() if isinstance(value, Mask) else value
    attachments.append(bits.pack_zlib(array))
    return prompts.MaskPrompt(encoding="bits+zlib", attachment=first_attachment + len(attachments) - 1)


def _logits(value: Any, attachments: list[Buffer], first_attachment: int) -> prompts.LogitsPrompt:
    array = value.logits() if isinstance(value, Mask) else value
    if array is None:
        raise ValueError('This mask holds no logits: ask for them with encoding=["rle", "logits"].')
    if not isinstance(array, np.ndarray) or array.dtype.kind != "f" or array.ndim != 2 or not array.size:
        kind = f"{array.dtype} {array.shape}" if isinstance(array, np.ndarray) else type(array).__name__
        raise TypeError(f"logits must be a float array (h, w) or a Mask that holds them, not {kind}.")
    attachments.append(np.ascontiguousarray(array, "<f4").tobytes())
    return prompts.LogitsPrompt(shape=array.shape, attachment=first_attachment + len(attachments) - 1)


def _texts(name: str, value: Any) -> list[str]:
    if value is None:
        return []
    if isinstance(value, bytes) or not isinstance(value, Iterable):
        raise TypeError(f"{name} must be text, or a sequence of texts, not {type(value).__name__}.")
    texts = [value] if isinstance(value, str) else list(value)
    for i, text in enumerate(texts):
        if not isinstance(text, str):
            raise TypeError(f"{name}[{i}] must be text, not {type(text).__name__}.")
        if not text.strip():
            raise ValueError(f"{name}[{i}] is empty.")
    return texts
