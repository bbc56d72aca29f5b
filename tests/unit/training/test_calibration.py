"""What the network believes, and what is told."""

from __future__ import annotations

import numpy as np
import pytest

from training.nano.calibration import applied, error, fit


def optimist(seed: int, count: int = 600) -> tuple[list[float], list[float]]:
    draw = np.random.default_rng(seed)
    reached = draw.beta(4, 2, count)
    believed = np.clip(1 - (1 - reached) * 0.4 + draw.normal(0, 0.05, count), 0, 1)
    return list(believed), list(reached)


def test_an_optimist_is_corrected() -> None:
    knots = fit(*optimist(0))
    believed, reached = optimist(1)
    assert error(believed, reached) > 0.15
    assert error(applied(believed, knots), reached) < 0.04


@pytest.mark.parametrize("seed", range(20))
def test_the_map_rises_and_stays_within_bounds(seed: int) -> None:
    draw = np.random.default_rng(seed)
    count = int(draw.integers(1, 300))
    believed = draw.choice([draw.random(count), np.round(draw.random(count), 1), np.full(count, draw.random())])
    knots, values = fit(list(believed), list(draw.random(count)))
    assert knots[0] == 0.0
    assert knots[-1] == 1.0
    assert np.all(np.diff(knots) > 0)
    assert np.all(np.diff(values) >= 0)
    assert min(values) >= 0
    assert max(values) <= 1
    assert len(knots) <= 14


def test_what_is_right_stays_right() -> None:
    values = list(np.random.default_rng(0).random(2000))
    assert np.abs(applied(values, fit(values, values)) - values).max() < 0.02


def test_the_order_of_answers_does_not_matter() -> None:
    believed, reached = optimist(3)
    order = np.random.default_rng(0).permutation(len(believed))
    assert fit([believed[n] for n in order], [reached[n] for n in order]) == fit(believed, reached)


def test_no_answers_are_refused() -> None:
    with pytest.raises(ValueError, match="needs answers"):
        fit([], [])


def test_error_is_none_where_groups_are_right_on_average() -> None:
    assert error([0.55] * 2, [0.1, 1.0]) == pytest.approx(0)
    assert error([0.2, 0.8], [0.3, 0.6]) == pytest.approx(0.15)
