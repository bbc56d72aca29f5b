"""What every contender of the transport benchmark is, and the little work that all servers share."""

from __future__ import annotations

import importlib.util
import json
import struct
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal, Protocol

import numpy as np
import numpy.typing as npt

Pixels = npt.NDArray[np.uint8]
Exchange = Literal["small", "frame", "mask", "echo"]
Endpoints = Mapping[str, str]

HEIGHT, WIDTH, CHANNELS = 1080, 1920, 3
FRAME_BYTES = HEIGHT * WIDTH * CHANNELS
MASK_BYTES = HEIGHT * WIDTH
SMALL_BYTES = 64
ANSWER_S = 30.0  # no call waits longer than this for its answer: a dead server ends the run, it does not hang it

_SHAPE = struct.Struct("<3I")


def shape_answer(frame: Any) -> bytes:
    """Make a numpy view (height, 1920, 3) of a received frame and return its shape as 12 bytes."""
    height, width, channels = _view(frame).shape
    return _SHAPE.pack(height, width, channels)


def mask_answer(frame: Any) -> bytes:
    """Make a numpy view of a received frame and return a freshly filled mono8 mask of its size."""
    height, width, _ = _view(frame).shape
    return b"\xff" * int(height * width)


def read_shape(answer: Any) -> tuple[int, int]:
    """Return (height, width) of what `shape_answer` made."""
    height, width, _ = _SHAPE.unpack(answer)
    return height, width


def read_mask(answer: Any) -> Pixels:
    """Return the mask (1080, 1920) as a view of the received bytes."""
    return np.frombuffer(answer, np.uint8).reshape(HEIGHT, WIDTH)


def _view(frame: Any) -> Pixels:
    return np.frombuffer(frame, np.uint8).reshape(-1, WIDTH, CHANNELS)


class Connection(Protocol):
    """One client of one contender, as the harness drives it."""

    def small(self, payload: bytes) -> bool:
        """Send 64 bytes and return whether the small answer belongs to them."""

    def frame(self, frame: Any) -> tuple[int, int]:
        """Send a 1080p rgb8 frame and return the (height, width) that the server answers."""

    def mask(self, frame: Any) -> npt.NDArray[Any]:
        """Send a 1080p rgb8 frame and return the mask (height, width) that the server answers."""

    def close(self) -> None:
        """Release the sockets."""


@dataclass(frozen=True)
class Line:
    """One way of talking to a contender's server: a row of the table."""

    key: str
    label: str
    transport: Literal["tcp", "ipc"]
    takes: Literal["array", "bytes"] = "array"
    exchanges: tuple[Exchange, ...] = ("small", "frame", "mask")
    reference: bool = False  # a line that explains another one, not a contender by itself


class Contender(ABC):
    """A library under test: one server process, and one or more lines to it."""

    name: ClassVar[str]
    requires: ClassVar[tuple[str, ...]]  # modules that both sides import
    lines: ClassVar[tuple[Line, ...]]

    def missing(self) -> tuple[str, ...]:
        """Return the required modules that are not installed; a contender with none runs."""
        return tuple(module for module in self.requires if not _installed(module))

    def read_ready(self, line: str) -> Endpoints | None:
        """Return the endpoints by transport when `line` of the server's output says that it is ready."""
        return dict(json.loads(line)["ready"]) if line.startswith('{"ready"') else None

    @abstractmethod
    def serve(self, scratch: Path, ready: Callable[[Endpoints], None]) -> None:
        """Bind, call `ready` with the endpoints by transport, and answer until the process ends.

        Runs in a process of its own; `scratch` is a private folder for ipc sockets.
        """

    @abstractmethod
    def connect(self, line: Line, endpoints: Endpoints) -> Connection:
        """Open a client for one line."""


def _installed(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:  # the parent of a dotted name
        return False
