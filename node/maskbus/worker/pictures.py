"""From a slot in shared memory to the image a handler sees."""

from __future__ import annotations

import mmap
import struct
import time
import zlib
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from maskbus import removal
from maskbus.image_digest import image_digest
from maskbus.interfaces import Image
from maskbus_wire import compressed_image, raw_image
from maskbus_wire.errors import WireError
from maskbus_wire.image_checks import COMPRESSED

_MAPPINGS = 32
_GENERATION = struct.Struct("<Q")


class SlotReader:
    """Map the node's files read-only, and keep the mappings: files are reused, and mapping is what costs."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._mappings: OrderedDict[tuple[str, int], mmap.mmap] = OrderedDict()

    def view(self, name: str, nbytes: int, offset: int = 0) -> memoryview:
        """Return `nbytes` of a file from `offset` on, without a copy."""
        return memoryview(self._mapping(name, mmap.ACCESS_READ))[offset : offset + nbytes]

    def writable(self, name: str, nbytes: int, offset: int) -> memoryview:
        """Return the same to be written to."""
        return memoryview(self._mapping(name, mmap.ACCESS_WRITE))[offset : offset + nbytes]

    def forget_removed(self) -> None:
        """Let go of files that the node has removed, so that their memory goes back to the system."""
        for key in [key for key in self._mappings if removal.is_removed(self._directory / key[0])]:
            del self._mappings[key]

    def _mapping(self, name: str, access: int) -> mmap.mmap:
        key = name, access
        mapping = self._mappings.get(key)
        if mapping is None:
            with (self._directory / name).open("r+b" if access == mmap.ACCESS_WRITE else "rb") as file:
                mapping = mmap.mmap(file.fileno(), 0, access=access)
            self._mappings[key] = mapping
            if len(self._mappings) > _MAPPINGS:
                self._mappings.popitem(last=False)  # unmapped when the last view of it is gone
        else:
            self._mappings.move_to_end(key)
        return mapping


class Pictures:
    """Open the images of jobs."""

    def __init__(self, slots: SlotReader, max_pixels: int) -> None:
        self._slots = slots
        self._max_pixels = max_pixels
        self._digests: OrderedDict[str, bytes] = OrderedDict()

    def check(self, image: Mapping[str, Any]) -> None:
        """Compare an image's checksum, where it has one.

        Raises:
            WireError: `invalid_image` if it is another.
        """
        if "checksum" in image and zlib.crc32(self._view(image)) != image["checksum"]:
            raise WireError("invalid_image", "The image's checksum is another: it is not whole.", "image.slot")

    def confirm(self, image: Mapping[str, Any]) -> None:
        """Make sure that nobody has written to a client's slot since its image was admitted.

        Raises:
            WireError: `invalid_image` if somebody has.
        """
        if "entry" not in image:
            return
        (generation,) = _GENERATION.unpack(self._slots.view(image["slot"], _GENERATION.size, image["entry"]))
        if generation != image["generation"]:
            raise WireError("invalid_image", "The slot was written to while it was read.", "image.slot")

    def _view(self, image: Mapping[str, Any]) -> memoryview:
        return self._slots.view(image["slot"], image["nbytes"], image.get("offset", 0))

    def digest(self, image: Mapping[str, Any]) -> bytes:
        """Return a 128-bit digest of the image's bytes and layout (XXH3).

        Equal images have equal digests wherever they came from. The node says it where it knows it; images that it
        keeps are digested once.
        """
        if "digest" in image:
            return bytes(image["digest"])
        key = image.get("key") or ""
        known = self._digests.get(key) if key else None
        if known is not None:
            return known
        digest = image_digest(image["encoding"], image["width"], image["height"], image["step"], self._view(image))
        if key:
            self._digests[key] = digest
            if len(self._digests) > 4096:
                self._digests.popitem(last=False)
        return digest

    def open(self, image: Mapping[str, Any], digest: bytes) -> tuple[Image, float]:
        """Return the image, and the milliseconds that decoding a file took.

        Raises:
            WireError: `invalid_image` if the file is damaged.
        """
        view = self._view(image)
        encoding = image["encoding"]
        start = time.perf_counter()
        if encoding in COMPRESSED:
            try:
                pixels, order = compressed_image.decode(view, max_pixels=self._max_pixels)
            except ValueError as error:
                raise WireError("invalid_image", str(error), "image") from None
            if pixels.shape[:2] != (image["height"], image["width"]):
                raise WireError("invalid_image", "The image is not of the size that its header says.", "image")
            return Image(pixels, order, digest), (time.perf_counter() - start) * 1e3
        raw = raw_image.view(view, image["width"], image["height"], image["step"], encoding)
        if encoding == "mono8":
            return Image(raw, "mono", digest), 0.0
        return Image(raw[:, :, :3], encoding[:3], digest), 0.0


def blank(height: int, width: int) -> Image:
    """Return a black image of the given size: what an overlay is painted on where the pixels are not at hand."""
    return Image(np.zeros((height, width, 3), np.uint8))
