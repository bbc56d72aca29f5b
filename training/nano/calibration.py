"""The map from the IoU that the network believes its masks to have to the IoU that such masks reach."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]

_GROUPS = 12
_LEAST_SLOPE = 0.05
"""What is believed more must be told as more, or hypotheses could no longer be ranked."""


def fit(believed: Sequence[float], reached: Sequence[float]) -> tuple[list[float], list[float]]:
    """Return the knots of a piecewise linear, rising map of 0…1, as `numpy.interp` takes them.

    Answers are sorted into groups of equal size by what was believed; the means of the groups are made to rise by
    pooling neighbours that do not (isotonic regression, Ayer et al. 1955).

    Args:
        believed: Believed IoU of each answer, 0…1.
        reached: Its IoU.

    Raises:
        ValueError: if there are no answers, or not as many of both.
    """
    if not len(believed) or len(believed) != len(reached):
        raise ValueError("a calibration needs answers, and what was believed and reached of each")
    order = np.argsort(np.asarray(believed, np.float64), kind="stable")
    x, y = np.asarray(believed, np.float64)[order], np.asarray(reached, np.float64)[order]
    groups = [part for part in np.array_split(np.arange(len(x)), _GROUPS) if len(part)]
    pooled: list[tuple[float, float, int]] = []
    for part in groups:
        one = float(x[part].mean()), float(y[part].mean()), len(part)
        while pooled and (pooled[-1][1] >= one[1] or one[0] - pooled[-1][0] < 1e-3):
            before = pooled.pop()
            count = before[2] + one[2]
            one = (
                (before[0] * before[2] + one[0] * one[2]) / count,
                (before[1] * before[2] + one[1] * one[2]) / count,
                count,
            )
        pooled.append(one)
    knots, values = [0.0], [0.0]
    for at, mean, _ in pooled:
        if at - knots[-1] >= 1e-3 and at < 1 - 1e-3:
            knots.append(round(at, 4))
            values.append(round(max(mean, values[-1] + _LEAST_SLOPE * (at - knots[-2])), 4))
    knots.append(1.0)
    # Beyond the last group nothing is known: IoU rises no faster than belief.
    values.append(round(min(values[-1] + 1 - knots[-2], 1.0), 4))
    return knots, [min(value, 1.0) for value in values]


def applied(believed: Sequence[float], knots: tuple[list[float], list[float]]) -> FloatArray:
    """Return the predicted IoU of answers, as a node tells it."""
    return np.asarray(np.interp(believed, *knots), np.float64)


def error(predicted: Sequence[float] | FloatArray, reached: Sequence[float], groups: int = 10) -> float:
    """Return the expected calibration error: how far the means of ten groups of equal width lie apart, on average.

    Args:
        predicted: Predicted IoU of each answer, 0…1.
        reached: Its IoU.
        groups: How many groups (Naeini et al. 2015).
    """
    values, truth = np.asarray(predicted, np.float64), np.asarray(reached, np.float64)
    group = np.minimum((values * groups).astype(np.intp), groups - 1)
    apart = [abs(values[group == n].sum() - truth[group == n].sum()) for n in range(groups)]
    return float(np.sum(apart) / len(values))
