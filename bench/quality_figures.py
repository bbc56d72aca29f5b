"""Sum up answers: means, clicks that were needed, how far a model's own estimate can be trusted."""

from __future__ import annotations

from typing import Any

import numpy as np

Answer = dict[str, float]


def after(clicks: list[Answer], corrections: int) -> Answer:
    """Return the answer after so many corrections; the last one where nothing was left to correct."""
    return clicks[min(corrections, len(clicks) - 1)]


def summary(answers: list[Answer]) -> dict[str, float]:
    """Return the mean IoU, the median, and below what the worst tenth is."""
    ious = [one["iou"] for one in answers]
    return {"mean": float(np.mean(ious)), "median": float(np.median(ious)), "p10": float(np.quantile(ious, 0.1))}


def clicks_needed(dialogues: list[list[Answer]], goal: float, most: int) -> dict[str, float]:
    """Return the mean number of clicks until the goal is reached, and how many photos never reached it.

    These count as `most` clicks, as usual in interactive segmentation.
    """
    reached = [next((n for n, one in enumerate(each, 1) if one["iou"] >= goal), None) for each in dialogues]
    return {"clicks": float(np.mean([most if n is None else n for n in reached])), "never": reached.count(None)}


def spread(times: list[dict[str, float]], unit: str) -> dict[str, float]:
    """Return median and 90th percentile."""
    values = [one[unit] for one in times]
    return {"median": float(np.median(values)), "p90": float(np.quantile(values, 0.9))} if values else {}


def reliability(answers: list[Answer], bins: int = 10) -> dict[str, Any]:
    """Compare `predicted_iou` with the IoU that was reached.

    The answers are sorted by their estimate and cut into bins of equally many, for most estimates are close to 1. The
    expected calibration error is the mean distance of the bins' two means (Guo et al. 2017), weighted by their answers.
    """
    believed = np.array([one["predicted_iou"] for one in answers])
    reached = np.array([one["iou"] for one in answers])
    cut = [part for part in np.array_split(np.argsort(believed, kind="stable"), bins) if len(part)]
    rows = [
        {"answers": len(part), "believed": float(believed[part].mean()), "reached": float(reached[part].mean())}
        for part in cut
    ]
    distance = sum(row["answers"] * abs(row["believed"] - row["reached"]) for row in rows)
    return {
        "answers": len(answers),
        "believed": float(believed.mean()),
        "reached": float(reached.mean()),
        "pearson": pearson(answers, "predicted_iou"),
        "rank": agreement(answers, "predicted_iou"),
        "error": distance / len(answers),
        "bins": rows,
    }


def agreement(pairs: list[Answer], estimate: str) -> float:
    """Return the rank correlation (Spearman) of an estimate with the IoU it estimates."""
    ranks = [np.argsort(np.argsort([pair[key] for pair in pairs])) for key in ("iou", estimate)]
    return float(np.asarray(np.corrcoef(ranks))[0, 1]) if len(pairs) > 2 else float("nan")


def pearson(pairs: list[Answer], estimate: str) -> float:
    """Return the linear correlation (Pearson) of an estimate with the IoU it estimates; NaN where one never changes."""
    values = np.array([[pair[key] for pair in pairs] for key in ("iou", estimate)])
    if len(pairs) < 3 or not np.ptp(values, axis=1).all():
        return float("nan")
    return float(np.asarray(np.corrcoef(values))[0, 1])
