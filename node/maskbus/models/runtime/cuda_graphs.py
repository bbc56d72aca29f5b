"""Work on a CUDA device, recorded once and repeated: small kernels then cost no time on the CPU."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

_MOST = 4
"""Sizes of input that are recorded; each holds the memory of a whole call."""
_WARM_UPS = 3
"""Calls before recording, in which libraries choose their kernels and take their work space."""

Signature = tuple[tuple[tuple[int, ...], torch.dtype], ...]


@dataclass(frozen=True)
class _Recording:
    """One call's work; it reads and writes always the same memory."""

    graph: Any
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]

    def repeat(self, inputs: Sequence[Tensor]) -> tuple[Tensor, ...]:
        for own, given in zip(self.inputs, inputs, strict=True):
            own.copy_(given, non_blocking=True)
        self.graph.replay()
        return tuple(output.clone() for output in self.outputs)


class CudaGraphs:
    """Call a function of tensors; record its work at the first call with inputs of a size, repeat it at the others.

    Beyond a few sizes nothing is recorded any more, and the function is called as it is.
    """

    def __init__(
        self, function: Callable[..., Any], record: Callable[..., _Recording] | None = None, most: int = _MOST
    ) -> None:
        self._function = function
        self._record = record or _record
        self._most = most
        self._recordings: dict[Signature, _Recording] = {}

    def __call__(self, *inputs: Tensor) -> Any:
        """Return the function's outputs, in memory of their own."""
        signature = tuple((tuple(tensor.shape), tensor.dtype) for tensor in inputs)
        recording = self._recordings.get(signature)
        if recording is None:
            if len(self._recordings) >= self._most:
                return self._function(*inputs)
            recording = self._recordings[signature] = self._record(self._function, inputs)
        return recording.repeat(inputs)


def _record(function: Callable[..., Any], inputs: Sequence[Tensor]) -> _Recording:
    own = tuple(tensor.clone() for tensor in inputs)
    cuda: Any = torch.cuda  # annotated in some versions only
    with cuda.device(own[0].device):
        beside = cuda.Stream()
        beside.wait_stream(cuda.current_stream())
        with cuda.stream(beside):
            for _ in range(_WARM_UPS):
                function(*own)
        cuda.current_stream().wait_stream(beside)
        graph = cuda.CUDAGraph()
        with cuda.graph(graph):
            outputs = function(*own)
    return _Recording(graph, own, (outputs,) if isinstance(outputs, Tensor) else tuple(outputs))
