"""Where and when, in sines and cosines (Vaswani et al. 2017, Attention Is All You Need)."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def _wavelengths(width: int) -> Tensor:
    pairs = torch.arange(width) // 2
    return torch.tensor(10000.0) ** (2 * pairs / width)


def sine_1d(values: Tensor, width: int) -> Tensor:
    """Return (N, width): sines, then cosines, of (N,) values."""
    angles = values[:, None] / _wavelengths(width // 2).to(values.device)
    return torch.cat([angles.sin(), angles.cos()], -1)


def sine_2d(side: int, width: int) -> Tensor:
    """Return (side * side, width): sines and cosines of y by turns, then those of x, row by row."""
    places = torch.arange(1, side + 1) / (side + 1e-6) * (2 * math.pi)
    angles = places[:, None] / _wavelengths(width // 2)
    axis = torch.stack([angles[:, 0::2].sin(), angles[:, 1::2].cos()], -1).flatten(1)
    rows = axis[:, None].expand(-1, side, -1)
    columns = axis[None].expand(side, -1, -1)
    return torch.cat([rows, columns], -1).reshape(side * side, width)
