"""Follow objects through a video by motion, colour and contrast alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from maskbus.handlers.grabcut_track_object import Followed, Voice, begin, follow, hide
from maskbus.handlers.grabcut_track_said import Said
from maskbus.handlers.grabcut_track_view import Bool, View, flow, look, shrink
from maskbus.interfaces import (
    BadPrompt,
    DecodeOptions,
    Embedding,
    Handler,
    Image,
    Prompt,
    Tracked,
    Tracker,
    TrackerOptions,
    check_tracker_prompt,
)
from maskbus.models.colours import U8


@dataclass(frozen=True)
class Known:
    """One object in the latest frame."""

    followed: Followed
    outline: U8
    """The (H, W) mask, packed eight pixels a byte."""
    said: Said
    """In the latest frame."""

    @property
    def nbytes(self) -> int:
        """Bytes of all arrays."""
        points = self.said.points
        return self.followed.nbytes + self.outline.nbytes + points.points.nbytes + points.labels.nbytes


class GrabCutTracker(Tracker):
    """Follow objects, each by itself.

    A frame is looked at in a copy of at most 427 pixels a side. Dense optical flow carries the mask along; a
    correlation filter finds the object's place; histograms of colour and place, of motion against the background, and
    the remembered shape vote on each pixel; a graph cut (Boykov and Jolly 2001) makes the mask. What is pointed at is
    segmented by the handler, and the object is followed from that mask on.

    An object is lost, and nothing is learnt of it, while the filter answers much less than before or the mask has not
    its colours. It is looked for where it was, and around.
    """

    def __init__(self, handler: Handler, options: TrackerOptions, voices: Callable[[U8], Voice] | None = None) -> None:
        """Begin a video.

        Args:
            handler: It segments what is pointed at.
            options: How the tracker shall work.
            voices: Gets a frame, (H, W, 3) BGR, and returns one more voice on its pixels. None leaves it at these here.
        """
        self._handler = handler
        self._voices = voices
        self._options = options
        self._frame = -1
        self._bgr: U8 | None = None
        self._view: View | None = None
        self._embedding: Embedding | None = None
        self._objects: dict[int, Known] = {}

    @property
    def frame(self) -> int:
        """Number of the latest frame; -1 before the first."""
        return self._frame

    @property
    def object_ids(self) -> tuple[int, ...]:
        """Objects that are followed, in the order in which they were added."""
        return tuple(self._objects)

    @property
    def nbytes(self) -> int:
        """Bytes held: the latest frame and what is remembered of each object."""
        held = [part.nbytes for part in (self._bgr, self._view, self._embedding) if part is not None]
        return sum(held) + sum(known.nbytes for known in self._objects.values())

    def advance(self, image: Image, job: Any) -> Tracked:
        """Take the next frame, and tell where the objects are in it."""
        size = (image.height, image.width)
        if self._bgr is not None and self._bgr.shape[:2] != size:
            height, width = self._bgr.shape[:2]
            raise BadPrompt(
                f"The frame is {size[1]} by {size[0]} pixels, but this video began with {width} by {height}; begin "
                "another tracker for frames of another size."
            )
        job.check()
        # The pixels are not ours to keep.
        bgr, view = np.array(image.bgr), None
        objects: dict[int, Known] = {}
        if self._objects:
            assert self._view is not None
            view = look(bgr)
            moved = flow(view, self._view)
            voice = None if self._voices is None else self._voices(bgr)
            for object_id, known in self._objects.items():
                job.check()
                followed = follow(known.followed, view, moved, voice)
                objects[object_id] = Known(followed, _pack(_enlarge(followed.mask, size)), Said())
        tracked = _tell(self._frame + 1, size, objects)
        self._frame, self._bgr, self._view, self._embedding, self._objects = self._frame + 1, bgr, view, None, objects
        return tracked

    def prompt(self, object_id: int, prompt: Prompt, job: Any) -> Tracked:
        """Add an object at the latest frame, or correct one there; tell where all objects are in it."""
        if self._bgr is None:
            raise BadPrompt("There is no frame yet; send the first before pointing at something in it.")
        if object_id < 0:
            raise BadPrompt(f"{object_id} cannot be the id of an object; ids begin at 0.")
        known = self._objects.get(object_id)
        if known is None and len(self._objects) >= self._options.max_objects:
            raise BadPrompt(
                f"This tracker follows {self._options.max_objects} objects at most; remove one before adding another."
            )
        size = (self._bgr.shape[0], self._bgr.shape[1])
        check_tracker_prompt(prompt, *size, known=known is not None)
        job.check()
        every = (Said() if known is None else known.said).plus(prompt)
        mask, belief = prompt.mask, 1.0
        if mask is None:
            if self._embedding is None:
                self._embedding = self._handler.embed([Image(self._bgr, "bgr")], job)[0]
            wanted = every.beside(None if known is None else _unpack(known.outline, size))
            answer = self._handler.decode(self._embedding, wanted, DecodeOptions(), job)
            mask, belief = answer.masks[0], float(answer.predicted_iou[0])
        if self._view is None:
            self._view = look(self._bgr)
        if mask.any():
            followed = begin(self._view, shrink(mask, self._view), belief)
        elif known is not None:
            followed = hide(known.followed)
        else:
            raise BadPrompt("Nothing was found there; point at another place of the object, or give a box.")
        objects = {**self._objects, object_id: Known(followed, _pack(mask), every)}
        tracked = _tell(self._frame, size, objects)
        self._objects = objects
        return tracked

    def remove(self, object_id: int) -> None:
        """Follow an object no longer."""
        if object_id not in self._objects:
            raise BadPrompt(f"There is no object {object_id} to remove; these are followed: {list(self._objects)}.")
        del self._objects[object_id]

    def close(self) -> None:
        """Give everything back."""
        self._objects, self._bgr, self._view, self._embedding = {}, None, None, None


def _tell(frame: int, size: tuple[int, int], objects: Mapping[int, Known]) -> Tracked:
    masks = np.zeros((len(objects), *size), np.bool_)
    for mask, known in zip(masks, objects.values(), strict=True):
        mask[:] = _unpack(known.outline, size)
    present = np.asarray(masks.any(axis=(1, 2)), np.bool_)
    beliefs = np.array([known.followed.belief for known in objects.values()], np.float32)
    return Tracked(frame, tuple(objects), masks, present, np.where(present, beliefs, np.float32(0)))


def _enlarge(mask: Bool, size: tuple[int, int]) -> Bool:
    large = cv2.resize(mask.astype(np.float32), size[::-1], interpolation=cv2.INTER_LINEAR)
    return np.asarray(large.reshape(size) > 0.5, np.bool_)


def _pack(mask: Bool) -> U8:
    return np.packbits(mask)


def _unpack(packed: U8, size: tuple[int, int]) -> Bool:
    return np.unpackbits(packed, count=size[0] * size[1]).reshape(size).view(np.bool_)
