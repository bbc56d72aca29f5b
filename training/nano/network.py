"""The network: an image branch that looks once, and a prompt branch that is asked again and again."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from maskbus.models.nano_map import CHANNELS

HYPOTHESES = 3
GROUPS = 4
"""Likenesses are measured in so many parts of the features, each by itself."""


@dataclass(frozen=True)
class Widths:
    """Channels at strides 2, 4, 8, 16 and 32."""

    s2: int
    s4: int
    s8: int
    s16: int
    s32: int


def _conv(inputs: int, outputs: int, kernel: int = 3, stride: int = 1, groups: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False), nn.BatchNorm2d(outputs)
    )


class Dense(nn.Module):
    """A residual block of two 3 × 3 convolutions (He et al. 2016): for few channels."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = _conv(width, width)
        self.second = _conv(width, width)

    def forward(self, x: Tensor) -> Tensor:
        """Return as many channels, of the same size."""
        return functional.relu(x + self.second(functional.relu(self.first(x))))


class Wide(nn.Module):
    """A residual block that sees far with few weights: 7 × 7 in each channel, then a mixture (Liu et al. 2022)."""

    def __init__(self, width: int, expansion: int = 2) -> None:
        super().__init__()
        self.spread = _conv(width, width, 7, groups=width)
        self.grow = _conv(width, width * expansion, 1)
        self.shrink = _conv(width * expansion, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Return as many channels, of the same size."""
        return x + self.shrink(functional.relu(self.grow(self.spread(x))))


class Whole(nn.Module):
    """Weigh the channels by what there is in the whole picture (Hu et al. 2018)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(width, width // 2, 1)
        self.second = nn.Conv2d(width // 2, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Return as many channels, of the same size."""
        mean = x.mean((2, 3), keepdim=True)
        return x * torch.sigmoid(self.second(functional.relu(self.first(mean))))


def _twice(x: Tensor) -> Tensor:
    return functional.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=False)


class ImageBranch(nn.Module):
    """Make the embedding of a picture.

    Takes (1, 3, S, S) RGB 0…1 and gives seven maps: what the prompt branch adds at strides 2, 4, 8, 16 and 32, and the
    features by which it tells what is alike, at strides 4 and 8, each of `GROUPS` parts of length one.
    """

    mean: Tensor

    def __init__(self, widths: Widths) -> None:
        super().__init__()
        w = widths
        self.register_buffer("mean", torch.tensor([0.46, 0.44, 0.40]).view(1, 3, 1, 1), persistent=False)
        self.s2 = nn.Sequential(_conv(3, w.s2, 3, 2), nn.ReLU(), _conv(w.s2, w.s2), nn.ReLU())
        self.s4 = nn.Sequential(_conv(w.s2, w.s4, 3, 2), nn.ReLU(), Dense(w.s4), Dense(w.s4))
        self.s8 = nn.Sequential(_conv(w.s4, w.s8, 3, 2), nn.ReLU(), Dense(w.s8), Dense(w.s8))
        self.s16 = nn.Sequential(_conv(w.s8, w.s16, 3, 2), nn.ReLU(), *[Wide(w.s16) for _ in range(4)])
        self.s32 = nn.Sequential(
            _conv(w.s16, w.s32, 3, 2), nn.ReLU(), Wide(w.s32), Wide(w.s32), Whole(w.s32), Wide(w.s32)
        )
        self.to16 = _conv(w.s32, w.s16, 1)
        self.to8 = _conv(w.s16, w.s8, 1)
        self.to4 = _conv(w.s8, w.s4, 1)
        self.mix16 = Wide(w.s16)
        self.mix8 = Wide(w.s8)
        self.mix4 = _conv(w.s4, w.s4)
        self.add2 = nn.Conv2d(w.s2, w.s2, 1)
        self.add4 = nn.Conv2d(w.s4, w.s4, 1)
        self.add8 = nn.Conv2d(w.s8, w.s8, 1)
        self.add16 = nn.Conv2d(w.s16, w.s16, 1)
        self.add32 = nn.Conv2d(w.s32, w.s32, 1)
        self.alike4 = nn.Conv2d(w.s4 * 2, w.s4, 1)
        self.alike8 = nn.Conv2d(w.s8 + w.s4, w.s8, 1)

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        """Return add2, add4, add8, add16, add32 and alike."""
        s2 = self.s2((image - self.mean) * 4.0)
        s4 = self.s4(s2)
        s8 = self.s8(s4)
        s16 = self.s16(s8)
        s32 = self.s32(s16)
        t16 = self.mix16(functional.relu(s16 + _twice(self.to16(s32))))
        t8 = self.mix8(functional.relu(s8 + _twice(self.to8(t16))))
        t4 = functional.relu(self.mix4(functional.relu(s4 + _twice(self.to4(t8)))))
        alike4 = self.alike4(torch.cat([t4, s4], 1))
        alike8 = self.alike8(torch.cat([t8, functional.avg_pool2d(s4, 2)], 1))
        return (
            self.add2(s2),
            self.add4(t4),
            self.add8(t8),
            self.add16(t16),
            self.add32(s32),
            _of_length_one(alike4),
            _of_length_one(alike8),
        )


def _of_length_one(features: Tensor) -> Tensor:
    n, c, h, w = features.shape
    parts = features.reshape(n, GROUPS, c // GROUPS, h * w)
    parts = parts / torch.sqrt((parts * parts).sum(2, keepdim=True) + 1e-4)
    return parts.reshape(n, c, h, w)


class PromptBranch(nn.Module):
    """Answer prompts of one picture, or of as many pictures as there are prompts.

    Takes the seven maps and prompts (N, 5, S/2, S/2); gives logits (N, 3, S/2, S/2) and, in logits, the IoU that each
    of these masks is believed to have (N, 3). The first mask is the answer, the others are further hypotheses.
    """

    def __init__(self, widths: Widths) -> None:
        super().__init__()
        w = widths
        likenesses = GROUPS * 6
        self.p2 = nn.Sequential(_conv(CHANNELS, w.s2 // 2), nn.ReLU())
        self.p4 = _conv(w.s2 // 2, w.s4, 3, 2)
        self.l4 = _conv(likenesses, w.s4, 1)
        self.b4 = Dense(w.s4)
        self.p8 = _conv(w.s4 + likenesses, w.s8, 3, 1)
        self.d8 = nn.AvgPool2d(2)
        self.b8 = Dense(w.s8)
        self.p16 = _conv(w.s8, w.s16, 3, 2)
        self.b16 = nn.Sequential(Wide(w.s16), Wide(w.s16))
        self.p32 = _conv(w.s16, w.s32, 3, 2)
        self.b32 = nn.Sequential(Wide(w.s32), Whole(w.s32), Wide(w.s32))
        self.to16 = _conv(w.s32, w.s16, 1)
        self.u16 = nn.Sequential(Wide(w.s16), Wide(w.s16))
        self.to8 = _conv(w.s16, w.s8, 1)
        self.u8 = Dense(w.s8)
        self.to4 = _conv(w.s8, w.s4, 1)
        self.u4 = Dense(w.s4)
        self.to2 = _conv(w.s4, w.s2, 1)
        self.u2 = _conv(w.s2, w.s2)
        self.out = nn.Conv2d(w.s2, HYPOTHESES, 3, 1, 1)
        self.judge = nn.Sequential(
            nn.Linear(w.s32 + HYPOTHESES * w.s8 + HYPOTHESES, 96), nn.ReLU(), nn.Linear(96, HYPOTHESES)
        )

    def forward(
        self,
        add2: Tensor,
        add4: Tensor,
        add8: Tensor,
        add16: Tensor,
        add32: Tensor,
        alike4: Tensor,
        alike8: Tensor,
        prompt: Tensor,
    ) -> tuple[Tensor, Tensor]:
        """Return logits and the believed IoU, in logits."""
        p2 = self.p2(prompt)
        like4 = self.l4(self._likenesses(alike4, functional.avg_pool2d(prompt, 2)))
        x4 = self.b4(functional.relu(self.p4(p2) + like4 + add4))
        like8 = self._likenesses(alike8, functional.avg_pool2d(prompt, 4))
        x8 = self.b8(functional.relu(self.p8(torch.cat([self.d8(x4), like8], 1)) + add8))
        x16 = self.b16(functional.relu(self.p16(x8) + add16))
        x32 = self.b32(functional.relu(self.p32(x16) + add32))
        y16 = self.u16(functional.relu(x16 + _twice(self.to16(x32))))
        y8 = self.u8(functional.relu(x8 + _twice(self.to8(y16))))
        y4 = self.u4(functional.relu(x4 + _twice(self.to4(y8))))
        y2 = functional.relu(self.u2(functional.relu(_twice(self.to2(y4)) + add2)))
        logits = self.out(y2)
        return logits, self._judge(logits, x32, y8)

    @staticmethod
    def _likenesses(alike: Tensor, small: Tensor) -> Tensor:
        """Return how much each place is like what clicks, box and earlier mask point at, (N, 6 · GROUPS, h, w)."""
        said = torch.cat([small[:, :4], functional.relu(small[:, 4:]), functional.relu(-small[:, 4:])], 1)
        _, c, h, w = alike.shape
        n = said.shape[0]
        places = said.reshape(n, 6, h * w)
        flat = alike.reshape(-1, c, h * w)
        meant = torch.matmul(places, flat.transpose(1, 2)).reshape(n, 6, GROUPS, c // GROUPS)
        meant = meant / torch.sqrt((meant * meant).sum(3, keepdim=True) + 1e-4)
        parts = flat.reshape(-1, GROUPS, c // GROUPS, h * w)
        return torch.matmul(meant.transpose(1, 2), parts).reshape(n, GROUPS * 6, h, w)

    def _judge(self, logits: Tensor, x32: Tensor, y8: Tensor) -> Tensor:
        """Return the believed IoU of each mask, in logits: by the picture, what is in the mask, and how sure it is."""
        inside = torch.sigmoid(functional.avg_pool2d(logits, 4))
        n, c, h, w = y8.shape
        area = inside.sum((2, 3)) + 1.0
        within = torch.matmul(inside.reshape(n, HYPOTHESES, h * w), y8.reshape(n, c, h * w).transpose(1, 2))
        within = within / area.unsqueeze(2)
        sure = (inside * inside).sum((2, 3)) / area
        return self.judge(torch.cat([x32.mean((2, 3)), within.reshape(n, HYPOTHESES * c), sure], 1))


class Nano(nn.Module):
    """Both branches."""

    def __init__(self, widths: Widths) -> None:
        super().__init__()
        self.image = ImageBranch(widths)
        self.prompt = PromptBranch(widths)

    def forward(self, image: Tensor, prompt: Tensor) -> tuple[Tensor, Tensor]:
        """Return logits and the believed IoU, in logits."""
        return self.prompt(*self.image(image), prompt)
