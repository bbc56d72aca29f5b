"""What SAM 2 saw in a frame, as a tracker answers it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from maskbus.interfaces import Tracked
from maskbus.models.sam2_video import Seen, together


def answer(
    frame: int, size: tuple[int, int], objects: Mapping[int, Seen], overlap: bool, logits: bool, job: Any
) -> Tracked:
    """Say where objects are, in pixels of the frame.

    Args:
        frame: Its number.
        size: Its height and width in pixels.
        objects: Object id → what is seen of that object alone.
        overlap: Whether a pixel may belong to several objects; where not, it goes to the highest logit, and to the
            first object among equals.
        logits: Whether logits are answered.
        job: Asked before each object.
    """
    masks = np.zeros((len(objects), *size), np.bool_)
    highest: Tensor | None = None
    owner = np.zeros(size, np.int32)
    # One at a time: logits in the frame's size are large.
    for n, seen in enumerate(objects.values()):
        job.check()
        large = functional.interpolate(seen.logits[None], size, mode="bilinear", align_corners=False)[0, 0]
        masks[n] = (large > 0).cpu().numpy()
        if not overlap:
            if highest is not None:
                owner[(large > highest).cpu().numpy()] = n
            highest = large if highest is None else torch.maximum(highest, large)
    if not overlap:
        masks &= owner == np.arange(len(objects), dtype=np.int32)[:, None, None]
    if not objects:
        nothing = np.zeros(0, np.float32)
        return Tracked(frame, (), masks, nothing.astype(np.bool_), nothing)
    every = together(list(objects.values()))
    return Tracked(
        frame=frame,
        object_ids=tuple(objects),
        masks=masks,
        present=(every.presence > 0).cpu().numpy(),
        predicted_iou=every.iou.cpu().numpy(),
        logits=every.logits.cpu().numpy() if logits else None,
    )
