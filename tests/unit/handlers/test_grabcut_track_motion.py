"""The background's motion, and what moves otherwise."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("cv2")

from maskbus.handlers import grabcut_track_motion as motion

SHAPE = (120, 160)


def scene(own: tuple[float, float]) -> tuple[np.ndarray, np.ndarray]:
    """Return a flow in which a square moves by `own` and all else by (3, 1), and the square."""
    held = np.zeros(SHAPE, np.bool_)
    held[40:80, 50:100] = True
    moved = np.full((*SHAPE, 2), (3, 1), np.float32)
    moved[held] = own
    return moved, held


def test_the_background_is_what_most_of_the_rest_does() -> None:
    moved, held = scene((-4, 0))
    still = motion.background(moved, held)
    assert still is not None
    assert np.allclose(still @ (10, 20, 1), (13, 21, 1), atol=0.01)
    assert np.allclose(motion.stay(np.array([13.0, 21.0]), still, SHAPE), (10, 20), atol=0.01)


def test_where_nothing_is_left_nothing_is_told() -> None:
    moved, held = scene((0, 0))
    assert motion.background(moved, np.ones_like(held)) is None
    assert motion.stay(np.array([500.0, -3.0]), None, SHAPE).tolist() == [159, 0]


def test_what_stays_with_the_background_is_the_backgrounds() -> None:
    moved, held = scene((-4, 0))
    still = motion.background(moved, held)
    assert still is not None
    wrong = held.copy()
    wrong[40:80, 100:115] = True
    part = slice(20, 110), slice(30, 140)
    odds = motion.odds(moved, still, wrong, part)
    assert odds.shape == (90, 110)
    assert odds[held[part]].min() > 1
    assert odds[(wrong & ~held)[part]].max() < 0


def test_where_all_moves_alike_the_odds_are_even() -> None:
    moved, held = scene((3, 1))
    still = motion.background(moved, held)
    assert still is not None
    assert np.abs(motion.odds(moved, still, held, (slice(0, 120), slice(0, 160)))).max() < 0.1
