"""Which objects a prompt means."""

from __future__ import annotations

import numpy as np
import pytest

from maskbus.contract import CancelledJob, FreeJob
from maskbus.handlers.fastsam_letterbox import Letterbox
from maskbus.handlers.fastsam_prompts import Meant, by_box, by_points
from maskbus.handlers.fastsam_proposals import Proposals, proposals
from maskbus.interfaces import JobAborted

Box = tuple[int, int, int, int]
TABLE: Box = (0, 100, 256, 256)
CUP: Box = (100, 80, 150, 180)
LOGO: Box = (110, 120, 130, 140)


def scene(*things: tuple[Box, float]) -> Proposals:
    """Return objects that fill their boxes, in a photo of 256 by 256 pixels."""
    rows = [[(x0 + x1) / 2, (y0 + y1) / 2, x1 - x0, y1 - y0, sure, 5.0] for (x0, y0, x1, y1), sure in things]
    predictions = np.array(rows, np.float32).reshape(-1, 6).T
    frame = Letterbox(256, 256, 256, 256)
    return proposals(predictions, np.ones((1, 64, 64), np.float32), frame, conf=0.1, iou=0.95, max_det=300)


def click(
    found: Proposals,
    *points: tuple[float, float],
    background: tuple[tuple[float, float], ...] = (),
    several: bool = True,
) -> list[Box]:
    return [extent(one) for one in meant(found, *points, background=background, several=several)]


def meant(
    found: Proposals,
    *points: tuple[float, float],
    background: tuple[tuple[float, float], ...] = (),
    several: bool = True,
) -> list[Meant]:
    labels = np.array([1] * len(points) + [0] * len(background), np.int8)
    return by_points(found, np.array([*points, *background], np.float32), labels, FreeJob(), several=several)


def extent(one: Meant) -> Box:
    height, width = one.cut.mask.shape
    return one.cut.x, one.cut.y, one.cut.x + width, one.cut.y + height


def test_of_a_thing_on_a_thing_the_smaller_is_meant_first() -> None:
    found = scene((TABLE, 0.9), (CUP, 0.8))
    assert click(found, (140, 150)) == [CUP, TABLE]
    assert click(found, (140, 150), several=False) == [CUP]
    assert click(found, (200, 150)) == [TABLE]


def test_unless_it_is_much_less_sure() -> None:
    assert click(scene((CUP, 0.9), (LOGO, 0.5)), (115, 125)) == [CUP, LOGO]
    assert click(scene((CUP, 0.9), (LOGO, 0.89)), (115, 125)) == [LOGO, CUP]


def test_no_mask_is_trusted_more_than_one_before_it() -> None:
    assert [one.predicted_iou for one in meant(scene((TABLE, 0.9), (CUP, 0.8)), (140, 150))] == pytest.approx(
        [0.8, 0.8]
    )
    assert [one.predicted_iou for one in meant(scene((TABLE, 0.7), (CUP, 0.8)), (140, 150))] == pytest.approx(
        [0.8, 0.7]
    )


def test_all_points_on_the_object_must_be_in_it_and_none_on_the_background() -> None:
    found = scene((TABLE, 0.9), (CUP, 0.8), (LOGO, 0.7))
    assert click(found, (115, 125), (200, 200)) == [TABLE]
    assert click(found, (115, 125), background=((200, 200),)) == [CUP, LOGO]
    assert click(found, (115, 125), background=((140, 150),)) == [LOGO]
    assert click(found, (140, 150), background=((115, 125),)) == []


def test_where_nothing_is_no_mask_is_guessed() -> None:
    assert click(scene((TABLE, 0.9)), (10, 10)) == []
    assert click(scene(), (10, 10)) == []


def test_edges_belong_to_pixels() -> None:
    found = scene((CUP, 0.8))
    for inside in ((100, 80), (149, 179), (99.6, 79.6), (149.4, 179.4)):
        assert click(found, inside) == [CUP]
    for outside in ((99, 80), (150, 179), (149, 180)):
        assert click(found, outside) == []


def test_at_most_three_that_differ() -> None:
    alike = [((100 - i, 80 - i, 150 + i, 180 + i), 0.9 - i / 100) for i in range(2)]
    apart = [((90 - 10 * i, 70 - 10 * i, 160 + 10 * i, 190 + 10 * i), 0.5) for i in range(4)]
    found = scene(*alike, *apart)
    assert len(found) > 4
    assert click(found, (120, 120)) == [alike[0][0], apart[0][0], apart[1][0]]


def box(found: Proposals, *asked: float, point: tuple[float, float] | None = None, label: int = 1) -> Meant | None:
    points = np.array([point] if point else [], np.float32).reshape(-1, 2)
    labels = np.array([label] if point else [], np.int8)
    return by_box(found, np.array(asked, np.float32), points, labels, FreeJob())


def test_a_box_means_what_its_edges_fit_best() -> None:
    found = scene((TABLE, 0.9), (CUP, 0.5), (LOGO, 0.8))
    exact = box(found, 100, 80, 149, 179)  # centres of its first and last pixels
    assert exact is not None
    assert extent(exact) == CUP
    assert exact.predicted_iou == pytest.approx(0.5)
    loose = box(found, 90, 70, 155, 190)
    assert loose is not None
    assert extent(loose) == CUP
    assert loose.predicted_iou == pytest.approx(0.5 * 50 * 100 / (66 * 121))


def test_a_box_may_be_helped_by_points() -> None:
    found = scene((TABLE, 0.9), (CUP, 0.5), (LOGO, 0.8))
    for point, label, expected in (((115, 125), 1, CUP), ((115, 125), 0, None), ((200, 200), 1, TABLE)):
        one = box(found, 100, 80, 149, 179, point=point, label=label)
        assert (extent(one) if one else None) == expected


def test_a_box_that_nothing_overlaps_means_nothing() -> None:
    assert box(scene((CUP, 0.5)), 0, 0, 50, 50) is None
    assert box(scene(), 0, 0, 50, 50) is None


def test_a_cancelled_job_ends() -> None:
    found = scene((CUP, 0.5))
    with pytest.raises(JobAborted):
        by_points(found, np.array([[120, 120]], np.float32), np.ones(1, np.int8), CancelledJob(), several=True)
    with pytest.raises(JobAborted):
        by_box(found, np.array([100, 80, 150, 180]), np.zeros((0, 2)), np.zeros(0, np.int8), CancelledJob())
