"""One mask of an answer, decoded when it is looked at."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, TypeAlias, TypedDict

import numpy as np
from numpy.typing import NDArray

from maskbus_client import picture, reply_bytes
from maskbus_client.errors import NoMask, ProtocolError
from maskbus_client.scene import Scene
from maskbus_wire import prompts, replies
from maskbus_wire.limits import DEFAULT_LIMITS

# Inside `Mask`, `bytes` is a method.
Bytes: TypeAlias = bytes | memoryview


class CocoRle(TypedDict):
    """Run-length encoding as pycocotools reads it."""

    size: list[int]
    """Height and width."""
    counts: str
    """The runs, column by column, compressed."""


class Mask:
    """One mask. Its pixels are decoded at the first look and kept.

    Everything is in pixels of the image as sent: x to the right, y down; the top left pixel covers 0…1 × 0…1.
    """

    def __init__(self, scene: Scene, index: int, reply: replies.Mask) -> None:
        self._scene = scene
        self._index = index
        self._reply = reply
        self._array: NDArray[np.bool_] | None = None

    def __repr__(self) -> str:
        name = f" {self.label!r}" if self.label is not None else ""
        name += f" object_id={self.object_id}" if self.object_id is not None else ""
        return f"<Mask{name} bbox={self.bbox} area={self.area} predicted_iou={self.predicted_iou:.3f}>"

    @property
    def bbox(self) -> tuple[int, int, int, int]:
        """x, y, width, height in pixels, as COCO; all 0 for an empty mask."""
        return self._reply.bbox

    @property
    def area(self) -> int:
        """Number of pixels."""
        return self._reply.area

    @property
    def predicted_iou(self) -> float:
        """The model's own estimate of its overlap with the truth, 0…1."""
        return self._reply.predicted_iou

    @property
    def stability_score(self) -> float:
        """How little the mask changes with the model's threshold, 0…1."""
        return self._reply.stability_score

    @property
    def label(self) -> str | None:
        """The text this mask answers to, where text was asked for."""
        return self._reply.label

    @property
    def similarity(self) -> float | None:
        """How well it answers to that text: the cosine of the angle between what the model makes of both, -1…1."""
        return self._reply.similarity

    @property
    def probability(self) -> float | None:
        """How likely it is, among all masks that were looked at, to be the one that the text means, 0…1."""
        return self._reply.probability

    @property
    def point(self) -> tuple[float, float] | None:
        """In everything mode: x, y of the point that found it; as a prompt, it finds it again."""
        return self._reply.point

    @property
    def crop_box(self) -> tuple[int, int, int, int] | None:
        """In everything mode: x, y, width, height of the part of the image that it was found in."""
        return self._reply.crop_box

    @property
    def object_id(self) -> int | None:
        """In a stream that tracks: which object this is."""
        return self._reply.object_id

    @property
    def present(self) -> bool | None:
        """In a stream that tracks: whether the model believes that the object can be seen; False: it has lost it."""
        return self._reply.present

    @property
    def height(self) -> int:
        """Rows of the mask, and of the image."""
        return self._scene.height

    @property
    def width(self) -> int:
        """Columns of the mask, and of the image."""
        return self._scene.width

    def holds(self, encoding: str) -> bool:
        """Say whether the reply holds this mask in `encoding` ("rle", "bits", "bits+zlib", "png", …)."""
        return encoding in _FIELDS and getattr(self._reply, _FIELDS[encoding]) is not None

    def to_array(self) -> NDArray[np.bool_]:
        """Return the mask as bool (H, W), True on the object. The array is kept, shared and read-only.

        Of the encodings that the reply holds the quickest exact one is decoded; a label map shows only what larger and
        smaller masks leave visible, a polygon is exact to about a pixel.

        Raises:
            NoMask: if the reply holds none of them.
            ProtocolError: if its bytes are not what they should be.
        """
        if self._array is None:
            array = self._decode()
            array.flags.writeable = False
            self._array = array
        return self._array

    @property
    def rle(self) -> CocoRle:
        """The mask as pycocotools takes it: {"size": [height, width], "counts": text}. Errors as `to_array`."""
        found = self._reply.rle
        if found is not None:
            if tuple(found.size) != (self.height, self.width):
                raise ProtocolError(f"The reply's rle is of {found.size}, its image of {(self.height, self.width)}.")
            return {"size": [self.height, self.width], "counts": found.counts}
        from maskbus_wire import rle

        return {"size": [self.height, self.width], "counts": rle.encode(self.to_array())}

    @property
    def polygon(self) -> list[list[float]]:
        """The mask as COCO rings [x0, y0, x1, y1, …]; empty for an empty mask. Errors as `to_array`.

        Where the reply holds none, it is traced here, which needs OpenCV.
        """
        if self._reply.polygon is not None:
            return self._reply.polygon
        from maskbus_wire import polygon

        try:
            return polygon.encode(self.to_array())
        except ImportError:
            raise NoMask('The reply holds no polygon, and tracing one here needs OpenCV: ask for "polygon".') from None

    def logits(self) -> NDArray[np.float32] | None:
        """Return the model's logits, float32 (h, w) at its own resolution, read-only; None if they were not asked for.

        Raises:
            ProtocolError: if their bytes are not what they should be.
        """
        found = self._reply.logits
        if found is None:
            return None
        return self._scene.tensor(found, self._path("logits"), ("float32",))

    def bytes(self, encoding: str) -> Bytes:
        """Return the mask's bytes in an encoding, as the reply holds them or else encoded here.

        Args:
            encoding: "png" (a grey PNG file, 0 and not 0), "bits" (one bit a pixel, most significant first, rows padded
                to whole bytes), "bits+zlib" (those, deflated) or "raw" (one byte a pixel, 0 and 255, row by row).

        Raises:
            ValueError: for another encoding. Else as `to_array`.
        """
        if encoding not in ("png", "bits", "bits+zlib", "raw"):
            raise ValueError(f"bytes() has png, bits, bits+zlib and raw, not {encoding!r}.")
        if self.holds(encoding):
            return self._held(encoding)
        from maskbus_wire import bits

        if encoding == "png":
            return picture.to_png(self.to_array())
        if encoding == "raw":
            return np.multiply(self.to_array(), 255, dtype=np.uint8).tobytes()
        return bits.pack(self.to_array()) if encoding == "bits" else bits.pack_zlib(self.to_array())

    def overlay(self, image: Any = None, alpha: float = 0.5) -> NDArray[np.uint8]:
        """Return the image as RGB uint8 (H, W, 3) with this mask painted over it; arguments as `Result.overlay`."""
        return self._scene.paint(self.to_array()[None], image, alpha)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the mask as a PNG file, grey, 0 and 255. Errors as `to_array`, and OSError."""
        picture.write_png(path, self.to_array())

    def _decode(self) -> NDArray[np.bool_]:
        for encoding, decode in _DECODERS.items():
            if self.holds(encoding):
                return reply_bytes.reading(self._path(encoding), lambda: decode(self))  # noqa: B023
        visible = self._scene.visible_parts()
        if visible is None:
            raise NoMask('The reply holds no pixels of this mask: ask for an encoding such as "rle".')
        array: NDArray[np.bool_] = visible[self._index].copy()
        return array

    def _path(self, encoding: str) -> str:
        return f"masks[{self._index}].{encoding}"

    def _held(self, encoding: str) -> Bytes:
        blob: prompts.Blob = getattr(self._reply, _FIELDS[encoding])
        return self._scene.held(blob, self._path(encoding))


_FIELDS = {
    "raw": "raw",
    "bits": "bits",
    "bits+zlib": "bits_zlib",
    "rle": "rle",
    "png": "png",
    "png_base64": "png_base64",
    "polygon": "polygon",
    "logits": "logits",
}


def _raw(mask: Mask) -> NDArray[np.bool_]:
    data = mask._held("raw")
    expected, found = mask.height * mask.width, memoryview(data).nbytes
    if found != expected:
        raise ValueError(f"{mask.width} × {mask.height} pixels take {expected} bytes, not {found}.")
    return np.frombuffer(data, np.uint8).reshape(mask.height, mask.width).astype(np.bool_)


def _bits(mask: Mask) -> NDArray[np.bool_]:
    from maskbus_wire import bits

    return bits.unpack(mask._held("bits"), mask.height, mask.width)


def _bits_zlib(mask: Mask) -> NDArray[np.bool_]:
    from maskbus_wire import bits

    return bits.unpack_zlib(mask._held("bits+zlib"), mask.height, mask.width)


def _rle(mask: Mask) -> NDArray[np.bool_]:
    from maskbus_wire import rle

    return rle.decode(mask.rle["counts"], mask.height, mask.width)


def _png(mask: Mask) -> NDArray[np.bool_]:
    from maskbus_wire import png

    return png.decode_mask(mask._held("png"), mask.height, mask.width)


def _png_base64(mask: Mask) -> NDArray[np.bool_]:
    from maskbus_wire import base64_text, png

    data = base64_text.decode(mask._reply.png_base64 or "", max_bytes=DEFAULT_LIMITS.frame_bytes)
    return png.decode_mask(data, mask.height, mask.width)


def _polygon(mask: Mask) -> NDArray[np.bool_]:
    from maskbus_wire import polygon

    return polygon.decode(mask._reply.polygon or [], mask.height, mask.width)


# Quickest first; the polygon, which is not exact, last.
_DECODERS: dict[str, Callable[[Mask], NDArray[np.bool_]]] = {
    "raw": _raw,
    "bits": _bits,
    "bits+zlib": _bits_zlib,
    "rle": _rle,
    "png": _png,
    "png_base64": _png_base64,
    "polygon": _polygon,
}
