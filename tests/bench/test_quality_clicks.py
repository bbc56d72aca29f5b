"""Where a simulated user clicks, and what they send."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from quality_clicks import MOST_CLICKS, Dialogue, iou, next_click, tight_box
from quality_photos import Photo

from maskbus.interfaces import DecodeOptions, Masks, Prompt


def square(x0: int, y0: int, x1: int, y1: int) -> np.ndarray:
    mask = np.zeros((40, 60), bool)
    mask[y0:y1, x0:x1] = True
    return mask


def truth_of(mask: np.ndarray, ignored: np.ndarray | None = None) -> np.ndarray:
    truth = np.where(mask, 255, 0).astype(np.uint8)
    if ignored is not None:
        truth[ignored] = 128
    return truth


def test_what_is_marked_as_undecided_does_not_count() -> None:
    truth = truth_of(square(10, 10, 20, 20), square(20, 10, 30, 20))
    assert iou(square(10, 10, 30, 20), truth) == 1.0
    assert iou(square(10, 10, 15, 20), truth) == 0.5
    assert tight_box(truth).tolist() == [[10, 10, 19, 19]]


def test_the_click_is_in_the_middle_of_the_larger_error() -> None:
    truth = truth_of(square(10, 10, 31, 31))
    assert next_click(square(10, 10, 31, 31), truth) is None
    assert next_click(square(0, 0, 0, 0), truth) == (20, 20, 1)
    # Five columns too many on the left, nine rows missing below.
    x, y, label = next_click(square(5, 10, 31, 22), truth) or (0, 0, 0)
    assert (y, label) == (26, 1)
    # Nine columns too many on the left, three rows missing below.
    x, y, label = next_click(square(1, 10, 31, 28), truth) or (0, 0, 0)
    assert (x, label) == (5, 0)


def test_nobody_clicks_where_it_is_undecided() -> None:
    truth = truth_of(square(10, 10, 20, 20), square(20, 0, 60, 40))
    assert next_click(square(10, 10, 60, 20), truth) is None


class Asked:
    """A model that notes what it was asked, and answers as it is told to."""

    def __init__(self, answer: Callable[[int], np.ndarray]) -> None:
        self.answer = answer
        self.prompts: list[Prompt] = []
        self.options: list[DecodeOptions] = []

    def decode(self, embedding: object, prompt: Prompt, options: DecodeOptions, job: object) -> Masks:
        self.prompts.append(prompt)
        self.options.append(options)
        logits = np.full((1, 4, 4), len(self.prompts), np.float32)
        half = np.full(1, 0.5, np.float32)
        return Masks(self.answer(len(self.prompts))[None], half, half, logits)


def dialogue(model: Asked, send: str) -> Dialogue:
    return Dialogue(model, model, Photo("one", np.zeros((40, 60, 3), np.uint8), truth_of(square(10, 10, 31, 31))), send)


@pytest.mark.parametrize("send", ["logits", "mask", "clicks"])
def test_what_goes_with_a_correction(send: str) -> None:
    model = Asked(lambda number: square(10, 10, 20, 31))
    dialogue(model, send).answers()
    assert model.prompts[0].kinds == {"points"}
    second = model.prompts[1]
    assert second.kinds == {"points"} | ({send} - {"clicks"})
    assert second.points.tolist()[0] == [20, 20]
    assert second.labels.tolist() == [1, 1]
    if send == "logits":
        assert second.logits is not None
        assert (second.logits == 1).all()
    assert all(options.logits == (send == "logits") for options in model.options)


def test_who_never_gets_there_clicks_twenty_times() -> None:
    answers = dialogue(Asked(lambda number: square(0, 0, 0, 0)), "clicks").answers()
    assert [one["iou"] for one in answers] == [0.0] * MOST_CLICKS


def test_who_gets_there_makes_all_corrections_and_stops() -> None:
    answers = dialogue(Asked(lambda number: square(10, 10, 31, 30)), "clicks").answers()
    assert len(answers) == 6


def test_who_has_it_right_stops_at_once() -> None:
    answers = dialogue(Asked(lambda number: square(10, 10, 31, 31)), "clicks").answers()
    assert answers == [{"iou": 1.0, "predicted_iou": 0.5}]
