"""JPEG, PNG and WebP images: what they are, how large they are, and their pixels.

Headers are read here, byte by byte, and not by a picture library: nothing is allocated, nothing warns, and a file that
announces too many pixels is turned away before any decoder sees it. Sizes are upright: EXIF orientations 5 to 8 swap
the sides. Only EXIF that stands where a decoder meets it counts (JPEG APP1, PNG eXIf before the pixels, WebP EXIF);
broken EXIF counts as none. Formats: ITU-T T.81, W3C PNG, RFC 9649 (WebP), CIPA DC-008 (EXIF).

What is cut short is an error. Decoders differ there (some fill the rest with grey), so it is looked for beforehand: a
JPEG must have its end marker after the start of its scan, a PNG all its chunks with right checksums, a WebP as many
bytes as it announces. Damage in the middle of a JPEG cannot be told from noise: libjpeg repairs it, and OpenCV's copy
says so on stderr.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable, Iterator
from typing import Literal, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

Encoding: TypeAlias = Literal["jpeg", "png", "webp"]
Data: TypeAlias = bytes | bytearray | memoryview

_PNG_MAGIC = b"\x89PNG\r\n\x1a\n"
# Frame headers are C0 … CF without DHT, JPG and DAC.
_JPEG_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
# Markers that stand alone, without a length: TEM and the restarts.
_JPEG_ALONE = frozenset({0x01, *range(0xD0, 0xD8)})


class _Header(NamedTuple):
    width: int
    height: int
    orientation: int


def sniff(data: Data) -> Encoding | None:
    """Return which of the three formats the first bytes announce, or None."""
    start = bytes(data[:12])
    if start.startswith(b"\xff\xd8\xff"):
        return "jpeg"
    if start.startswith(_PNG_MAGIC):
        return "png"
    if start.startswith(b"RIFF") and start[8:] == b"WEBP":
        return "webp"
    return None


def probe(data: Data) -> tuple[Encoding, int, int]:
    """Return (encoding, width, height) of the upright image from its header. ValueError if there is no sound header."""
    encoding, header = _read_header(bytes(data))
    width, height = _upright(header)
    return encoding, width, height


def decode(data: Data, *, max_pixels: int) -> tuple[NDArray[np.uint8], Literal["bgr"]]:
    """Return the upright pixels, uint8 (H, W, 3), and their channel order. Needs OpenCV.

    16 bits become 8 (the low byte is dropped), grey becomes three channels, alpha is dropped. ValueError for anything
    but a whole JPEG, PNG or WebP of at most `max_pixels` pixels; animated WebP is not read.
    """
    import cv2

    data = bytes(data)
    _, header = _require_whole(data, max_pixels)
    try:
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
    except cv2.error as error:
        raise ValueError(f"the image could not be decoded: {error.err}") from None
    if pixels is None or pixels.shape != (header.height, header.width, 3) or pixels.dtype != np.uint8:
        raise ValueError("the image could not be decoded: its data are broken")
    if header.orientation >= 5:
        pixels = cv2.transpose(pixels)
    # Orientations 2 to 4 flip columns, both, rows; 6 to 8 do the same after the sides are swapped.
    flip = (header.orientation - 1) % 4
    if flip:
        pixels = cv2.flip(pixels, {1: 1, 2: -1, 3: 0}[flip])
    return np.asarray(pixels, np.uint8), "bgr"


def decode_pil(data: Data, *, max_pixels: int) -> NDArray[np.uint8]:
    """Return the upright pixels as RGB, uint8 (H, W, 3), with Pillow alone. ValueError as in `decode`."""
    from PIL import Image, ImageFile, JpegImagePlugin, PngImagePlugin, WebPImagePlugin

    data = bytes(data)
    encoding, header = _require_whole(data, max_pixels)
    if encoding == "jpeg":
        data = _without_exif(data)
    # The classes and not Image.open: that one warns about large pictures, and the caller has said what is large.
    readers: dict[str, Callable[[io.BytesIO], ImageFile.ImageFile]] = {
        "jpeg": JpegImagePlugin.JpegImageFile,
        "png": PngImagePlugin.PngImageFile,
        "webp": WebPImagePlugin.WebPImageFile,
    }
    turns = Image.Transpose
    turn = (
        None,
        turns.FLIP_LEFT_RIGHT,
        turns.ROTATE_180,
        turns.FLIP_TOP_BOTTOM,
        turns.TRANSPOSE,
        turns.ROTATE_270,
        turns.TRANSVERSE,
        turns.ROTATE_90,
    )[header.orientation - 1]
    try:
        with readers[encoding](io.BytesIO(data)) as file:
            file.load()
            image: Image.Image = file
            if image.mode.startswith("I"):
                # Pillow would clip 16 bits to 255; keep the high byte as OpenCV does.
                image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
            elif image.mode == "P":
                # A palette with alpha warns unless its alpha is made a channel first.
                image = image.convert("RGBA")
            image = image.convert("RGB")
            if turn is not None:
                image = image.transpose(turn)
            pixels = np.array(image)
    except MemoryError:
        raise
    except Exception as error:  # Pillow's readers raise whatever a hostile file provokes, not only OSError
        raise ValueError(f"the image could not be decoded: {error}") from None
    width, height = _upright(header)
    if pixels.shape != (height, width, 3):
        raise ValueError("the image could not be decoded: its data are broken")
    return pixels


def _upright(header: _Header) -> tuple[int, int]:
    return (header.height, header.width) if header.orientation >= 5 else (header.width, header.height)


def _require_whole(data: bytes, max_pixels: int) -> tuple[Encoding, _Header]:
    encoding, header = _read_header(data)
    if header.width * header.height > max_pixels:
        raise ValueError(f"an image of {header.width} x {header.height} pixels is larger than {max_pixels} pixels")
    if encoding == "jpeg":
        # A thumbnail in the header has an end marker of its own, so only one after the scan's start counts. Compressed
        # data cannot hold the two bytes: an FF in it is followed by 00.
        *_, (marker, scan, _) = _jpeg_segments(data)
        whole = marker == 0xDA and data.rfind(b"\xff\xd9") > scan
    elif encoding == "png":
        try:
            *_, last = _png_chunks(data, checked=True)
            whole = last[0] == b"IEND"
        except struct.error:
            whole = False
    else:
        whole = len(data) >= 8 + struct.unpack_from("<I", data, 4)[0]
    if not whole:
        raise ValueError(f"the {encoding} image is cut short")
    return encoding, header


def _read_header(data: bytes) -> tuple[Encoding, _Header]:
    encoding = sniff(data)
    if encoding is None:
        raise ValueError("the data are neither JPEG nor PNG nor WebP")
    try:
        header = {"jpeg": _jpeg_header, "png": _png_header, "webp": _webp_header}[encoding](data)
    except (struct.error, IndexError):
        raise ValueError(f"the {encoding} image stops within its header") from None
    if header.width < 1 or header.height < 1:
        raise ValueError(f"the {encoding} image announces no pixels")
    return encoding, header


def _jpeg_header(data: bytes) -> _Header:
    size, orientation = None, 0
    for marker, start, length in _jpeg_segments(data):
        if marker in _JPEG_FRAMES and size is None:
            size = struct.unpack_from(">HH", data, start + 1)
        elif marker == 0xE1 and not orientation and data.startswith(b"Exif\0\0", start):
            orientation = _orientation(data[start + 6 : start + length])
    if size is None:
        raise ValueError("the jpeg image has no frame before its first scan")
    return _Header(size[1], size[0], orientation or 1)


def _jpeg_segments(data: bytes) -> Iterator[tuple[int, int, int]]:
    """Yield (marker, where its payload starts, payload length) up to the start of the first scan."""
    marker, at = 0, 2
    while marker != 0xDA:
        at = data.find(b"\xff", at)
        # Any number of FF may come before a marker, and decoders skip stray bytes there.
        while at >= 0 and data[at] == 0xFF:
            at += 1
        if at < 0:
            raise IndexError
        marker = data[at]
        at += 1
        if marker == 0 or marker in _JPEG_ALONE:
            continue
        if marker == 0xD9:
            raise ValueError("the jpeg image ends before its first scan")
        length = struct.unpack_from(">H", data, at)[0]
        if length < 2 or at + length > len(data):
            raise IndexError
        yield marker, at + 2, length - 2
        at += length


def _without_exif(data: bytes) -> bytes:
    """Drop the APP1 segments of a JPEG: Pillow looks for a resolution there, and warns where EXIF is broken."""
    segments = list(_jpeg_segments(data))
    _, scan, length = segments[-1]
    kept = (data[start - 4 : start + length] for marker, start, length in segments if marker != 0xE1)
    return b"".join((data[:2], *kept, data[scan + length :]))


def _png_header(data: bytes) -> _Header:
    chunks = _png_chunks(data, checked=False)
    kind, start, length = next(chunks)
    if kind != b"IHDR" or length != 13:
        raise ValueError("the png image does not begin with its header")
    width, height = struct.unpack_from(">II", data, start)
    orientation = 1
    for kind, start, length in chunks:
        if kind == b"IDAT":
            break
        if kind == b"eXIf":
            orientation = _orientation(data[start : start + length]) or 1
    return _Header(width, height, orientation)


def _png_chunks(data: bytes, *, checked: bool) -> Iterator[tuple[bytes, int, int]]:
    """Yield (type, where its payload starts, payload length) up to IEND; ValueError if a checked chunk is not whole."""
    kind, at = b"", len(_PNG_MAGIC)
    view = memoryview(data)
    while kind != b"IEND":
        length, kind = struct.unpack_from(">I4s", data, at)
        end = at + 8 + length
        if checked and (
            end + 4 > len(data) or zlib.crc32(view[at + 4 : end]) != struct.unpack_from(">I", data, end)[0]
        ):
            raise ValueError(f"the png image is cut short or damaged in its {kind.decode('latin-1')!r} chunk")
        yield kind, at + 8, length
        at = end + 4


def _webp_header(data: bytes) -> _Header:
    kind = data[12:16]
    if kind == b"VP8 ":
        if data[23:26] != b"\x9d\x01\x2a":
            raise ValueError("the webp image does not begin with a key frame")
        width, height = struct.unpack_from("<HH", data, 26)
        return _Header(width & 0x3FFF, height & 0x3FFF, 1)
    if kind == b"VP8L":
        bits = struct.unpack_from("<I", data, 21)[0]
        return _Header((bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1, 1)
    if kind != b"VP8X":
        raise ValueError("the webp image has no header")
    if data[20] & 0x02:
        raise ValueError("the webp image is an animation")
    width, height = (int.from_bytes(data[at : at + 3], "little") + 1 for at in (24, 27))
    if len(data) < 30:
        raise IndexError
    orientation, at = 0, 12
    while data[20] & 0x08 and not orientation and at + 8 <= len(data):
        kind, length = struct.unpack_from("<4sI", data, at)
        if kind == b"EXIF":
            orientation = _orientation(data[at + 8 : at + 8 + length].removeprefix(b"Exif\0\0"))
        at += 8 + length + length % 2
    return _Header(width, height, orientation or 1)


def _orientation(exif: bytes) -> int:
    """Return the orientation, 1 to 8, from the first directory of EXIF data; 0 if there is none or it is broken."""
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(exif[:4])
    if order is None:
        return 0
    try:
        at = struct.unpack_from(order + "I", exif, 4)[0]
        for entry in range(struct.unpack_from(order + "H", exif, at)[0]):
            tag, kind, _, value = struct.unpack_from(order + "HHIH", exif, at + 2 + 12 * entry)
            if tag == 0x0112:
                return int(value) if kind == 3 and 1 <= value <= 8 else 0
    except struct.error:
        pass
    return 0
