"""A network that can be called, whatever computes it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from torch import Tensor


class Stage(ABC):
    """One network in one runtime. Calls come one at a time.

    Inputs are tensors on the CPU, floating ones float32. Outputs are contiguous float32 tensors of their own memory,
    on the CPU; torch on a CUDA device takes inputs from anywhere and leaves outputs on the device.
    """

    runtime: str
    """"torch", "onnxruntime" or "openvino"."""
    dtype: str
    """"float32", "bfloat16" or "float16": what it computes in."""
    seconds: float = 0.0
    """How long a call took when it was chosen on this machine; 0 where it has not been measured."""

    @abstractmethod
    def __call__(self, inputs: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """Compute the outputs, in the order of `output_names`, of the inputs in the order of `input_names`."""

    def describe(self) -> str:
        """Name runtime and precision, and the time measured."""
        measured = f", {milliseconds(self.seconds)}" if self.seconds else ""
        return f"{self.runtime} {self.dtype}{measured}"


Agreement: TypeAlias = Callable[[Stage, Stage], float]
"""Compares the masks of a candidate (first) with those of the float32 reference (second) on a probe: their IoU."""


def milliseconds(seconds: float) -> str:
    """Write a time for humans."""
    return f"{seconds * 1e3:.0f} ms" if seconds >= 0.01 else f"{seconds * 1e3:.1f} ms"


def as_array(tensor: Tensor) -> npt.NDArray[np.generic]:
    """Return a view of a CPU tensor, contiguous; only one that is not contiguous is copied."""
    array: npt.NDArray[np.generic] = tensor.detach().contiguous().numpy()
    return array
