"""The prompt encoder of SAM and SAM 2: points, boxes and masks as embeddings. Parameters have the original names."""

from __future__ import annotations

import math
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional


class _Positions(nn.Module):
    positional_encoding_gaussian_matrix: Tensor

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.register_buffer("positional_encoding_gaussian_matrix", torch.zeros(2, dim // 2))

    def forward(self, places: Tensor) -> Tensor:
        """Encode x, y in 0…1 by random spatial frequencies (Tancik et al. 2020)."""
        angles = 2 * math.pi * ((2 * places - 1) @ self.positional_encoding_gaussian_matrix)
        return torch.cat([torch.sin(angles), torch.cos(angles)], -1)


class _ChannelNorm(nn.Module):
    """Normalise over channels, of (N, C, H, W)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, features: Tensor) -> Tensor:
        rows = features.movedim(1, -1)
        return functional.layer_norm(rows, rows.shape[-1:], self.weight, self.bias, 1e-6).movedim(-1, 1)


class PromptEncoder(nn.Module):
    """Embed prompts. Coordinates are pixels of the model's square input; (0, 0) is the centre of the first."""

    def __init__(self, dim: int = 256, side: int = 64, mask_channels: int = 16, *, stride: int = 16) -> None:
        """Begin with parameters of no meaning.

        Args:
            dim: C, channels of embeddings.
            side: Height and width of the image embedding.
            mask_channels: Inner width of the mask's embedding.
            stride: Pixels of the input for each of the image embedding, along one side.
        """
        super().__init__()
        self.side = side
        self.input_side = side * stride
        self.pe_layer = _Positions(dim)
        self.point_embeddings = nn.ModuleList(nn.Embedding(1, dim) for _ in range(4))
        self.not_a_point_embed = nn.Embedding(1, dim)
        self.no_mask_embed = nn.Embedding(1, dim)
        inner = mask_channels // 4
        self.mask_downscaling = nn.Sequential(
            nn.Conv2d(1, inner, 2, 2),
            _ChannelNorm(inner),
            nn.GELU(),
            nn.Conv2d(inner, mask_channels, 2, 2),
            _ChannelNorm(mask_channels),
            nn.GELU(),
            nn.Conv2d(mask_channels, dim, 1),
        )

    def positions(self) -> Tensor:
        """Return the encoding of the image's tokens, (side², C), row by row."""
        matrix = self.pe_layer.positional_encoding_gaussian_matrix
        centres = (torch.arange(self.side, device=matrix.device, dtype=matrix.dtype) + 0.5) / self.side
        rows, columns = torch.meshgrid(centres, centres, indexing="ij")
        encoded: Tensor = self.pe_layer(torch.stack([columns, rows], -1).flatten(0, 1))
        return encoded

    def sparse(self, places: Tensor, labels: Tensor) -> Tensor:
        """Return the embeddings (N, T, C) of N prompts of T places.

        Args:
            places: (N, T, 2) x, y.
            labels: (N, T): 1 = object, 0 = background, 2 and 3 = a box's first and last corner, -1 = filling.
        """
        encoded = self.pe_layer((places + 0.5) / self.input_side)
        embeddings = [*self.point_embeddings, self.not_a_point_embed]
        kinds = torch.cat([cast("Tensor", embedding.weight) for embedding in embeddings])
        filling = labels < 0
        encoded = torch.where(filling[..., None], 0.0, encoded)
        return encoded + kinds[torch.where(filling, 4, labels)]

    def dense(self, logits: Tensor) -> Tensor:
        """Return the embedding (C, side, side) of a mask prompt: logits (4·side, 4·side)."""
        embedded: Tensor = self.mask_downscaling(logits[None, None])[0]
        return embedded

    def no_mask(self) -> Tensor:
        """Return the embedding (C, 1, 1) of there being no mask prompt."""
        return self.no_mask_embed.weight[0, :, None, None]
