"""Everything mode: what is asked, and what is found."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class EverythingSettings:
    """How a picture is searched for all of its objects (Kirillov et al. 2023, Segment Anything, section 5 and B).

    The names, and the values of a preset that names none, are those of the reference generators.
    """

    points_per_side: int = 32
    """The grid has this many points along each side of the image."""
    points_per_batch: int = 0
    """Points decoded at once; 0: what suits the model and the device."""
    pred_iou_thresh: float = 0.8
    """A mask must have more than this `predicted_iou`."""
    stability_score_thresh: float = 0.95
    """A mask must have at least this `stability_score`."""
    stability_score_offset: float = 1.0
    """By how much the threshold of the logits is shifted to find the stability score."""
    box_nms_thresh: float = 0.7
    """Of two masks of one crop whose boxes overlap by more than this IoU, the better one stays."""
    crop_n_layers: int = 0
    """Layer i of crops looks at the image in 2^i × 2^i overlapping parts as well."""
    crop_nms_thresh: float = 0.7
    """As `box_nms_thresh`, between crops; the smaller crop's mask stays."""
    crop_overlap_ratio: float = 512 / 1500
    """By how much of the image's shorter side the crops of the first layer overlap."""
    crop_n_points_downscale_factor: int = 1
    """In layer i, `points_per_side` is divided by this to the power of i."""
    min_mask_region_area: int = 0
    """Holes in a mask, and islands beside it, of fewer pixels than this are removed; 0: all are left."""
    min_area: int = 0
    """A mask must have at least this many pixels."""
    max_masks: int = 0
    """At most so many masks, the largest; 0: all."""
    retry: bool = True
    """Whether, where nothing is found, the search is made once more with lower thresholds."""


DEFAULT_EVERYTHING = EverythingSettings()


@dataclass(frozen=True)
class FoundObject:
    """One mask of everything mode, cut to its bounding box: hundreds of full masks would not fit."""

    bbox: tuple[int, int, int, int]
    """x, y, width, height in pixels of the image, as COCO."""
    patch: npt.NDArray[np.bool_]
    """(height, width) the mask inside `bbox`."""
    area: int
    """Pixels of the mask."""
    predicted_iou: float
    """The model's own estimate of its IoU with the truth, 0…1."""
    stability_score: float
    """IoU of the mask with itself under shifted thresholds, 0…1."""
    point: tuple[float, float]
    """x, y of the grid point that found it, in pixels of the image."""
    crop_box: tuple[int, int, int, int]
    """x, y, width, height of the part of the image it was found in."""

    def full(self, height: int, width: int) -> npt.NDArray[np.bool_]:
        """Return the mask at the image's size, bool (height, width)."""
        mask = np.zeros((height, width), np.bool_)
        x, y, w, h = self.bbox
        mask[y : y + h, x : x + w] = self.patch
        return mask


@dataclass
class Found:
    """All objects of one image, largest first; and what had to be done to find them."""

    height: int
    width: int
    objects: list[FoundObject] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    """Sentences for the requester: chunks made smaller for want of memory, thresholds lowered, points left out."""

    def __len__(self) -> int:
        return len(self.objects)
