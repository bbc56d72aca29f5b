"""Follow one object from a frame to the next."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol

import cv2
import numpy as np

from maskbus.handlers import grabcut_track_motion as motion
from maskbus.handlers.grabcut_track_colour import FORGET, Colours, bins_in, colours_of
from maskbus.handlers.grabcut_track_place import Filter, Place, place_of, teach
from maskbus.handlers.grabcut_track_view import Bool, Part, View, warp
from maskbus.models.colour_cut import by_odds
from maskbus.models.colours import F32

CARRIED = 0.25
"""Log odds that the mask carried along gives for each pixel of distance to its edge, 4 at most."""
MOTION = 1.5
"""Weight of the log odds from motion."""
SHAPE = 0.25
"""Weight of the log odds from the remembered shape."""
LEARN = 0.02
"""Share of the filter that a frame takes the place of."""
RESHAPE = 0.1
"""Share of the remembered shape and extent that a frame takes the place of."""
TRUSTED = 0.7
"""What agrees less with the remembered shape than this IoU is learnt from in proportion (squared) less."""
SPECK = 0.1
"""Parts smaller than this share of the largest are dropped."""
FEWEST = 10
"""A mask of fewer pixels of the working copy is none."""

LOST = (0.35, 0.2)
"""An object is lost whose filter answers less than this share of what it used to, or whose mask has fewer pixels than
this share of its colours."""
FOUND = (0.6, 0.5)
"""One that is lost is found again where both shares are at least these."""
FAR = 3
"""How far from where it was one that is lost is looked for, in halves of its extent."""


class Voice(Protocol):
    """Somebody who has seen a frame and votes on its pixels too."""

    def __call__(self, odds: F32, part: Part, region: F32, shape: tuple[int, int]) -> tuple[F32, float]:
        """Return log odds over `part` that a pixel is the object's, and the IoU with the truth that they lead to.

        Args:
            odds: The log odds of all others, over `part`.
            part: Rows and columns of the working copy.
            region: x0, y0, x1, y1, edges in pixels of the working copy, of where the object is expected.
            shape: (h, w) of the working copy.
        """
        ...


@dataclass(frozen=True)
class Followed:
    """Hold what is remembered of one object: some 3 MB, however long the video is."""

    place: Place
    """In the latest frame; of a lost object, where it would be if it had stayed with the background."""
    mask: Bool
    """(h, w) in the latest frame, over the working copy; empty where the object is lost."""
    shape: F32
    """(GRID, GRID) 0…1: the masks of late, in the window around the place."""
    colours: Colours
    looks: Filter
    answer: float
    """What the filter has answered of late."""
    belief: float
    """0…1: estimate of the mask's IoU with the truth: the mean of the mask's IoU with the remembered shape, of the
    share of its pixels that have the object's colours, and of what another voice believes; 0 for a lost object."""
    missing: int = 0
    """Frames since the object was lost; 0 where it is present."""

    @property
    def present(self) -> bool:
        """Whether the object is believed to be seen."""
        return bool(self.mask.any())

    @property
    def nbytes(self) -> int:
        """Bytes of all arrays."""
        return self.mask.nbytes + self.shape.nbytes + self.colours.nbytes + self.looks.nbytes


def begin(view: View, mask: F32, belief: float) -> Followed:
    """Return the object that covers `mask`, (h, w) 0…1 and not empty, of a frame."""
    place = place_of(mask)
    part = place.part(mask.shape)
    shape = place.window(mask)
    looks = teach(view.bgr, place, shape)
    return Followed(
        place=place,
        mask=mask > 0.5 if (mask > 0.5).any() else mask > 0,
        shape=shape,
        colours=colours_of(bins_in(view, place, part), mask[part], 1 - mask[part]),
        looks=looks,
        answer=looks.find(view.bgr, place)[1],
        belief=belief,
    )


def follow(before: Followed, view: View, moved: F32, voice: Voice | None = None) -> Followed:
    """Return the object in the frame `view`, which the flow `moved`, (h, w, 2), leads back from."""
    carried = warp(before.mask.astype(np.float32), moved) > 0.5
    still = motion.background(moved, carried)
    place, answer = _find(before, view, moved, carried, still)
    shape = place.in_frame(before.shape, carried.shape)
    held = carried if carried.any() else shape > 0.5
    mask, coloured, voted = _cut(before, view, moved, still, held, place, shape, voice)
    least = LOST if before.present else FOUND
    if np.count_nonzero(mask) < FEWEST or answer < least[0] * before.answer or coloured < least[1]:
        stayed = motion.stay(before.place.centre, still, carried.shape)
        return hide(replace(before, place=replace(before.place, centre=stayed)))
    return _learn(before, view, place, mask, shape, answer, coloured, voted)


def hide(before: Followed) -> Followed:
    """Return the object, lost."""
    return replace(before, mask=np.zeros_like(before.mask), belief=0.0, missing=before.missing + 1)


def _find(
    before: Followed, view: View, moved: F32, carried: Bool, still: motion.Homography | None
) -> tuple[Place, float]:
    """Return the likeliest place, in the frame, and the filter's answer there."""
    shape = view.grey.shape
    if before.present:
        near = np.median(moved[carried], axis=0) if np.count_nonzero(carried) >= FEWEST else np.zeros(2)
        tried = [before.looks.find(view.bgr, replace(before.place, centre=before.place.centre - near))]
    else:
        middle = motion.stay(before.place.centre, still, shape)
        # Near and far in turn: whoever has come back stays for some frames.
        step = before.place.half * (1 + before.missing % FAR)
        tried = [
            before.looks.find(view.bgr, replace(before.place, centre=middle + step * (across, down)))
            for down in (-1, 0, 1)
            for across in (-1, 0, 1)
        ]
    place, answer = max(tried, key=lambda one: one[1])
    return replace(place, centre=np.clip(place.centre, 0, np.array(shape[::-1]) - 1)), answer


def _cut(
    before: Followed,
    view: View,
    moved: F32,
    still: motion.Homography | None,
    carried: Bool,
    place: Place,
    shape: F32,
    voice: Voice | None,
) -> tuple[Bool, float, float | None]:
    """Return the mask, (h, w), the share of its pixels that have the object's colours, and what the voice believes."""
    part = place.part(carried.shape)
    colour = before.colours.odds(bins_in(view, place, part), max(float(carried[part].mean()), 0.02))
    odds = colour + np.clip(CARRIED * depth(carried[part]), -4, 4)
    if still is not None and before.present:
        odds += MOTION * motion.odds(moved, still, carried, part)
    remembered = np.clip(cv2.GaussianBlur(shape, (0, 0), 2.0)[part], 0.05, 0.95)
    odds += SHAPE * np.log(remembered / (1 - remembered))
    voted = None
    if voice is not None:
        told, voted = voice(odds, part, _region(carried, place), view.grey.shape)
        odds += told
    cut = by_odds(view.contrast[part], odds, np.zeros(odds.shape, np.int8))
    _, parts, table, _ = cv2.connectedComponentsWithStats(cut.astype(np.uint8))
    areas = table[1:, cv2.CC_STAT_AREA]
    if len(areas) > 1:
        cut = np.isin(parts, 1 + np.flatnonzero(areas >= SPECK * areas.max()))
    mask = np.zeros(carried.shape, np.bool_)
    mask[part] = cut
    return mask, float((colour[cut] > 0).mean()) if cut.any() else 0.0, voted


def _region(carried: Bool, place: Place) -> F32:
    """Return x0, y0, x1, y1, edges of the rectangle that holds the mask carried along and the place."""
    corners = [place.centre - place.half, place.centre + place.half]
    if carried.any():
        rows, columns = np.flatnonzero(carried.any(1)), np.flatnonzero(carried.any(0))
        corners += [np.array([columns[0], rows[0]]), np.array([columns[-1] + 1, rows[-1] + 1])]
    return np.concatenate([np.min(corners, 0), np.max(corners, 0)]).astype(np.float32)


def _learn(
    before: Followed,
    view: View,
    place: Place,
    mask: Bool,
    shape: F32,
    answer: float,
    coloured: float,
    voted: float | None,
) -> Followed:
    """Return the object with the mask that was found for it, and what there is to learn from it."""
    remembered = shape > 0.5
    agreement = np.count_nonzero(mask & remembered) / np.count_nonzero(mask | remembered)
    trust = min(1.0, agreement / TRUSTED) ** 2
    # What the shape contradicts is learnt from half as much.
    part = place.part(mask.shape)
    inside = mask[part].astype(np.float32)
    weights = inside * (0.5 + 0.5 * shape[part]), (1 - inside) * (1 - 0.5 * shape[part])
    colours = colours_of(bins_in(view, place, part), *weights)
    seen = place_of(mask.astype(np.float32))
    shift = np.clip(seen.centre - place.centre, -place.half / 2, place.half / 2)
    grown = np.clip(seen.half - place.half, -place.half / 5, place.half / 5)
    place = Place(place.centre + 0.5 * trust * shift, place.half + RESHAPE * trust * grown)
    window = place.window(mask.astype(np.float32))
    return Followed(
        place=place,
        mask=mask,
        shape=before.shape + np.float32(RESHAPE * trust) * (window - before.shape),
        colours=before.colours.plus(colours, FORGET * trust),
        looks=before.looks.plus(teach(view.bgr, place, window), LEARN * trust),
        answer=before.answer + FORGET * (answer - before.answer),
        belief=float(np.mean([agreement, coloured] + ([] if voted is None else [voted]))),
    )


def depth(mask: Bool) -> F32:
    """Return (h, w) the distance of each pixel to the edge of `mask`, pixels; negative outside it."""
    if mask.all() or not mask.any():
        return np.asarray(np.where(mask, 1e3, -1e3), np.float32)
    held = mask.astype(np.uint8)
    inside = cv2.distanceTransform(held, cv2.DIST_L2, 3)
    return np.asarray(inside - cv2.distanceTransform(1 - held, cv2.DIST_L2, 3), np.float32)
