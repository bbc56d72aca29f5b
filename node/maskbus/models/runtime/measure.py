"""How fast a stage is, and how near to the reference."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from maskbus.models.runtime.stage import Stage

_REPETITIONS = 3
_ENOUGH_SECONDS = 2.0
"""A call that takes longer is not repeated."""


@dataclass(frozen=True)
class Measured:
    """The best time of a few calls, and what was answered."""

    seconds: float
    outputs: tuple[Tensor, ...]


def measure(stage: Stage, inputs: Sequence[Tensor]) -> Measured:
    """Call a stage a few times. The first call, which sets things up, counts only where it is the only one."""
    seconds, outputs = _timed(stage, inputs)
    if seconds < _ENOUGH_SECONDS:
        seconds = min(_timed(stage, inputs)[0] for _ in range(_REPETITIONS))
    return Measured(seconds, outputs)


def _timed(stage: Stage, inputs: Sequence[Tensor]) -> tuple[float, tuple[Tensor, ...]]:
    begin = time.perf_counter()
    outputs = stage(inputs)
    if outputs and outputs[0].is_cuda:
        torch.cuda.synchronize(outputs[0].device)
    return time.perf_counter() - begin, outputs


def difference(outputs: Sequence[Tensor], reference: Sequence[Tensor]) -> float:
    """Return the largest difference of two answers, as a part of the largest value of each output.

    It is infinite where they differ in shape or one has values that are no numbers.
    """
    if [output.shape for output in outputs] != [output.shape for output in reference]:
        return math.inf
    worst = 0.0
    for output, expected in zip(outputs, reference, strict=True):
        if not expected.numel():
            continue
        scale = max(float(expected.abs().max()), 1e-6)
        apart = float((output.float() - expected.float()).abs().max()) / scale
        worst = max(worst, apart if math.isfinite(apart) else math.inf)
    return worst


class Remembered(Stage):
    """A stage that computes the answer to the same inputs once: the reference is asked for it by every comparison."""

    def __init__(self, stage: Stage, inputs: Sequence[Tensor], outputs: tuple[Tensor, ...]) -> None:
        self.runtime, self.dtype = stage.runtime, stage.dtype
        self._stage = stage
        self._last = (tuple(inputs), outputs)

    def __call__(self, inputs: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """Return the last answer again if the inputs are the same."""
        if _same(self._last[0], inputs):
            return self._last[1]
        outputs = self._stage(inputs)
        self._last = (tuple(tensor.clone() for tensor in inputs), outputs)
        return outputs


def _same(one: Sequence[Tensor], other: Sequence[Tensor]) -> bool:
    return len(one) == len(other) and all(torch.equal(a, b) for a, b in zip(one, other, strict=True))
