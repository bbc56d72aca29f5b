"""What a simulated camera delivers, frame by frame, and the truth about it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from maskbus.simulator.scene import Scene, View
from maskbus.simulator.still import StillScene

Encoding = Literal["jpeg", "raw"]

_QUALITY = 85


@dataclass(frozen=True)
class Faults:
    """What a camera does wrong, on purpose."""

    garbage: int = 0
    """Each so-many-th frame is cut off in the middle; 0: none."""
    change_size: int = 0
    """After each so many frames the picture has half its size, and then its own again; 0: never."""


class SimulatedCamera:
    """Take pictures of a scene, by their number: the same number is the same picture."""

    def __init__(
        self,
        width: int,
        height: int,
        rate: float,
        *,
        seed: int = 0,
        moving: bool = False,
        encoding: Encoding = "jpeg",
        faults: Faults | None = None,
    ) -> None:
        """Set the camera up.

        Args:
            width: Pixels.
            height: Pixels.
            rate: Pictures a second: what lies between two of them in the scene.
            seed: Which scene.
            moving: Whether anything moves in it.
            encoding: What the pictures come as.
            faults: What goes wrong.
        """
        self.scene = Scene(width, height, seed=seed)
        self._rate = rate
        self._encoding = encoding
        self._faults = faults or Faults()
        self._still = None if moving else StillScene(self.scene, seed=seed)
        self._ready: dict[tuple[int, bool], NDArray[np.uint8] | bytes] = {}

    def frame(self, number: int, *, tick: int | None = None) -> NDArray[np.uint8] | bytes:
        """Return a picture: RGB uint8 (H, W, 3), or the bytes of a JPEG file.

        Args:
            number: Its number, by which it goes wrong.
            tick: The time in the scene, in pictures since its beginning; left out: `number`.
        """
        if self._faults.garbage and number % self._faults.garbage == self._faults.garbage - 1:
            whole = _jpeg(self._picture(number, number if tick is None else tick))
            return whole[: len(whole) // 2]
        if self._still is None:
            picture = self._picture(number, number if tick is None else tick)
            return _jpeg(picture) if self._encoding == "jpeg" else picture
        variant = number % len(self._still.variants), self._is_half(number)
        if variant not in self._ready:
            picture = self._picture(number, 0)
            self._ready[variant] = _jpeg(picture) if self._encoding == "jpeg" else picture
        return self._ready[variant]

    def truth(self, number: int, *, tick: int | None = None) -> View:
        """Return what there is to be seen in a picture; arguments as in `frame`."""
        if self._still is not None:
            rgb, labels = self._still.variants[number % len(self._still.variants)], self._still.labels
        else:
            view = self.scene.view((number if tick is None else tick) / self._rate)
            rgb, labels = view.rgb, view.labels
        return View(_halved(rgb), _halved(labels)) if self._is_half(number) else View(rgb, labels)

    def _picture(self, number: int, tick: int) -> NDArray[np.uint8]:
        return self.truth(number, tick=tick).rgb

    def _is_half(self, number: int) -> bool:
        every = self._faults.change_size
        return bool(every) and number // every % 2 == 1


def _halved(array: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.ascontiguousarray(array[::2, ::2])


def _jpeg(rgb: NDArray[np.uint8]) -> bytes:
    import cv2

    whole, data = cv2.imencode(".jpg", cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
    assert whole
    return data.tobytes()
