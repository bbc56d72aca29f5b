"""What a model is shown where a request limits the size: the image scaled down, and its answer scaled up again.

A point is the centre of a pixel; the sides of boxes, and of the image itself, are edges. An edge at e comes to lie at
e · s, a centre at c at (c + ½) · s - ½, where s is how many pixels are shown for each that there is, along that axis.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from maskbus.interfaces import EverythingSettings, FoundObject, Image, Masks, Prompt
from maskbus.postprocess.upscaling import Axis, upscaled
from maskbus_wire import geometry


@dataclass(frozen=True)
class ShownSize:
    """An image of `height` × `width` pixels that is shown with `rows` × `columns`, which are fewer."""

    height: int
    width: int
    rows: int
    columns: int

    @classmethod
    def of(cls, height: int, width: int, max_side: int) -> ShownSize | None:
        """Return what becomes of an image of that size; None where it is shown as it is."""
        longer = max(height, width)
        if not 0 < max_side < longer:
            return None
        rows, columns = (max(1, round(side * max_side / longer)) for side in (height, width))
        return cls(height, width, rows, columns)

    def digest(self, digest: bytes) -> bytes:
        """Return the digest of an image as it is shown, 128 bits, from its own (XXH3)."""
        import xxhash

        return bytes(xxhash.xxh3_128_digest(digest + f" {self.columns} {self.rows}".encode()))

    def image(self, image: Image, digest: bytes) -> Image:
        """Return the image as it is shown: each pixel the mean of what it covers."""
        import cv2

        pixels = cv2.resize(image.pixels, (self.columns, self.rows), interpolation=cv2.INTER_AREA)
        return Image(np.asarray(pixels, np.uint8), image.order, digest)

    def prompt(self, prompt: Prompt) -> Prompt:
        """Return a prompt in pixels of what is shown. It stays within; logits are the model's own, and so is text."""
        scale = np.array([self.columns / self.width, self.rows / self.height])
        size = np.array([self.columns, self.rows], np.float32)
        points = ((prompt.points + 0.5) * scale - 0.5).astype(np.float32)
        boxes = (prompt.boxes.reshape(-1, 2, 2) * scale).astype(np.float32)
        # Rounding may bring the last of what is inside to the edge.
        ends = np.minimum(boxes[:, 1], size)
        starts = np.minimum(boxes[:, 0], np.nextafter(ends, np.float32(-1)))
        return replace(
            prompt,
            points=np.clip(points, np.float32(0), np.nextafter(size, np.float32(0))),
            boxes=np.concatenate((starts, ends), axis=1).reshape(-1, 4),
            mask=None if prompt.mask is None else self._mask(prompt.mask),
        )

    def settings(self, settings: EverythingSettings) -> EverythingSettings:
        """Return how what is shown is searched: with areas in its pixels.

        Masks are chosen by their areas and sorted in the image's own pixels, by `found`. Until then there may be more
        of them, but none so small that it will hardly do.
        """
        share = self.rows * self.columns / (self.height * self.width)
        return replace(
            settings,
            min_mask_region_area=int(np.ceil(settings.min_mask_region_area * share)),
            min_area=int(settings.min_area * share / 2),
            max_masks=0,
        )

    def masks(self, masks: Masks) -> Masks:
        """Return an answer about what is shown as one about the image. Logits stay as they are."""
        full = np.zeros((len(masks), self.height, self.width), np.bool_)
        for mask, shown in zip(full, masks.masks, strict=True):
            (x, y, w, h), inside = self._window(geometry.window(shown))
            mask[y : y + h, x : x + w] = inside
        return replace(masks, masks=full)

    def found(self, objects: Sequence[FoundObject], settings: EverythingSettings) -> list[FoundObject]:
        """Return objects of what is shown as objects of the image, chosen and sorted by their areas there."""
        scaled = [self.object(one) for one in objects]
        chosen = sorted((one for one in scaled if one.area >= settings.min_area), key=lambda one: -one.area)
        return chosen[: settings.max_masks or None]

    def object(self, one: FoundObject) -> FoundObject:
        """Return an object of what is shown as one of the image."""
        bbox, patch = self._window((one.bbox, one.patch))
        down, across = self.height / self.rows, self.width / self.columns
        left, top, width, height = one.crop_box
        edges = [round(left * across), round(top * down), round((left + width) * across), round((top + height) * down)]
        return replace(
            one,
            bbox=bbox,
            patch=patch,
            area=int(np.count_nonzero(patch)),
            point=(_centre(one.point[0], across, self.width), _centre(one.point[1], down, self.height)),
            crop_box=(edges[0], edges[1], edges[2] - edges[0], edges[3] - edges[1]),
        )

    def _window(self, window: geometry.Window) -> geometry.Window:
        return upscaled(window, Axis(self.rows, self.height), Axis(self.columns, self.width))

    def _mask(self, mask: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
        """Return those pixels of what is shown that a mask covers at least by half; those it covers most, if none."""
        import cv2

        covered = cv2.resize(mask.astype(np.float32), (self.columns, self.rows), interpolation=cv2.INTER_AREA)
        most = float(covered.max())
        shown: npt.NDArray[np.bool_] = covered >= min(0.5, most) if most > 0 else np.zeros(covered.shape, np.bool_)
        return shown


def _centre(at: float, scale: float, size: int) -> float:
    return float(np.clip((at + 0.5) * scale - 0.5, 0.0, size - 0.5))
