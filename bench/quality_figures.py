"""Sum up the answers of a quality run: means, correlations, the table of the documentation."""

from __future__ import annotations

from typing import Any

import numpy as np


def after(clicks: list[dict[str, float]], corrections: int) -> dict[str, float]:
    """Return the answer after so many corrections; the last one where nothing was left to correct."""
    return clicks[min(corrections, len(clicks) - 1)]


def clicks_to(clicks: list[dict[str, float]], goal: float, most: int) -> int:
    return next((number for number, click in enumerate(clicks, 1) if click["iou"] >= goal), most)


def summary(answers: list[dict[str, float]]) -> dict[str, float]:
    ious = [one["iou"] for one in answers]
    return {
        "mean_iou": float(np.mean(ious)),
        "median_iou": float(np.median(ious)),
        "p10_iou": float(np.quantile(ious, 0.1)),
        "half_even": float(np.mean(ious[::2])),
        "half_odd": float(np.mean(ious[1::2])) if len(ious) > 1 else float("nan"),
        "median_ms": float(np.median([one["ms"] for one in answers])),
        "median_cpu_ms": float(np.median([one["cpu_ms"] for one in answers])),
    }


def agreement(pairs: list[dict[str, float]], estimate: str) -> float:
    """Return the rank correlation (Spearman) of an estimate with the IoU it estimates."""
    ranks = [np.argsort(np.argsort([pair[key] for pair in pairs])) for key in ("iou", estimate)]
    return float(np.asarray(np.corrcoef(ranks))[0, 1]) if len(pairs) > 2 else float("nan")


def pearson(pairs: list[dict[str, float]], estimate: str) -> float:
    """Return the linear correlation (Pearson) of an estimate with the IoU it estimates."""
    values = [[pair[key] for pair in pairs] for key in ("iou", estimate)]
    return float(np.asarray(np.corrcoef(values))[0, 1]) if len(pairs) > 2 else float("nan")


def as_markdown(figures: dict[str, Any]) -> str:
    """Return the figures as a table with what a reader needs to judge them."""
    lines = [
        f"`{figures['model']}` on the {figures['photos']} photos of Rother et al. 2004 (`python bench/quality.py`).",
        "",
        "| Prompt | mean IoU | median | worst tenth below | even photos | odd photos | median ms | median CPU ms |",
        "|---|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for name, one in figures["series"].items():
        ious = " | ".join(f"{one[key]:.3f}" for key in ("mean_iou", "median_iou", "p10_iou", "half_even", "half_odd"))
        lines.append(f"| {name} | {ious} | {one['median_ms']:.0f} | {one['median_cpu_ms']:.0f} |")
    lines += [
        "",
        "Box and one click are timed with embedding the photo, corrective clicks without. Corrective clicks send the "
        "mask of the answer before unless the row says otherwise.",
        "",
        f"`predicted_iou`, over box, one click and corrective clicks with the mask: mean "
        f"{figures['predicted_iou_mean']:.3f} where the true mean is {figures['true_iou_mean']:.3f}; "
        f"Pearson {figures['predicted_iou_correlation']:.2f}, rank correlation "
        f"{figures['predicted_iou_rank_correlation']:.2f}.",
        "",
        f"Machine: {figures['machine']}; {figures['threads']} OpenCV threads, load average {figures['load']:.1f} at "
        "the end. "
        f"Peak memory {figures['peak_mb']:.0f} MB.",
    ]
    return "\n".join(lines)
