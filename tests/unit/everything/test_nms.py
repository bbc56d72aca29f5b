"""Of boxes that overlap, the best stays."""

from __future__ import annotations

import numpy as np

from maskbus.everything import nms


def test_the_better_of_two_stays_and_others_are_left() -> None:
    boxes = np.array([(0, 0, 101, 101), (0, 0, 101, 91), (300, 300, 5, 5)])
    assert nms.keep(boxes, np.array([0.8, 0.9, 0.1]), 0.7) == [1, 2]
    assert nms.keep(boxes, np.array([0.8, 0.9, 0.1]), 0.95) == [1, 0, 2]


def test_what_goes_takes_nothing_with_it() -> None:
    boxes = np.array([(0, 0, 101, 11), (30, 0, 101, 11), (60, 0, 101, 11)])
    assert nms.keep(boxes, np.array([0.9, 0.8, 0.7]), 0.5) == [0, 2]


def test_of_equals_the_earlier_one_stays() -> None:
    boxes = np.array([(0, 0, 50, 50)] * 3)
    assert nms.keep(boxes, np.ones(3), 0.7) == [0]


def test_of_the_same_boxes_of_one_row_one_stays_and_none_are_none() -> None:
    boxes = np.array([(5, 5, 1, 9), (5, 5, 1, 9), (5, 5, 1, 8)])
    assert nms.keep(boxes, np.array([0.1, 0.2, 0.3]), 0.7) == [2, 1]
    assert nms.keep(np.zeros((0, 4), np.int64), np.zeros(0), 0.7) == []


def test_it_is_the_threshold_that_must_be_exceeded() -> None:
    boxes = np.array([(0, 0, 3, 3), (0, 0, 3, 2)])  # of 4 and 2, by torchvision's measure
    assert nms.keep(boxes, np.array([0.9, 0.8]), 0.5) == [0, 1]
    assert nms.keep(boxes, np.array([0.9, 0.8]), 0.499) == [0]
