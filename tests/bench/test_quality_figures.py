"""How answers are summed up."""

from __future__ import annotations

import numpy as np
import pytest
from quality_figures import after, clicks_needed, reliability


def clicks(*ious: float) -> list[dict[str, float]]:
    return [{"iou": iou} for iou in ious]


def test_photos_that_never_reach_it_count_as_all_clicks() -> None:
    needed = clicks_needed([clicks(0.5, 0.9), clicks(0.85), clicks(*[0.2] * 20), clicks(*[0.2] * 19, 0.85)], 0.85, 20)
    assert needed == {"clicks": (2 + 1 + 20 + 20) / 4, "never": 1}


def test_the_last_answer_holds_where_nothing_was_left_to_correct() -> None:
    assert after(clicks(0.5, 1.0), 5) == {"iou": 1.0}


def test_a_model_that_knows_has_no_calibration_error() -> None:
    values = np.linspace(0.2, 0.9, 100)
    found = reliability([{"iou": iou, "predicted_iou": iou} for iou in values])
    assert found["error"] == pytest.approx(0)
    assert found["pearson"] == pytest.approx(1)
    assert [row["answers"] for row in found["bins"]] == [10] * 10


def test_a_model_that_boasts_has() -> None:
    values = np.linspace(0.2, 0.9, 95)
    found = reliability([{"iou": iou, "predicted_iou": iou + 0.1} for iou in values])
    assert found["error"] == pytest.approx(0.1)
    assert found["rank"] == pytest.approx(1)


def test_nothing_correlates_with_what_never_changes() -> None:
    found = reliability([{"iou": iou, "predicted_iou": 0.8} for iou in (0.5, 0.7, 0.9)])
    assert np.isnan(found["pearson"])
