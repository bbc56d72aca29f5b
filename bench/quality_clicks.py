"""Click on an object as someone would who knows its mask, again and again where the answer is wrong.

The clicks are simulated as usual in interactive segmentation (Sofiiuk et al. 2021): the first at the most interior
point of the object, each other one at the most interior point of the largest error of the answer before it, which is
the middle of the largest circle inside.
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt
from quality_photos import IGNORED, OBJECT, Photo, UInt8

from maskbus.interfaces import DecodeOptions, Embedding, Handler, Masks, Prompt

MOST_CLICKS = 20
GOALS = (0.85, 0.9)
CORRECTIONS = 5
Bool = npt.NDArray[np.bool_]
Answer = dict[str, float]
"""`iou` that was reached, and the model's own `predicted_iou`."""


class Unhurried:
    """A job without deadline."""

    def check(self) -> None:
        return

    def remaining(self) -> float:
        return float("inf")

    def progress(self, done: int, total: int, found: object = ()) -> None:
        return


JOB = Unhurried()


def iou(mask: Bool, truth: UInt8) -> float:
    """Return the IoU; pixels that are not counted do not count."""
    counted = truth != IGNORED
    target = truth == OBJECT
    union = np.count_nonzero((mask | target) & counted)
    return np.count_nonzero(mask & target & counted) / union if union else 1.0


def tight_box(truth: UInt8) -> npt.NDArray[np.float32]:
    """Return x0, y0, x1, y1 of the outermost pixels of the object, (1, 4)."""
    ys, xs = np.nonzero(truth == OBJECT)
    return np.array([[xs.min(), ys.min(), xs.max(), ys.max()]], np.float32)


def innermost(region: Bool) -> tuple[float, float, float]:
    """Return x, y of the centre of the largest circle inside `region`, and its radius."""
    depth = cv2.distanceTransform(np.pad(region.astype(np.uint8), 1), cv2.DIST_L2, 5)[1:-1, 1:-1]
    row, column = divmod(int(depth.argmax()), depth.shape[1])
    return float(column), float(row), float(depth[row, column])


def next_click(mask: Bool, truth: UInt8) -> tuple[float, float, int] | None:
    """Return x, y and label of the click that corrects the largest error; None where nothing is wrong."""
    missed = innermost((truth == OBJECT) & ~mask)
    wrong = innermost((truth == 0) & mask)
    if max(missed[2], wrong[2]) == 0:
        return None
    return (missed[0], missed[1], 1) if missed[2] >= wrong[2] else (wrong[0], wrong[1], 0)


class Dialogue:
    """Clicks on one object so far, and the last answer."""

    def __init__(self, handler: Handler, embedding: Embedding, photo: Photo, send: str) -> None:
        """Begin with a click on the object.

        Args:
            handler: The model.
            embedding: Of the photo.
            photo: With the true mask.
            send: What of the answer before is sent along with all clicks so far: "logits", "mask" or "clicks", nothing.
        """
        self._handler, self._embedding, self._photo, self._send = handler, embedding, photo, send
        x, y, _ = innermost(photo.truth == OBJECT)
        self._points, self._labels = [(x, y)], [1]
        self._last: Masks | None = None

    def ask(self) -> Masks:
        """Return the answer to the clicks so far."""
        last = self._last
        prompt = Prompt(
            points=np.array(self._points, np.float32),
            labels=np.array(self._labels, np.int8),
            mask=last.masks[0] if last is not None and self._send == "mask" else None,
            logits=last.logits[0] if last is not None and self._send == "logits" and last.logits is not None else None,
        )
        options = DecodeOptions(logits=self._send == "logits")
        self._last = self._handler.decode(self._embedding, prompt, options, JOB)
        return self._last

    def correct(self) -> bool:
        """Add the click that corrects the last answer most; False where nothing is wrong."""
        assert self._last is not None
        click = next_click(self._last.masks[0], self._photo.truth)
        if click is not None:
            self._points.append(click[:2])
            self._labels.append(click[2])
        return click is not None

    def answers(self) -> list[Answer]:
        """Return the answers to one click, two, …: until the highest goal is reached, and all corrections were made."""
        found = [judged(self.ask(), self._photo.truth)]
        while self.correct() and len(found) < MOST_CLICKS:
            if len(found) > CORRECTIONS and max(one["iou"] for one in found) >= max(GOALS):
                break
            found.append(judged(self.ask(), self._photo.truth))
        return found


def judged(masks: Masks, truth: UInt8) -> Answer:
    """Return the figures of an answer's first mask."""
    return {"iou": iou(masks.masks[0], truth), "predicted_iou": float(masks.predicted_iou[0])}
