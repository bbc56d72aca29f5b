"""Cut a small picture pixel by pixel, with colour models that start from what is believed of each pixel.

The cut is that of GrabCut (Rother et al. 2004; Boykov and Jolly 2001), solved by `cv2.grabCut`.
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from maskbus.models.colours import F32, I32, LAB_BINS, U8, Pixels

Bool = npt.NDArray[np.bool_]
I8 = npt.NDArray[np.int8]

LEAST = 6
"""OpenCV's mixture of five Gaussians needs more pixels than components on each side."""
LEVELS = 12
"""Grey levels that stand for the largest odds in the channel that carries them."""


def by_mixtures(image: Pixels, member: F32, hard: I8, rounds: int, coarse_first: bool = True) -> Bool:
    """Cut with mixtures of Gaussians, GrabCut's own. Sure regions of `member`, (h, w) 0…1, are kept as they are.

    `hard`, (h, w), is 1 where a pixel must be object, -1 where it must not, else 0. With `coarse_first` all but
    the last of several rounds are made on half the resolution.
    """
    trimap = np.where(member > 0.5, cv2.GC_PR_FGD, cv2.GC_PR_BGD).astype(np.uint8)
    trimap[member > 0.9] = cv2.GC_FGD
    trimap[member < 0.1] = cv2.GC_BGD
    trimap[hard > 0] = cv2.GC_FGD
    trimap[hard < 0] = cv2.GC_BGD
    background, foreground = np.zeros((1, 65)), np.zeros((1, 65))
    mode = cv2.GC_INIT_WITH_MASK
    if coarse_first and rounds > 1:
        # The colours settle as well on a quarter of the pixels; one round on all of them then draws the edge.
        size = (max(1, trimap.shape[1] // 2), max(1, trimap.shape[0] // 2))
        coarse = np.asarray(cv2.resize(trimap, size, interpolation=cv2.INTER_NEAREST), np.uint8)
        if _both_sides(coarse):
            small = cv2.resize(image.small, size, interpolation=cv2.INTER_AREA)
            cv2.setRNGSeed(0)
            cv2.grabCut(small, coarse, (0, 0, 1, 1), background, foreground, rounds, mode)
            large = cv2.resize(coarse, trimap.shape[::-1], interpolation=cv2.INTER_NEAREST)
            free = trimap >= cv2.GC_PR_BGD
            inside = np.asarray(large, np.uint8)[free] & 1
            trimap[free] = np.where(inside, cv2.GC_PR_FGD, cv2.GC_PR_BGD)
            mode, rounds = cv2.GC_EVAL, 1
    if not _both_sides(trimap):
        return np.asarray((trimap & 1).astype(bool), np.bool_)
    cv2.setRNGSeed(0)
    cv2.grabCut(image.small, trimap, (0, 0, 1, 1), background, foreground, rounds, mode)
    return np.asarray((trimap & 1).astype(bool), np.bool_)


def _both_sides(trimap: npt.NDArray[np.uint8]) -> bool:
    inside = np.count_nonzero(trimap & 1)
    return bool(min(inside, trimap.size - inside) >= LEAST)


def by_histograms(image: Pixels, member: F32, hard: I8, rounds: int, trust: float = 1.0) -> Bool:
    """Cut with histograms of colour and of the colour around, and, weighted by `trust`, the log odds of `member`."""
    believed = trust * np.clip(np.log((member + 0.02) / (1.02 - member)), -4, 4)
    current = member
    for _ in range(rounds):
        odds = np.asarray(
            _colour_odds(image.bins, current) + 0.5 * _colour_odds(image.broad, current) + believed, np.float32
        )
        cut = by_odds(image.contrast, odds, hard)
        current = cut.astype(np.float32)
        if not cut.any() or cut.all():
            break
    return cut


def by_odds(contrast: U8, odds: F32, hard: I8, strength: float = 4.0, limit: float = 6.0) -> Bool:
    """Cut for log odds given pixel by pixel, (h, w), against the contrast of the picture, (h, w, 2).

    `cv2.grabCut` knows only odds that follow from colour. So the picture it is shown has the odds as its third
    channel, and each of its two frozen colour models one Gaussian, flat along the two colour channels: the negative
    log likelihoods then differ by exactly the wanted amount.
    """
    if odds.size == 1:
        return np.asarray(np.where(hard == 0, odds > 0, hard > 0), np.bool_)
    level = np.clip(np.rint(odds / limit * LEVELS) + LEVELS, 0, 2 * LEVELS).astype(np.uint8)
    shown = np.dstack([contrast, level])
    variance = 2 * LEVELS * LEVELS / (strength * limit)

    def model(mean: float) -> npt.NDArray[np.float64]:
        numbers = np.zeros((1, 65))
        numbers[0, 0] = 1
        numbers[0, 5:8] = 128, 128, mean
        numbers[0, 20:29] = np.diag([1e8, 1e8, variance]).ravel()
        return numbers

    trimap = np.where(odds > 0, cv2.GC_PR_FGD, cv2.GC_PR_BGD).astype(np.uint8)
    trimap[hard > 0] = cv2.GC_FGD
    trimap[hard < 0] = cv2.GC_BGD
    cv2.grabCut(shown, trimap, (0, 0, 1, 1), model(0), model(2 * LEVELS), 1, cv2.GC_EVAL_FREEZE_MODEL)
    return np.asarray((trimap & 1).astype(bool), np.bool_)


def separation(image: Pixels, cut: Bool, around: Bool) -> float:
    """Return 1 minus the overlap of the colour histograms inside `cut` and in what of `around` is not in it."""
    count = int(np.prod(LAB_BINS))
    inside = _smoothed(np.bincount(image.bins[cut], minlength=count))
    outside = _smoothed(np.bincount(image.bins[around & ~cut], minlength=count))
    inside, outside = (histogram / max(float(histogram.sum()), 1e-6) for histogram in (inside, outside))
    return float(np.clip(1 - np.minimum(inside, outside).sum(), 0, 1))


def _colour_odds(bins: I32, member: F32) -> F32:
    """Return (h, w) the log odds by colour bin, from histograms smoothed over neighbouring bins."""
    inside = _smoothed(np.bincount(bins.ravel(), member.ravel(), int(np.prod(LAB_BINS))))
    outside = _smoothed(np.bincount(bins.ravel(), 1 - member.ravel(), int(np.prod(LAB_BINS))))
    share = inside / max(float(inside.sum()), 1e-6) + 1e-6
    other = outside / max(float(outside.sum()), 1e-6) + 1e-6
    return np.asarray(np.clip(np.log(share / other), -4, 4)[bins], np.float32)


def _smoothed(histogram: npt.NDArray[np.generic]) -> F32:
    kernel = cv2.getGaussianKernel(5, 1.0).astype(np.float32).ravel()
    one = np.ones(1, np.float32)
    cube = histogram.astype(np.float32).reshape(LAB_BINS)
    for axis in range(3):
        moved = np.ascontiguousarray(np.moveaxis(cube, axis, -1))
        flat = cv2.sepFilter2D(moved.reshape(-1, moved.shape[-1]), -1, kernel, one, borderType=cv2.BORDER_CONSTANT)
        cube = np.moveaxis(np.asarray(flat, np.float32).reshape(moved.shape), -1, axis)
    return np.asarray(np.ascontiguousarray(cube).ravel(), np.float32)
