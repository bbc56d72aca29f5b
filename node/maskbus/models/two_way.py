"""The layers of SAM's mask decoder: attention between a prompt's few tokens and an image's thousands.

What has one side with many rows and one with few multiplies the many once, by a matrix made of the few: see
`maskbus.models.mask_decoder`.
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import cast

from torch import Tensor, nn
from torch.nn import functional


class Attention(nn.Module):
    """Multi-head attention whose inner width may be smaller than the features'."""

    def __init__(self, dim: int, inner: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.scale = 1 / math.sqrt(inner // heads)
        self.q_proj = nn.Linear(dim, inner)
        self.k_proj = nn.Linear(dim, inner)
        self.v_proj = nn.Linear(dim, inner)
        self.out_proj = nn.Linear(inner, dim)

    def forward(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        """Attend; all (N, T, C)."""
        queries, keys = self.split(self.q_proj(query)), self.split(self.k_proj(key))
        attended = functional.scaled_dot_product_attention(queries, keys, self.split(self.v_proj(value)))
        mixed: Tensor = self.out_proj(self.join(attended))
        return mixed

    def split(self, rows: Tensor) -> Tensor:
        """Return (…, T, inner) as (…, H, T, inner / H)."""
        return rows.unflatten(-1, (self.heads, -1)).transpose(-3, -2)

    def join(self, heads: Tensor) -> Tensor:
        """Undo `split`."""
        return heads.transpose(-3, -2).flatten(-2)

    # What follows has one side with many rows (the image) and one with few (the prompt).

    def query_columns(self, tokens: Tensor) -> Tensor:
        """Return (N, H·T, C), by which image rows are multiplied to have the scores of `tokens` as queries.

        The key's bias is left out: it adds the same to all scores of a query, which softmax does not see.
        """
        queries = self.split(self.q_proj(tokens)) * self.scale
        return (queries @ self.k_proj.weight.unflatten(0, (self.heads, -1))).flatten(1, 2)

    def gathered(self, rows: Tensor) -> Tensor:
        """Return what queries get, (N, T, C), of image rows that were added up by their shares, (N, H·T, C)."""
        weight = self.v_proj.weight.unflatten(0, (self.heads, -1)).transpose(1, 2)
        bias = self.v_proj.bias.unflatten(0, (self.heads, 1, -1))
        mixed: Tensor = self.out_proj(self.join(rows.unflatten(1, (self.heads, -1)) @ weight + bias))
        return mixed

    def key_columns(self, keys: Tensor) -> tuple[Tensor, Tensor]:
        """Return (N, H·T, C) and (N, H·T, 1): the product and the sum that make scores of image rows as queries.

        `keys` is (N, H, T, inner / H), scaled.
        """
        columns = keys @ self.q_proj.weight.unflatten(0, (self.heads, -1))
        return columns.flatten(1, 2), (keys @ self.q_proj.bias.unflatten(0, (self.heads, -1, 1))).flatten(1, 2)

    def value_columns(self, tokens: Tensor) -> Tensor:
        """Return (N, H·T, C): what image rows get for a share of 1 in each head; the bias is spread over the heads."""
        weight = self.out_proj.weight.unflatten(1, (self.heads, -1)).permute(1, 2, 0)
        return (self.split(self.v_proj(tokens)) @ weight + self.out_proj.bias / self.heads).flatten(1, 2)


class Perceptron(nn.Module):
    """Linear layers with ReLU between them."""

    def __init__(self, sizes: list[int]) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise(sizes))

    def forward(self, values: Tensor) -> Tensor:
        """Apply to the last axis."""
        for i, layer in enumerate(self.layers):
            values = layer(functional.relu(values) if i else values)
        return values


class Block(nn.Module):
    """One layer: tokens among themselves, tokens to image, tokens alone, image to tokens."""

    def __init__(self, dim: int, heads: int, mlp_dim: int) -> None:
        super().__init__()
        self.self_attn = Attention(dim, dim, heads)
        self.norm1 = nn.LayerNorm(dim)
        self.cross_attn_token_to_image = Attention(dim, dim // 2, heads)
        self.norm2 = nn.LayerNorm(dim)
        self.mlp = Perceptron([dim, mlp_dim, dim])
        self.norm3 = nn.LayerNorm(dim)
        self.norm4 = nn.LayerNorm(dim)
        self.cross_attn_image_to_token = Attention(dim, dim // 2, heads)

    def after_attention(self, tokens: Tensor, attended: Tensor) -> Tensor:
        """Return the tokens as they leave this layer."""
        tokens = self.norm2(tokens + attended)
        left: Tensor = self.norm3(tokens + self.mlp(tokens))
        return left


class Transformer(nn.Module):
    """Two layers and a last attention to the image."""

    def __init__(self, dim: int, heads: int, mlp_dim: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(Block(dim, heads, mlp_dim) for _ in range(2))
        self.final_attn_token_to_image = Attention(dim, dim // 2, heads)
        self.norm_final_attn = nn.LayerNorm(dim)

    @property
    def blocks(self) -> tuple[Block, Block]:
        """The two layers."""
        first, second = self.layers
        return cast("Block", first), cast("Block", second)
