"""The small promptable network, smaller still, with random weights."""

from __future__ import annotations

import torch

from training.nano.network import Nano, Widths


def tiny(seed: int = 0) -> Nano:
    """Return a network with few channels, whose norms have seen some pictures."""
    torch.manual_seed(seed)
    network = Nano(Widths(8, 8, 16, 16, 16))
    with torch.inference_mode():
        for _ in range(20):
            network(torch.rand(2, 3, 64, 64), (torch.rand(2, 5, 32, 32) > 0.9).float())
    return network.eval()
