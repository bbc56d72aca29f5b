"""Let the small network vote where a followed object is in a frame, beside motion, colours and the remembered shape."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import cv2
import numpy as np

from maskbus.handlers.grabcut_track_view import Part
from maskbus.models.colours import F32, U8
from maskbus.models.nano_map import CERTAIN, PromptMap
from maskbus.models.nano_network import NanoNetwork
from maskbus.models.nano_view import View, span

WEIGHT = 2.0
"""Of the network's log odds, beside those of the others."""
CLIP = 6.0
"""The most log odds that it has, before they are weighted."""
ROOM = 1.6
"""Sides of the part of the frame that it looks at, as a multiple of the object's."""
LEAST = 48
"""Pixels of that part's sides, at least."""
SHARED = 2.0
"""Objects share a part that holds both, unless it has more than so many times the area that one of them needs."""


def voices(network: NanoNetwork) -> Callable[[U8], NanoVoice]:
    """Return what begins to look at a frame, (H, W, 3) BGR."""
    return lambda bgr: NanoVoice(network, bgr)


class NanoVoice:
    """Ask the network about the objects of one frame. It looks at each part of the frame once."""

    def __init__(self, network: NanoNetwork, bgr: U8) -> None:
        """Keep the frame, (H, W, 3); nothing is computed yet."""
        self._network = network
        self._bgr = bgr
        self._known: dict[View, Sequence[F32]] = {}

    def __call__(self, odds: F32, part: Part, region: F32, shape: tuple[int, int]) -> tuple[F32, float]:
        """Return the log odds, over `part`, that a pixel is the object's, and the IoU that the network believes in.

        What the others found goes in as an earlier mask to refine.

        Args:
            odds: The others' log odds, over `part`.
            part: Rows and columns of the working copy.
            region: x0, y0, x1, y1, edges in pixels of the working copy, of where the object is expected.
            shape: (h, w) of the working copy.
        """
        height, width = self._bgr.shape[:2]
        scale = np.array([width / shape[1], height / shape[0]])
        view = self._shared(_view(region.reshape(2, 2) * scale, width, height))
        side = self._network.map_side
        # Pixels of `part` of a place of the network's map: both have their first middle at 0.
        step = np.array([view.width, view.height]) / side / scale
        start = np.array([view.x, view.y]) / scale - (part[1].start, part[0].start) + step / 2 - 0.5
        matrix = np.array([[step[0], 0, start[0]], [0, step[1], start[1]]])
        believed = (1 / (1 + np.exp(-odds))).astype(np.float32)
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        earlier = cv2.warpAffine(believed, matrix, (side, side), flags=flags, borderValue=0)
        said = PromptMap(side)
        said.earlier(np.clip(np.asarray(earlier, np.float32), 1 - CERTAIN, CERTAIN))
        logits, iou = self._network.answer(self._maps(view), said.values)
        told = np.clip(logits[0], -CLIP, CLIP)
        # What lies outside of the view is too far away to be the object.
        voted = cv2.warpAffine(told, matrix, odds.shape[::-1], flags=cv2.INTER_LINEAR, borderValue=-CLIP)
        return np.float32(WEIGHT) * np.asarray(voted, np.float32).reshape(odds.shape), float(iou[0])

    def _shared(self, view: View) -> View:
        """Return a part that was looked at already and shows this one well enough, or this one."""
        most = SHARED * view.width * view.height
        return next((one for one in self._known if one.contains(view) and one.width * one.height <= most), view)

    def _maps(self, view: View) -> Sequence[F32]:
        if view not in self._known:
            square = view.square(self._bgr, self._network.side)
            self._known[view] = self._network.look(np.asarray(cv2.cvtColor(square, cv2.COLOR_BGR2RGB), np.uint8))
        return self._known[view]


def _view(corners: np.ndarray[tuple[int, ...], np.dtype[np.float64]], width: int, height: int) -> View:
    """Return the part of a frame with room around `corners`, (2, 2), edges in pixels of the frame."""
    middle, extent = corners.mean(0), np.maximum((corners[1] - corners[0]) * ROOM, LEAST)
    (x, across), (y, down) = (span(middle[n], extent[n], most) for n, most in enumerate((width, height)))
    return View(x, y, across, down)
