"""A network that can be called, whatever computes it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from maskbus.networks.signature import Port, Signature

Array: TypeAlias = npt.NDArray[Any]


class Network(ABC):
    """One ONNX file in one runtime, in float32 unless the file itself says otherwise. Calls come one at a time.

    The file is only read, and may go once the network is there.
    """

    runtime: str
    """"onnxruntime", "openvino" or "opencv"."""

    def __init__(self, path: Path, signature: Signature, threads: int) -> None:
        """Build it. Whatever a runtime raises comes through.

        Args:
            path: The file.
            signature: What `maskbus.networks.signature.read` has found in it.
            threads: CPU threads; 0 lets the runtime choose.
        """
        self.signature = signature
        self._build(path, threads)

    @property
    def inputs(self) -> tuple[Port, ...]:
        """What it takes."""
        return self.signature.inputs

    @property
    def outputs(self) -> tuple[Port, ...]:
        """What it gives."""
        return self.signature.outputs

    def __call__(self, inputs: Sequence[Array]) -> list[Array]:
        """Compute the outputs, in their order and of their own memory, of the inputs in their order.

        Inputs are made contiguous and of the type that the network takes.
        """
        ready = [np.ascontiguousarray(array, dtype=port.dtype) for port, array in zip(self.inputs, inputs, strict=True)]
        return self._compute(ready)

    @abstractmethod
    def _build(self, path: Path, threads: int) -> None: ...

    @abstractmethod
    def _compute(self, inputs: list[Array]) -> list[Array]: ...
