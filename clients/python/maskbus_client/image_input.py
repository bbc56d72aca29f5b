"""An image, in the forms people have it, to the image of a request."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from maskbus_client import picture
from maskbus_client.picture import Picture
from maskbus_wire import compressed_image, prompts, raw_image
from maskbus_wire.frames import Buffer
from maskbus_wire.limits import DEFAULT_LIMITS

if TYPE_CHECKING:
    from PIL import Image

    Pixels: TypeAlias = NDArray[np.uint8] | NDArray[np.bool_] | Image.Image
    Sendable: TypeAlias = Pixels | str | os.PathLike[str] | bytes | bytearray | memoryview | "ImageSource"
    """An array, a PIL image, the path of a file, a file's bytes, or an image in shared memory."""

Color: TypeAlias = Literal["rgb", "bgr"]
"""What the channels of an array mean, in their order."""

_PIL_MODES = {"L": "mono8", "RGB": "rgb8", "RGBA": "rgba8"}


class PreparedImage(NamedTuple):
    """An image as it goes into a request."""

    image: prompts.Image
    attachments: list[Buffer]
    size: tuple[int, int] | None
    """Height and width where they are known."""
    picture: Picture
    """What was sent, to paint masks over."""
    borrowed: bool
    """Whether the attachment is the caller's own memory."""


class ImageSource(ABC):
    """An image that knows itself how it goes into a request."""

    @abstractmethod
    def prepare(self) -> PreparedImage:
        """Return it as it is sent where nothing is shared."""


def kept(image_id: str, size: tuple[int, int] | None, show: Picture) -> PreparedImage:
    """Return a reference to an image that the node holds."""
    return PreparedImage(prompts.Image(image_id=image_id), [], size, show, borrowed=False)


def prepare(image: Sendable, color: Color = "rgb") -> PreparedImage:
    """Return the image as it goes into a request.

    Args:
        image: A numpy array, uint8 (H, W), (H, W, 1), (H, W, 3) or (H, W, 4) or bool (H, W), any strides (packed rows
            are sent without copying); a PIL image; a path, or the bytes, of a JPEG, PNG or WebP file, sent as it is; an
            image in shared memory.
        color: Meaning of 3 and 4 channels of a numpy array. PIL images and files know their own.

    Raises:
        TypeError, ValueError: for anything else.
        OSError: if a file cannot be read.
    """
    if color not in ("rgb", "bgr"):
        raise ValueError(f'color is "rgb" or "bgr", not {color!r}.')
    if isinstance(image, np.ndarray):
        return _array(image, color)
    if isinstance(image, (str, os.PathLike)):
        path = os.fspath(image)
        with open(path, "rb") as file:
            return _file(file.read(), lambda: picture.from_path(path), f"the file {path}")
    if isinstance(image, (bytes, bytearray, memoryview)):
        data = bytes(image)
        return _file(data, lambda: picture.from_file(data), f"these {len(data)} bytes")
    if isinstance(image, ImageSource):
        return image.prepare()
    if all(hasattr(image, name) for name in ("mode", "size", "tobytes", "convert")):
        return _pil(image)
    raise TypeError(
        f"An image is a numpy array, a PIL image, a path, or the bytes of a JPEG, PNG or WebP file, "
        f"not {type(image).__name__}."
    )


def own(prepared: PreparedImage) -> PreparedImage:
    """Return the image with attachments that nobody else can change."""
    if not prepared.borrowed:
        return prepared
    return prepared._replace(attachments=[bytes(data) for data in prepared.attachments], borrowed=False)


def show_raw(prepared: PreparedImage) -> NDArray[np.uint8] | None:
    """Return the attachment of a prepared image as RGB uint8 (H, W, 3)."""
    image, (data,) = prepared.image, prepared.attachments
    if image.encoding not in raw_image.CHANNELS:
        return picture.from_file(bytes(data))
    array = raw_image.view(data, image.width or 0, image.height or 0, image.step or 0, image.encoding)
    return picture.from_array(array, "bgr" if image.encoding.startswith("bgr") else "rgb")


def _array(array: NDArray[Any], color: Color) -> PreparedImage:
    show = picture.weakly(array, lambda held: picture.from_array(held, color))
    if array.ndim == 3 and array.shape[2] == 3 and array.dtype == np.uint8 and array.flags.c_contiguous and array.size:
        # What nearly everybody sends, in a fifth of the time that the general way takes.
        height, width, step = array.shape[0], array.shape[1], None
        data, encoding = array.data.cast("B"), "bgr8" if color == "bgr" else "rgb8"
    else:
        data, width, height, step, encoding = raw_image.from_array(array, color)
        step = None if step == width * raw_image.CHANNELS[encoding] else step
    _check_size(height, width)
    image = prompts.Image(attachment=0, encoding=encoding, width=width, height=height, step=step)
    return PreparedImage(image, [data], (height, width), show, borrowed=True)


def _file(data: bytes, show: Picture, name: str) -> PreparedImage:
    try:
        encoding, width, height = compressed_image.probe(data)
    except ValueError as error:
        raise ValueError(f"An image file is JPEG, PNG or WebP; {name}: {error}") from None
    _check_size(height, width)
    return PreparedImage(prompts.Image(attachment=0, encoding=encoding), [data], (height, width), show, borrowed=False)


def _pil(source: Any) -> PreparedImage:
    width, height = source.size
    if not width or not height:
        raise ValueError(f"The image has no pixels ({width} × {height}).")
    _check_size(height, width)
    show = picture.weakly(source, picture.from_pil)
    if source.mode.startswith("I"):
        # Pillow would clip 16 bits to 255; the high byte is what the picture looks like.
        return _array((np.asarray(source) >> 8).astype(np.uint8), "rgb")._replace(picture=show)
    image = source if source.mode in _PIL_MODES else source.convert("L" if source.mode == "1" else "RGB")
    wire = prompts.Image(attachment=0, encoding=_PIL_MODES[image.mode], width=width, height=height)
    return PreparedImage(wire, [image.tobytes()], (height, width), show, borrowed=False)


def _check_size(height: int, width: int) -> None:
    limits = DEFAULT_LIMITS
    if max(height, width) > limits.side or height * width > limits.pixels:
        raise ValueError(
            f"An image has at most {limits.side} pixels a side and {limits.pixels} in all, not {width} × {height}."
        )
