"""MobileSAM's image encoder: a TinyViT of 5 million parameters at 1024 x 1024 (Zhang et al. 2023; Wu et al. 2022).

Parameters have the names of the original code, so that its checkpoint is read as it is. Position biases are looked up
at every call (a gather of a few thousand numbers), so they cannot be older than the parameters.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

_WIDTHS = (64, 128, 160, 320)
_DEPTHS = (2, 2, 6, 2)
_HEADS = (2, 4, 5, 10)
_WINDOWS = (7, 7, 14, 7)
_STRIDES = (2, 2, 1)
"""Of the steps between the stages: the last keeps the resolution, so that the embedding is 64 x 64."""


class ConvNorm(nn.Sequential):
    """Convolution and batch norm."""

    def __init__(self, inputs: int, outputs: int, kernel: int = 1, stride: int = 1, groups: int = 1) -> None:
        super().__init__()
        self.add_module("c", nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False))
        self.add_module("bn", nn.BatchNorm2d(outputs))


class PatchEmbedding(nn.Module):
    """Two strided convolutions: a quarter of the resolution."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.seq = nn.Sequential(ConvNorm(3, width // 2, 3, 2), nn.GELU(), ConvNorm(width // 2, width, 3, 2))

    def forward(self, pixels: Tensor) -> Tensor:
        """Return (B, C, H / 4, W / 4)."""
        patches: Tensor = self.seq(pixels)
        return patches


class InvertedBottleneck(nn.Module):
    """A block of the first stage."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv1 = ConvNorm(width, 4 * width)
        self.conv2 = ConvNorm(4 * width, 4 * width, 3, groups=4 * width)
        self.conv3 = ConvNorm(4 * width, width)

    def forward(self, features: Tensor) -> Tensor:
        """Keep the shape."""
        inner = functional.gelu(self.conv2(functional.gelu(self.conv1(features))))
        return functional.gelu(features + self.conv3(inner))


class Merging(nn.Module):
    """The step to the next stage."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1 = ConvNorm(inputs, outputs)
        self.conv2 = ConvNorm(outputs, outputs, 3, stride, groups=outputs)
        self.conv3 = ConvNorm(outputs, outputs)

    def forward(self, features: Tensor) -> Tensor:
        """Return (B, outputs, H / stride, W / stride)."""
        inner = functional.gelu(self.conv2(functional.gelu(self.conv1(features))))
        merged: Tensor = self.conv3(inner)
        return merged


class WindowAttention(nn.Module):
    """Attention within a window, with a learned bias for each distance of rows and columns."""

    attention_bias_idxs: Tensor

    def __init__(self, width: int, heads: int, window: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm = nn.LayerNorm(width)
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)
        self.attention_biases = nn.Parameter(torch.zeros(heads, window * window))
        # The original numbers distances in the order in which it meets them, and from the window's first place it
        # meets them all, row by row.
        place = torch.arange(window)
        distance = (place[:, None] - place[None]).abs()
        numbers = distance[:, None, :, None] * window + distance[None, :, None, :]
        self.register_buffer("attention_bias_idxs", numbers.reshape(window**2, window**2), persistent=False)

    def forward(self, tokens: Tensor) -> Tensor:
        """Keep the shape (windows, window², C)."""
        query, key, value = self.qkv(self.norm(tokens)).unflatten(-1, (self.heads, 3, -1)).permute(3, 0, 2, 1, 4)
        bias = self.attention_biases[:, self.attention_bias_idxs]
        mixed = functional.scaled_dot_product_attention(query, key, value, attn_mask=bias[None])
        projected: Tensor = self.proj(mixed.transpose(1, 2).flatten(2))
        return projected


class Mlp(nn.Module):
    """Norm, widen, narrow."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.fc1 = nn.Linear(width, 4 * width)
        self.fc2 = nn.Linear(4 * width, width)

    def forward(self, tokens: Tensor) -> Tensor:
        """Apply to the last axis."""
        narrowed: Tensor = self.fc2(functional.gelu(self.fc1(self.norm(tokens))))
        return narrowed


class AttentionBlock(nn.Module):
    """A block of the later stages: window attention, a depthwise convolution, an MLP."""

    def __init__(self, width: int, heads: int, window: int) -> None:
        super().__init__()
        self.window = window
        self.attn = WindowAttention(width, heads, window)
        self.local_conv = ConvNorm(width, width, 3, groups=width)
        self.mlp = Mlp(width)

    def forward(self, features: Tensor) -> Tensor:
        """Keep the shape (B, C, H, W)."""
        rows = features.permute(0, 2, 3, 1)
        rows = rows + self._in_windows(rows)
        rows = self.local_conv(rows.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
        mixed: Tensor = rows + self.mlp(rows)
        return mixed.permute(0, 3, 1, 2)

    def _in_windows(self, rows: Tensor) -> Tensor:
        height, width = rows.shape[1:3]
        side = self.window
        padded = functional.pad(rows, (0, 0, 0, -width % side, 0, -height % side))
        down, across = padded.shape[1] // side, padded.shape[2] // side
        windows = padded.unflatten(2, (across, side)).unflatten(1, (down, side)).transpose(2, 3)
        mixed = self.attn(windows.reshape(-1, side * side, rows.shape[3]))
        placed = mixed.view(-1, down, across, side, side, rows.shape[3]).transpose(2, 3)
        return placed.reshape(padded.shape)[:, :height, :width]


class Stage(nn.Module):
    """Some blocks, and the step to the next stage."""

    def __init__(self, blocks: list[nn.Module], downsample: Merging | None) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(blocks)
        self.downsample = downsample

    def forward(self, features: Tensor) -> Tensor:
        """Return what the next stage takes."""
        for block in self.blocks:
            features = block(features)
        return features if self.downsample is None else self.downsample(features)


class ChannelNorm(nn.Module):
    """Normalise over channels, of (B, C, H, W)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, features: Tensor) -> Tensor:
        """Keep the shape."""
        rows = features.permute(0, 2, 3, 1)
        return functional.layer_norm(rows, rows.shape[-1:], self.weight, self.bias, 1e-6).permute(0, 3, 1, 2)


class TinyViT(nn.Module):
    """Image encoder: normalised pixels (B, 3, 1024, 1024) to the embedding (B, 256, 64, 64)."""

    def __init__(self) -> None:
        super().__init__()
        self.patch_embed = PatchEmbedding(_WIDTHS[0])
        self.layers = nn.ModuleList()
        for i, (width, depth) in enumerate(zip(_WIDTHS, _DEPTHS, strict=True)):
            blocks: list[nn.Module] = [
                AttentionBlock(width, _HEADS[i], _WINDOWS[i]) if i else InvertedBottleneck(width) for _ in range(depth)
            ]
            last = i == len(_WIDTHS) - 1
            self.layers.append(Stage(blocks, None if last else Merging(width, _WIDTHS[i + 1], _STRIDES[i])))
        self.neck = nn.Sequential(
            nn.Conv2d(_WIDTHS[-1], 256, 1, bias=False),
            ChannelNorm(256),
            nn.Conv2d(256, 256, 3, padding=1, bias=False),
            ChannelNorm(256),
        )

    def forward(self, pixels: Tensor) -> Tensor:
        """Encode."""
        features = self.patch_embed(pixels)
        for layer in self.layers:
            features = layer(features)
        embedding: Tensor = self.neck(features)
        return embedding
