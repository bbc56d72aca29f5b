"""What an ONNX file takes and gives, read from the file itself.

OpenCV does not tell it, and the others only after they have built the network. The file is protocol buffers; of its
many fields only those that declare inputs and outputs are looked at, and the weights are stepped over.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from maskbus.interfaces import ModelUnavailable

_GRAPH = 7
"""Field of ModelProto."""
_INITIALIZER, _INPUT, _OUTPUT = 5, 11, 12
"""Fields of GraphProto."""
_TENSOR_NAME = 8
"""Field of TensorProto."""
_TYPES: dict[int, type[np.generic]] = {
    1: np.float32,
    2: np.uint8,
    3: np.int8,
    6: np.int32,
    7: np.int64,
    9: np.bool_,
    10: np.float16,
    11: np.float64,
}
"""Numbers of TensorProto.DataType."""
_VARINT, _EIGHT_BYTES, _BYTES, _FOUR_BYTES = 0, 1, 2, 5


@dataclass(frozen=True)
class Port:
    """One input or output of a network."""

    name: str
    shape: tuple[int | None, ...]
    """None where a side may have any length."""
    dtype: np.dtype[Any]

    def __str__(self) -> str:
        sides = ", ".join("?" if side is None else str(side) for side in self.shape)
        return f"{self.name} ({sides}) {self.dtype}"


@dataclass(frozen=True)
class Signature:
    """The inputs and outputs of a network, in its own order."""

    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]

    def __str__(self) -> str:
        inputs, outputs = (", ".join(map(str, ports)) or "nothing" for ports in (self.inputs, self.outputs))
        return f"takes {inputs} and gives {outputs}"


def read(path: Path) -> Signature:
    """Return what the network in a file takes and gives.

    Raises:
        ModelUnavailable: if the file is missing, damaged, or no ONNX.
    """
    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            return _signature(content)
    except FileNotFoundError:
        raise ModelUnavailable(f"There is no file {path}.") from None
    except OSError as error:
        raise ModelUnavailable(f"The network {path} cannot be read: {error.strerror or error}.") from None
    except (ValueError, KeyError):  # of a file without a byte, too
        raise ModelUnavailable(f"{path} is damaged, or no ONNX file.") from None


def _signature(content: mmap.mmap) -> Signature:
    graphs = [(begin, end) for number, begin, end in _fields(content, 0, len(content)) if number == _GRAPH]
    if not graphs:
        raise ValueError("no graph")
    inputs: list[Port] = []
    outputs: list[Port] = []
    weights: set[str] = set()
    for number, begin, end in _fields(content, *graphs[-1]):
        if number == _INPUT:
            inputs.append(_port(content, begin, end))
        elif number == _OUTPUT:
            outputs.append(_port(content, begin, end))
        elif number == _INITIALIZER:
            weights |= {_text(content, *at) for at in _all(content, begin, end, _TENSOR_NAME)}
    if not outputs:
        raise ValueError("no outputs")
    # Early versions of the format name the weights among the inputs.
    return Signature(tuple(port for port in inputs if port.name not in weights), tuple(outputs))


def _port(content: mmap.mmap, begin: int, end: int) -> Port:
    """Read a ValueInfoProto: name = 1, type = 2 with tensor_type = 1, which has elem_type = 1 and shape = 2."""
    name = _text(content, *_one(content, begin, end, 1))
    tensor = _one(content, *_one(content, begin, end, 2), 1)
    dtype = np.dtype(_TYPES[_varint(content, *_one(content, *tensor, 1))[0]])
    shape: list[int | None] = []
    for dimension in _all(content, *_one(content, *tensor, 2), 1):
        known = _all(content, *dimension, 1)  # dim_value; one of any length has a name as dim_param = 2, or nothing
        shape.append(_varint(content, *known[-1])[0] or None if known else None)
    return Port(name, tuple(shape), dtype)


def _fields(content: mmap.mmap, begin: int, end: int) -> Iterator[tuple[int, int, int]]:
    """Yield number, begin and end of each field of a message.

    Raises:
        ValueError: if it is no message, or not all of it is there.
    """
    while begin < end:
        tag, begin = _varint(content, begin, end)
        kind = tag & 7
        if kind == _VARINT:
            after = _varint(content, begin, end)[1]
        elif kind == _BYTES:
            size, begin = _varint(content, begin, end)
            after = begin + size
        elif kind in (_EIGHT_BYTES, _FOUR_BYTES):
            after = begin + (8 if kind == _EIGHT_BYTES else 4)
        else:
            raise ValueError(f"a field of kind {kind}")
        if after > end or tag >> 3 == 0:
            raise ValueError("a field that ends beyond its message")
        yield tag >> 3, begin, after
        begin = after


def _varint(content: mmap.mmap, begin: int, end: int) -> tuple[int, int]:
    """Return a number of seven bits a byte, and where the next thing begins."""
    value = 0
    for count in range(10):
        if begin + count >= end:
            break
        byte = content[begin + count]
        value |= (byte & 0x7F) << (7 * count)
        if byte < 0x80:
            return value, begin + count + 1
    raise ValueError("a number that does not end")


def _all(content: mmap.mmap, begin: int, end: int, number: int) -> list[tuple[int, int]]:
    return [(first, last) for found, first, last in _fields(content, begin, end) if found == number]


def _one(content: mmap.mmap, begin: int, end: int, number: int) -> tuple[int, int]:
    found = _all(content, begin, end, number)
    if not found:
        raise ValueError(f"no field {number}")
    return found[-1]


def _text(content: mmap.mmap, begin: int, end: int) -> str:
    return content[begin:end].decode()
