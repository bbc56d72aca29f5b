"""Views: what the network sees of a photo in training, cut out, turned, recoloured, and with things pasted in."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from training.nano.photos import Photo, UInt8Array
from training.nano.settings import Stage

FloatArray = npt.NDArray[np.float32]


@dataclass
class View:
    """A square picture and one object of it."""

    pixels: UInt8Array
    """(S, S, 3) RGB."""
    masks: list[FloatArray]
    """(S / 2, S / 2) each, 0…1: how much of a place is the object. The first was chosen, others happen to be there."""


def view(photo: Photo, photos: list[Photo], stage: Stage, draw: np.random.Generator, *, paste: float) -> View:
    """Return a random view of a random object of a photo, in which there is something of it.

    Args:
        photo: The photo.
        photos: Where pasted objects come from.
        stage: Says the picture's size, and how much rather large objects are chosen.
        draw: Random numbers.
        paste: How likely an object of another photo is pasted in.
    """
    size = stage.size
    chances = np.array([np.count_nonzero(mask) for mask in photo.masks]) ** stage.large
    chances /= chances.sum()
    for _ in range(10):
        chosen = int(draw.choice(len(photo.masks), p=chances)) if stage.large else int(draw.integers(len(photo.masks)))
        matrix = _matrix(photo.masks[chosen], size, draw)
        pixels = _warp(photo.pixels, matrix, size, cv2.BORDER_REPLICATE)
        masks = [_warp(mask, matrix, size, cv2.BORDER_CONSTANT) for mask in photo.masks[chosen : chosen + 1]]
        others = [mask for n, mask in enumerate(photo.masks) if n != chosen]
        if others:
            masks.append(_warp(others[int(draw.integers(len(others)))], matrix, size, cv2.BORDER_CONSTANT))
        if draw.random() < paste:
            pixels, masks = _paste(pixels, masks, photos[int(draw.integers(len(photos)))], draw)
        large = [mask for mask in masks if np.count_nonzero(mask > 127) > 0.004 * mask.size]
        if large and (large[0] is masks[0] or draw.random() < 0.5):
            break
    else:
        large = [np.zeros((size, size), np.uint8)]
        cv2.circle(large[0], (size // 2, size // 2), size // 5, 255, -1)
        pixels = pixels.copy()
        pixels[large[0] > 0] = draw.integers(0, 256, 3)
    half = (size // 2, size // 2)
    smaller = [
        np.asarray(cv2.resize(mask, half, interpolation=cv2.INTER_AREA), np.float32) / np.float32(255)
        for mask in large[:3]
    ]
    return View(_colours(pixels, draw), smaller)


def _matrix(mask: UInt8Array, size: int, draw: np.random.Generator) -> FloatArray:
    """Return the affine map from photo to view: often all of the photo, else some surroundings of the object."""
    height, width = mask.shape
    if draw.random() < 0.35:
        centre = np.array([width / 2, height / 2])
        sides = np.array([width, height]) * draw.uniform(0.85, 1.1)
    else:
        x, y, w, h = cv2.boundingRect(mask)
        room = float(np.exp(draw.uniform(np.log(1.05), np.log(4.0))))
        side = max(w, h, 24) * room
        sides = np.minimum([side, side], [width, height])
        centre = np.array([x + w / 2, y + h / 2]) + draw.uniform(-0.5, 0.5, 2) * np.maximum(sides - [w, h], 0.3 * sides)
        low, high = np.minimum(sides / 2, [width / 2, height / 2]), np.array([width, height])
        centre = np.clip(centre, low, np.maximum(high - low, low))
    sides = sides * np.exp(draw.normal(0, 0.12, 2))
    angle = draw.normal(0, 0.15)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    flip = np.diag([-1.0 if draw.random() < 0.5 else 1.0, -1.0 if draw.random() < 0.05 else 1.0])
    scale = np.diag(size / sides)
    linear = scale @ flip @ turn
    return np.column_stack([linear, size / 2 - linear @ centre]).astype(np.float32)


def _warp(pixels: UInt8Array, matrix: FloatArray, size: int, border: int) -> UInt8Array:
    reduces = abs(np.linalg.det(matrix[:, :2])) < 0.3
    if reduces:
        half = cv2.resize(pixels, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
        grown = matrix.copy()
        grown[:, :2] *= 2
        pixels, matrix = np.asarray(half, np.uint8), grown
    warped = cv2.warpAffine(pixels, matrix, (size, size), flags=cv2.INTER_LINEAR, borderMode=border)
    return np.asarray(warped, np.uint8)


def _paste(
    pixels: UInt8Array, masks: list[UInt8Array], other: Photo, draw: np.random.Generator
) -> tuple[UInt8Array, list[UInt8Array]]:
    """Put an object of another photo over the picture; it takes away from what it covers."""
    size = pixels.shape[0]
    chosen = other.masks[int(draw.integers(len(other.masks)))]
    x, y, w, h = cv2.boundingRect(chosen)
    if min(w, h) < 12:
        return pixels, masks
    wanted = size * draw.uniform(0.15, 0.7)
    scale = wanted / max(w, h)
    centre = np.array([x + w / 2, y + h / 2])
    angle = draw.normal(0, 0.3)
    linear = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    if draw.random() < 0.5:
        linear = linear @ np.diag([-1.0, 1.0])
    place = draw.uniform(0.1, 0.9, 2) * size
    matrix = np.column_stack([linear, place - linear @ centre]).astype(np.float32)
    over = _warp(other.pixels, matrix, size, cv2.BORDER_REPLICATE)
    mask = _warp(chosen, matrix, size, cv2.BORDER_CONSTANT)
    if draw.random() < 0.5:
        # What was cut out by hand has an edge of its old background: a softer or tighter edge gives that away less.
        mask = np.asarray(cv2.erode(mask, np.ones((3, 3), np.uint8)), np.uint8)
    soft = cv2.GaussianBlur(mask, (3, 3), float(draw.uniform(0.3, 1.0)))
    alpha = soft[:, :, None].astype(np.float32) / 255
    mixed = np.asarray(over * alpha + pixels * (1 - alpha), np.uint8)
    left = [np.asarray(np.minimum(old, 255 - mask), np.uint8) for old in masks]
    return mixed, [mask, *left] if draw.random() < 0.5 else [*left, mask]


def _colours(pixels: UInt8Array, draw: np.random.Generator) -> UInt8Array:
    """Change light and colours, and now and then sharpness."""
    levels = np.arange(256, dtype=np.float32) / 255
    gamma = float(np.exp(draw.normal(0, 0.2)))
    contrast = float(np.exp(draw.normal(0, 0.15)))
    light = float(draw.normal(0, 0.06))
    tint = np.exp(draw.normal(0, 0.08, 3)) if draw.random() < 0.7 else np.ones(3)
    table = np.stack([((levels**gamma - 0.5) * contrast + 0.5 + light) * one for one in tint], 1)
    if draw.random() < 0.02:
        table = 1 - table
    lookup = np.asarray(np.clip(table * 255, 0, 255), np.uint8)[None]
    pixels = np.asarray(cv2.LUT(pixels, lookup), np.uint8)
    luck = draw.random()
    if luck < 0.5:
        grey = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)[:, :, None]
        strength = 0.0 if luck < 0.08 else float(np.exp(draw.normal(0, 0.35)))
        pixels = np.asarray(np.clip(grey + strength * (pixels.astype(np.float32) - grey), 0, 255), np.uint8)
    luck = draw.random()
    if luck < 0.15:
        pixels = np.asarray(cv2.GaussianBlur(pixels, (0, 0), float(draw.uniform(0.4, 1.5))), np.uint8)
    elif luck < 0.3:
        noise = draw.normal(0, draw.uniform(2, 12), pixels.shape[:2]).astype(np.float32)
        pixels = np.asarray(np.clip(pixels + noise[:, :, None], 0, 255), np.uint8)
    elif luck < 0.4:
        quality = int(draw.integers(20, 80))
        encoded = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
        pixels = np.asarray(cv2.imdecode(encoded, cv2.IMREAD_COLOR), np.uint8)
    return pixels
