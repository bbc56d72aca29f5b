"""The mask decoder of SAM and SAM 2, with its sums in another order.

It computes what the decoders of Kirillov et al. 2023 (Segment Anything) and Ravi et al. 2024 (SAM 2) compute, to within
float rounding, from the same parameters under the same names, in a third of the time:

- An image has thousands of tokens and a prompt about eight. Attention between them multiplies every image token by a
  projection, and the result by the prompt's few keys. Both products are linear, so the projection is applied to the few
  keys instead, and the image tokens are multiplied once, by a matrix of heads x tokens columns.
- In the first layer the image tokens are the same for every prompt: what depends on them alone is computed once an
  image (`project`).
- Image tokens stay rows from the first layer to the mask's pixels: the up-scaling by transposed convolutions with a
  stride as large as their kernel is a matrix product a token.
- Tokens are worked on in tiles that fit into a core's cache.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from maskbus.models.crew import Crew
from maskbus.models.two_way import Attention, Perceptron, Transformer

_TILE_VALUES = 1 << 17
"""Numbers a tile has for each of its tokens' features together; 512 kB of float32."""


@dataclass(frozen=True)
class ProjectedImage:
    """What the decoder needs of an image, for whatever prompt. P tokens, C channels, H heads."""

    tokens: Tensor
    """(P, C) image embedding plus the embedding of the mask prompt, or of there being none."""
    keys: Tensor
    """(H, C / 2H, P) of the first layer's attention from prompt to image."""
    values: Tensor
    """(H, P, C / 2H) of the same."""
    queries: Tensor
    """(H, P, C / 2H) of the first layer's attention from image to prompt."""
    coarse: Tensor | None = None
    """(P, 4, C / 4) features at twice the resolution, SAM 2 only: each token's 2 x 2."""
    fine: Tensor | None = None
    """(P, 16, C / 8) features at four times the resolution, SAM 2 only: each token's 4 x 4, as two steps of 2 x 2."""

    @property
    def nbytes(self) -> int:
        """Bytes of all tensors."""
        return sum(part.nbytes for field in fields(self) if (part := getattr(self, field.name)) is not None)


@dataclass(frozen=True)
class Decoded:
    """What the transformer made of N prompts, before any mask is drawn."""

    image_tokens: Tensor
    """(N, P, C)."""
    mask_tokens: Tensor
    """(N, K, C) one for each hypothesis; the first is the one for unambiguous prompts."""
    iou: Tensor
    """(N, K) predicted IoU."""
    object_score: Tensor | None
    """(N, 1) positive where the object is there, SAM 2 only."""


class _ChannelNorm(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))


class MaskDecoder(nn.Module):
    """Make masks of an image embedding and prompt embeddings. Parameters have the names of the original code."""

    def __init__(self, dim: int = 256, heads: int = 8, mlp_dim: int = 2048, *, sam2: bool) -> None:
        super().__init__()
        self.sam2 = sam2
        self.transformer = Transformer(dim, heads, mlp_dim)
        self.iou_token = nn.Embedding(1, dim)
        self.mask_tokens = nn.Embedding(4, dim)
        self.output_upscaling = nn.Sequential(
            nn.ConvTranspose2d(dim, dim // 4, 2, 2),
            _ChannelNorm(dim // 4),
            nn.GELU(),
            nn.ConvTranspose2d(dim // 4, dim // 8, 2, 2),
            nn.GELU(),
        )
        self.output_hypernetworks_mlps = nn.ModuleList(Perceptron([dim, dim, dim, dim // 8]) for _ in range(4))
        self.iou_prediction_head = Perceptron([dim, dim, dim, 4])
        if sam2:
            self.obj_score_token = nn.Embedding(1, dim)
            self.pred_obj_score_head = Perceptron([dim, dim, dim, 1])
            self.conv_s0 = nn.Conv2d(dim, dim // 8, 1)
            self.conv_s1 = nn.Conv2d(dim, dim // 4, 1)

    def project(
        self, embedding: Tensor, dense: Tensor, positions: Tensor, coarse: Tensor | None, fine: Tensor | None
    ) -> ProjectedImage:
        """Return what all prompts on an image share.

        Args:
            embedding: (C, h, w) of the image encoder.
            dense: (C, h, w), or (C, 1, 1): of the mask prompt, or of there being none.
            positions: (P, C) of the image's tokens.
            coarse: (C / 4, 2h, 2w), SAM 2 only.
            fine: (C / 8, 4h, 4w), SAM 2 only.
        """
        image = self._layer_one((embedding + dense).flatten(1).T.contiguous(), positions)
        if coarse is None or fine is None:
            return image
        return replace(
            image,
            coarse=_by_token(coarse, 1).flatten(1, 2).contiguous(),
            fine=_by_token(fine, 2).flatten(1, 4).contiguous(),
        )

    def add_dense(self, image: ProjectedImage, dense: Tensor, positions: Tensor) -> ProjectedImage:
        """Return the image with another (C, h, w) added to its tokens: a mask prompt's."""
        changed = self._layer_one(image.tokens + dense.flatten(1).T, positions)
        return replace(changed, coarse=image.coarse, fine=image.fine)

    def _layer_one(self, tokens: Tensor, positions: Tensor) -> ProjectedImage:
        to_image = self.transformer.blocks[0].cross_attn_token_to_image
        to_token = self.transformer.blocks[0].cross_attn_image_to_token
        placed = tokens + positions
        return ProjectedImage(
            tokens=tokens,
            keys=to_image.split(functional.linear(placed, to_image.k_proj.weight)).transpose(1, 2).contiguous(),
            values=to_image.split(to_image.v_proj(tokens)).contiguous(),
            queries=to_token.split(to_token.q_proj(placed)).contiguous(),
        )

    def decode(self, image: ProjectedImage, positions: Tensor, sparse: Tensor, crew: Crew) -> Decoded:
        """Run the transformer for N prompts on one image.

        Args:
            image: Of `project`.
            positions: (P, C) of the image's tokens.
            sparse: (N, T, C) embeddings of points and box corners.
            crew: Who does it.
        """
        own = [self.obj_score_token.weight] if self.sam2 else []
        own += [self.iou_token.weight, self.mask_tokens.weight]
        prompt = torch.cat([torch.cat(own).expand(len(sparse), -1, -1), sparse], 1)
        first, second = self.transformer.blocks
        last = self.transformer.final_attn_token_to_image

        tokens = first.norm1(first.self_attn(prompt, prompt, prompt))
        attention = first.cross_attn_token_to_image
        queries = attention.split(attention.q_proj(tokens + prompt)) * attention.scale
        gathered = torch.empty_like(queries)

        def look(heads: slice) -> None:
            shares = torch.softmax(queries[:, heads] @ image.keys[heads], -1)
            gathered[:, heads] = shares @ image.values[heads]

        heads = _parts(attention.heads, crew)
        crew.each(look, heads)
        tokens = first.after_attention(tokens, attention.out_proj(attention.join(gathered)))

        attention = first.cross_attn_image_to_token
        keys = attention.split(attention.k_proj(tokens + prompt)) * attention.scale
        by_head = keys.new_empty(*keys.shape[:3], len(image.tokens))

        def share_out(heads: slice) -> None:
            by_head[:, heads] = torch.softmax(keys[:, heads] @ image.queries[heads].transpose(1, 2), 2)

        crew.each(share_out, heads)
        shares = by_head.flatten(1, 2)
        values = attention.value_columns(tokens)
        placed = tokens + prompt
        tokens = second.norm1(tokens + second.self_attn(placed, placed, tokens))
        columns = second.cross_attn_token_to_image.query_columns(tokens + prompt)
        pixels = image.tokens.new_empty(len(sparse), *image.tokens.shape)
        scores = torch.empty_like(shares)

        def first_layer(tile: slice) -> None:
            rows = torch.baddbmm(image.tokens[tile], shares[:, :, tile].transpose(1, 2), values)
            pixels[:, tile] = rows = first.norm4(rows)
            scores[:, :, tile] = torch.bmm(columns, (rows + positions[tile]).transpose(1, 2))

        crew.each(first_layer, self._tiles(image.tokens, len(sparse), crew))
        tokens = second.after_attention(tokens, _gathered(second.cross_attn_token_to_image, scores, pixels, crew))

        attention = second.cross_attn_image_to_token
        keys = attention.split(attention.k_proj(tokens + prompt)) * attention.scale
        key_columns, bias = attention.key_columns(keys)
        values = attention.value_columns(tokens)
        columns = last.query_columns(tokens + prompt)

        def second_layer(tile: slice) -> None:
            rows = pixels[:, tile]
            score = torch.baddbmm(bias, key_columns, (rows + positions[tile]).transpose(1, 2))
            share = torch.softmax(score.unflatten(1, (attention.heads, -1)), 2).flatten(1, 2)
            rows = second.norm4(torch.baddbmm(rows, share.transpose(1, 2), values))
            pixels[:, tile] = rows
            scores[:, :, tile] = torch.bmm(columns, (rows + positions[tile]).transpose(1, 2))

        crew.each(second_layer, self._tiles(image.tokens, len(sparse), crew))
        tokens = self.transformer.norm_final_attn(tokens + _gathered(last, scores, pixels, crew))

        start = int(self.sam2)
        iou = self.iou_prediction_head(tokens[:, start])
        return Decoded(
            image_tokens=pixels,
            mask_tokens=tokens[:, start + 1 : start + 5],
            iou=torch.sigmoid(iou) if self.sam2 else iou,
            object_score=self.pred_obj_score_head(tokens[:, 0]) if self.sam2 else None,
        )

    def draw(self, image: ProjectedImage, decoded: Decoded, which: Tensor, hypotheses: list[int], crew: Crew) -> Tensor:
        """Return mask logits, (M, K, 4h, 4w).

        Args:
            image: Of `project`.
            decoded: Of `decode`.
            which: (M,) the prompts whose masks are wanted.
            hypotheses: Which of each prompt's four masks; K of them.
            crew: Who does it.
        """
        hyper = torch.stack(
            [self.output_hypernetworks_mlps[k](decoded.mask_tokens[which, k]) for k in hypotheses], 2
        )  # (M, C / 8, K)
        first, norm, _, second, _ = cast("Sequence[Any]", list(self.output_upscaling))
        first_weight, second_weight = (
            layer.weight.permute(0, 2, 3, 1).flatten(1).contiguous() for layer in (first, second)
        )
        first_bias, second_bias = first.bias.repeat(4), second.bias.repeat(4)
        prompts = which.tolist()
        # Of each token 2 x 2 places, and 2 x 2 in each of these.
        drawn = hyper.new_empty(len(prompts), len(image.tokens), 16, len(hypotheses))

        def tile_of(part: tuple[int, slice]) -> None:
            n, tile = part
            rows = torch.addmm(first_bias, decoded.image_tokens[prompts[n], tile], first_weight).unflatten(1, (4, -1))
            if image.coarse is not None:
                rows += image.coarse[tile]
            rows = functional.gelu(functional.layer_norm(rows, rows.shape[-1:], norm.weight, norm.bias, 1e-6))
            rows = torch.addmm(second_bias, rows.flatten(0, 1), second_weight).view(len(rows), 16, -1)
            if image.fine is not None:
                rows += image.fine[tile]
            torch.matmul(functional.gelu(rows), hyper[n], out=drawn[n, tile])

        crew.each(tile_of, [(n, tile) for n in range(len(prompts)) for tile in self._tiles(image.tokens, 1, crew)])
        side = math.isqrt(len(image.tokens))
        # (M, h, w, 2, 2, 2, 2, K): token row and column, then row and column of each step
        steps = drawn.view(len(drawn), side, side, 2, 2, 2, 2, len(hypotheses))
        return steps.permute(0, 7, 1, 3, 5, 2, 4, 6).reshape(len(drawn), len(hypotheses), 4 * side, 4 * side)

    def _tiles(self, tokens: Tensor, prompts: int, crew: Crew) -> list[slice]:
        """Return slices of the image's tokens, as many for each of the crew."""
        count, channels = tokens.shape
        size = (
            count if tokens.is_cuda else max(64, min(_TILE_VALUES // (channels * prompts), -(-count // crew.threads)))
        )
        return [slice(start, start + size) for start in range(0, count, size)]


def _gathered(attention: Attention, scores: Tensor, pixels: Tensor, crew: Crew) -> Tensor:
    """Return what queries get, (N, T, C), by their scores of image rows, (N, H·T, P); the rows are (N, P, C)."""
    gathered = pixels.new_empty(*scores.shape[:2], pixels.shape[2])

    def some(columns: slice) -> None:
        gathered[:, columns] = torch.bmm(torch.softmax(scores[:, columns], -1), pixels)

    crew.each(some, _parts(scores.shape[1], crew))
    return attention.gathered(gathered)


def _parts(count: int, crew: Crew) -> list[slice]:
    """Return slices of so many things, one for each of the crew."""
    size = -(-count // crew.threads)
    return [slice(start, start + size) for start in range(0, count, size)]


def _by_token(features: Tensor, steps: int) -> Tensor:
    """Return (C, 2^steps·h, 2^steps·w) as (h·w, 2, 2, …, C): each token's pixels, row and column of each step."""
    sides = [2] * steps
    split = features.unflatten(2, (-1, *sides)).unflatten(1, (-1, *sides))
    rows, columns = list(range(1, steps + 2)), list(range(steps + 2, 2 * steps + 3))
    order = [axis for pair in zip(rows, columns, strict=True) for axis in pair]
    return split.permute(*order, 0).flatten(0, 1)
