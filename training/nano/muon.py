"""An optimizer that turns each layer's step into one that changes all its directions alike."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

_ROUNDS = 5
_A, _B, _C = 3.4445, -4.7750, 2.0315


class Muon(torch.optim.Optimizer):
    """Momentum, made orthogonal (Jordan et al. 2024): for weights of two dimensions and more.

    Needs far fewer steps than Adam where weights are matrices. A convolution counts as the matrix of its outputs by all
    that each of them sees.
    """

    def __init__(self, weights: Iterable[Tensor], lr: float, momentum: float = 0.95, weight_decay: float = 0.0) -> None:
        super().__init__(weights, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """Take one step."""
        for group in self.param_groups:
            for weight in group["params"]:
                if weight.grad is None:
                    continue
                state = self.state[weight]
                if "mean" not in state:
                    state["mean"] = torch.zeros_like(weight)
                mean = state["mean"]
                mean.lerp_(weight.grad, 1 - group["momentum"])
                ahead = weight.grad.lerp(mean, group["momentum"])
                turned = _orthogonal(ahead.reshape(len(ahead), -1)).reshape(weight.shape)
                weight.mul_(1 - group["lr"] * group["weight_decay"])
                rows, columns = weight.shape[0], weight.numel() // weight.shape[0]
                weight.add_(turned, alpha=-group["lr"] * max(1.0, rows / columns) ** 0.5)


def _orthogonal(matrix: Tensor) -> Tensor:
    """Return nearly the orthogonal matrix next to one, by Newton and Schulz' iteration."""
    tall = matrix.shape[0] > matrix.shape[1]
    x = matrix.T if tall else matrix
    x = x / (x.norm() + 1e-7)
    for _ in range(_ROUNDS):
        a = x @ x.T
        x = _A * x + (_B * a + _C * a @ a) @ x
    return x.T if tall else x
