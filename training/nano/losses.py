"""What the network is punished for."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

_OTHERS = 0.25
_ALL = 0.03
_JUDGE = 0.2


def loss(logits: Tensor, believed: Tensor, truth: Tensor, iou_weight: float) -> tuple[Tensor, Tensor]:
    """Return the loss, a number, and the IoU of each first mask, (N,).

    The first mask is always held to the truth. Of the others only the best is, and all a little, so that they learn to
    differ (Guzman-Rivera et al. 2012; Kirillov et al. 2023).

    Args:
        logits: (N, 3, h, w).
        believed: (N, 3) believed IoU, in logits.
        truth: (N, h, w) 0…1.
        iou_weight: How much the soft IoU counts beside the focal loss.
    """
    each = _shape_loss(logits, truth, iou_weight)
    others = each[:, 1:]
    shapes = each[:, 0] + _OTHERS * others.min(1).values + _ALL * others.mean(1)
    with torch.no_grad():
        found, there = logits > 0, (truth > 0.5)[:, None]
        both = (found & there).sum((2, 3))
        either = (found | there).sum((2, 3))
        iou = both / either.clamp(min=1)
    judged = functional.binary_cross_entropy_with_logits(believed, iou)
    return shapes.mean() + _JUDGE * judged, iou[:, 0]


def _shape_loss(logits: Tensor, truth: Tensor, iou_weight: float) -> Tensor:
    """Return (N, 3): normalized focal loss (Sofiiuk et al. 2019) and one minus the soft IoU (Rahman and Wang 2016)."""
    wanted = truth[:, None].expand_as(logits)
    probability = torch.sigmoid(logits)
    entropy = functional.binary_cross_entropy_with_logits(logits, wanted, reduction="none")
    weight = (probability - wanted).abs() ** 2
    with torch.no_grad():
        # As many as are easy are also light: the sum of the weights stays what it was.
        scale = weight.numel() / weight.shape[0] / weight.shape[1] / weight.sum((2, 3)).clamp(min=1e-3)
        scale = scale.clamp(max=20.0)
    focal = (weight * entropy).mean((2, 3)) * scale
    both = (probability * wanted).sum((2, 3))
    either = (probability + wanted - probability * wanted).sum((2, 3))
    return focal + iou_weight * (1 - (both + 1) / (either + 1))
