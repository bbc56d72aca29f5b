"""Small pictures and masks, written by hand so that no library's version changes a byte of them."""

from __future__ import annotations

import struct
import zlib

import numpy as np
import numpy.typing as npt

WIDTH, HEIGHT = 5, 3
"""Size of the colour pattern."""

JPEG_WIDTH, JPEG_HEIGHT = 16, 8
JPEG_LEFT, JPEG_RIGHT = bytes((200, 100, 50)), bytes((20, 60, 220))
JPEG = bytes.fromhex(
    "ffd8ffe000104a46494600010100000100010000ffdb0043000302020302020303030304030304050805050404050a070706080c0a0c0c0b0a0b"
    "0b0d0e12100d0e110e0b0b1016101113141515150c0f171816141812141514ffdb00430103040405040509050509140d0b0d1414141414141414"
    "141414141414141414141414141414141414141414141414141414141414141414141414141414141414ffc00011080008001003011100021101"
    "031101ffc4001500010100000000000000000000000000000408ffc40014100100000000000000000000000000000000ffc40016010101010000"
    "0000000000000000000000080709ffc40014110100000000000000000000000000000000ffda000c03010002110311003f00221e482656ac02ef"
    "ffd9"
)
"""16 × 8 pixels, the left half in one colour and the right half in another."""

WEBP = bytes.fromhex(
    "5249464648000000574542505650384c3b0000002f0480000077303c0281649cfc69c621d2b6399e7f5157543cffa10700d8388ee36c0000602a"
    "928df71e7e8d2c4ac9a2922c8245f43faa7d27ee1300"
)
"""The colour pattern, lossless."""

_FIRST = [
    "..##......",
    "..##......",
    "..##......",
    "..........",
]
_SECOND = [
    ".....####.",
    ".....#..#.",
    ".....####.",
    ".........#",
]
MASKS: list[list[str]] = [_FIRST, _SECOND, ["." * 10] * 4]
"""A rectangle; a ring with a hole and a pixel at its corner; nothing. Each 4 rows of 10 pixels."""
POLYGONS: list[list[list[float]]] = [
    [[2.0, 0.0, 4.0, 0.0, 4.0, 3.0, 2.0, 3.0]],
    [
        [5.0, 0.0, 9.0, 0.0, 9.0, 3.0, 5.0, 3.0, 5.0, 1.0, 6.0, 1.0, 6.0, 2.0, 8.0, 2.0, 8.0, 1.0, 6.0, 1.0, 5.0, 1.0],
        [9.0, 3.0, 10.0, 3.0, 10.0, 4.0, 9.0, 4.0],
    ],
    [],
]
"""The same as rings."""


def pattern() -> npt.NDArray[np.uint8]:
    """Return the colour pattern as RGB, (HEIGHT, WIDTH, 3)."""
    pixels = [[(40 * x, 60 * y, 200 - 10 * x) for x in range(WIDTH)] for y in range(HEIGHT)]
    return np.array(pixels, np.uint8)


def jpeg_pixels() -> npt.NDArray[np.uint8]:
    """Return what JPEG shows, RGB (8, 16, 3)."""
    row = np.frombuffer(JPEG_LEFT * 8 + JPEG_RIGHT * 8, np.uint8)
    return np.tile(row, (JPEG_HEIGHT, 1)).reshape(JPEG_HEIGHT, JPEG_WIDTH, 3)


def jpeg_turned() -> bytes:
    """Return JPEG with EXIF orientation 6: to be shown turned clockwise by 90°, 8 pixels wide and 16 high."""
    entry = struct.pack(">HHIHH", 0x0112, 3, 1, 6, 0)
    exif = b"Exif\0\0" + b"MM\0*" + struct.pack(">IH", 8, 1) + entry + struct.pack(">I", 0)
    return JPEG[:2] + b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif + JPEG[2:]


def to_bool(rows: list[str]) -> npt.NDArray[np.bool_]:
    """Return a mask drawn with `.` and `#` as a bool array."""
    return np.array([[pixel == "#" for pixel in row] for row in rows], np.bool_)


def deflate(data: bytes) -> bytes:
    """Return `data` as a zlib stream that is stored, not compressed: the same bytes from every zlib."""
    block = struct.pack("<BHH", 1, len(data), len(data) ^ 0xFFFF) + data
    return b"\x78\x01" + block + struct.pack(">I", zlib.adler32(data))


def png(rows: list[bytes], width: int, *, depth: int, colour: int) -> bytes:
    """Return a PNG of these rows of packed pixels; `colour` is 0 for grey, 2 for RGB, as in the PNG standard."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, len(rows), depth, colour, 0, 0, 0)
    pixels = deflate(b"".join(b"\0" + row for row in rows))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def pattern_png() -> bytes:
    """Return the colour pattern as PNG."""
    return png([row.tobytes() for row in pattern()], WIDTH, depth=8, colour=2)


def mask_png(mask: npt.NDArray[np.bool_], depth: int = 1) -> bytes:
    """Return a mask as a grey PNG of 1 or 8 bits a pixel."""
    if depth == 1:
        rows = [row.tobytes() for row in np.packbits(mask, axis=1)]
    else:
        rows = [row.tobytes() for row in mask.astype(np.uint8) * np.uint8(255)]
    return png(rows, mask.shape[1], depth=depth, colour=0)
