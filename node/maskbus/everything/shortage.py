"""What a want of memory looks like, whichever library feels it."""

from __future__ import annotations

_NAMES = frozenset({"OutOfMemoryError"})  # torch's, which is not imported for its name's sake
_WORDS = (
    "out of memory",
    "can't allocate",
    "cannot allocate",
    "not enough memory",
    "insufficient memory",
    "failed to allocate",
    "bad_alloc",
    "bad allocation",
)


class Shortage(Exception):
    """Say that there was not enough memory for a single point."""

    def __init__(self, said: Exception) -> None:
        super().__init__(str(said))
        self.said = said.with_traceback(None)  # whose frames hold what there is too little of
        """What the library raised."""


def is_shortage(error: BaseException) -> bool:
    """Tell whether an error means that there was not enough memory, on the CPU or the GPU."""
    if isinstance(error, MemoryError):
        return True
    if any(kind.__name__ in _NAMES for kind in type(error).__mro__):
        return True
    text = str(error).lower()
    # RuntimeError is torch's and OpenVINO's; OpenCV's and ONNX Runtime's own are plain Exceptions.
    return not isinstance(error, (OSError, ValueError, TypeError)) and any(words in text for words in _WORDS)
