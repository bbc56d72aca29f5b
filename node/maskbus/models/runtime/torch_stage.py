"""A network computed by torch."""

from __future__ import annotations

import copy
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from maskbus.models.runtime.cuda_graphs import CudaGraphs
from maskbus.models.runtime.settings import RuntimeSettings
from maskbus.models.runtime.stage import Stage

_DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


class TorchStage(Stage):
    """Run the module itself, or in reduced precision or on a device a copy of it.

    Convolutions are computed with channels last, which takes MobileSAM's encoder 0.6 times as long on a CPU.
    """

    def __init__(self, module: nn.Module, dtype: str, settings: RuntimeSettings) -> None:
        """Take the module over: its memory layout, never its values, may change."""
        self.runtime = "torch"
        self.dtype = dtype
        self._dtype = _DTYPES[dtype]
        self._device = torch.device(settings.device)
        is_same = self._dtype == torch.float32 and self._device.type == "cpu"
        moved = module if is_same else copy.deepcopy(module).to(self._device, self._dtype)
        convolves = any(isinstance(part, nn.Conv2d) for part in moved.modules())
        self._format = torch.channels_last if convolves else torch.contiguous_format
        self._module: nn.Module | CudaGraphs = moved.to(memory_format=self._format) if convolves else moved
        if settings.compile:
            self._module.compile()
        if settings.on_cuda and settings.cuda_graphs:
            self._module = CudaGraphs(self._module)

    @torch.inference_mode()
    def __call__(self, inputs: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """Run the module."""
        outputs = self._module(*map(self._taken, inputs))
        return tuple(output.float().contiguous() for output in as_tuple(outputs))

    def _taken(self, tensor: Tensor) -> Tensor:
        dtype = self._dtype if tensor.is_floating_point() else tensor.dtype
        memory_format = self._format if tensor.dim() == 4 else torch.contiguous_format
        return tensor.to(self._device, dtype, non_blocking=True, memory_format=memory_format)


def as_tuple(outputs: Tensor | Sequence[Tensor]) -> tuple[Tensor, ...]:
    """Return what a module answered as a tuple."""
    return (outputs,) if isinstance(outputs, Tensor) else tuple(outputs)
