"""Parts of a network that give the same at every call."""

from __future__ import annotations

from types import MethodType
from typing import Any

import torch
from torch import Tensor, nn


def hold_constant(module: nn.Module, method: str, *arguments: Any) -> None:
    """Have a method of a module answer from now on what it answers now.

    For position embeddings that are scaled to the picture's size at each call, though that is always the same size:
    OpenVINO takes 84 s instead of half a second to compile SAM 2's encoder with the scaling, and each call 40 ms more.

    Args:
        module: Its weights must be loaded. The answer becomes a buffer of it, which is not part of its state.
        method: Name of the method; it answers a tensor.
        arguments: Of every call to come. Others raise ValueError.
    """
    name = f"{method.strip('_')}_constant"
    with torch.no_grad():
        value: Tensor = getattr(module, method)(*arguments).detach().clone().contiguous()
    module.register_buffer(name, value, persistent=False)

    def constant(self: nn.Module, *given: Any) -> Tensor:
        if given != arguments:
            raise ValueError(f"{method} holds the value for {arguments}, not for {given}.")
        held: Tensor = getattr(self, name)
        return held

    # Bound, so that a copy of the module answers with the copy's buffer.
    setattr(module, method, MethodType(constant, module))
