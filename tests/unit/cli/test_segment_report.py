"""What is printed and painted of an answer about text, and of one that came another way than it was asked."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from rich.console import Console

from maskbus.cli import segment_report, tables, text_pictures
from maskbus.cli.segment_answer import Answer
from maskbus.cli.text_ranking import Proposal, Ranking
from maskbus_client.results import Result
from maskbus_wire import geometry, replies, rle

HEIGHT, WIDTH = 120, 160


def masks(*boxes: tuple[int, int, int, int], label: str | None = "[b]cup[/b]", **answer: object) -> Result:
    """Return an answer with one filled box, x, y, width, height, a mask; the first is the most similar one."""
    found = []
    for i, (x, y, width, height) in enumerate(boxes):
        mask = np.zeros((HEIGHT, WIDTH), np.bool_)
        mask[y : y + height, x : x + width] = True
        found.append(
            replies.Mask(
                bbox=geometry.bbox(mask),
                area=int(mask.sum()),
                predicted_iou=0.9,
                stability_score=0.8,
                rle=replies.Rle(size=mask.shape, counts=rle.encode(mask)),
                label=label,
                similarity=0.3 - i / 10,
                probability=None if i else 0.75,
            )
        )
    timings = replies.Timings(total_ms=12.0)
    reply = replies.Masks(model="fake", masks=found, width=WIDTH, height=HEIGHT, timings=timings, **answer)
    return Result(reply, [])


def ranking(result: Result, chosen: int, *, is_answer: bool = True) -> Ranking:
    proposals = [
        Proposal(mask, i < chosen, mask.label or "", mask.similarity or 0.0, mask.probability)
        for i, mask in enumerate(result)
    ]
    return Ranking(proposals, is_answer)


def score(text: str, masks: int, proposals: int) -> replies.TextScore:
    seen = {"similarity": 0.1234, "probability": 0.02} if proposals else {}
    return replies.TextScore(text=text, masks=masks, proposals=proposals, **seen)


def printed(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    result: Result,
    ranked: Ranking | None = None,
    width: int = 120,
    best: int = 10,
) -> list[str]:
    def console() -> Console:
        return Console(width=width, highlight=False)

    monkeypatch.setattr(tables, "console", console)
    segment_report.print_report(Answer(result, ranked, "tcp://x", 15.0), {"picture": ["a.png"]}, best=best)
    return [line.rstrip() for line in capsys.readouterr().out.splitlines()]


BOXES = [(10, 20, 30, 40), (60, 20, 30, 40), (100, 70, 20, 10)]


def test_a_ranking_has_a_line_a_proposal(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    scores = [score("[b]cup[/b]", 1, 3), score("dog", 0, 3)]
    result = masks(*BOXES[:1], scores=scores)
    lines = printed(monkeypatch, capsys, result, ranking(masks(*BOXES), 1), best=2)
    assert lines[0].split() == [
        "#",
        "similarity",
        "probability",
        "left",
        "top",
        "width",
        "height",
        "area",
        "share",
        "text",
    ]
    assert lines[2].split() == ["1", "✓", "0.300", "0.750", "10", "20", "30", "40", "1200", "6.2", "%", "[b]cup[/b]"]
    assert lines[3].split() == ["2", "0.200", "60", "20", "30", "40", "1200", "6.2", "%", "[b]cup[/b]"]
    assert lines[4:] == [
        "and 1 more, less similar",
        "[b]cup[/b]: 1 mask, of 3 that were looked at",
        "dog: nothing; of 3 masks that were looked at the best has a similarity of 0.123 and a probability of 0.020",
        "fake: 12.0 ms in the node, 15.0 ms round trip",
        "written: a.png",
    ]


@pytest.mark.parametrize("width", [80, 120])
def test_a_ranking_fits(width: int) -> None:
    result = masks(*BOXES, scores=[score("a cup", 1, 3)])
    console = Console(width=width, file=io.StringIO())
    console.print(segment_report.ranking_table(ranking(result, 1), result, 10))
    assert isinstance(console.file, io.StringIO)
    head, _, *rows = console.file.getvalue().splitlines()
    assert len(rows) == 3
    assert "similarity" in head
    assert not any("…" in row for row in [head, *rows])


def test_combined_masks_have_a_table_of_their_own(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    result = masks((10, 20, 80, 40), label="a cup", scores=[score("a cup", 2, 3)])
    lines = printed(monkeypatch, capsys, result, ranking(masks(*BOXES), 2, is_answer=False))
    assert lines[5:7] == ["a cup: 2 masks, of 3 that were looked at; 1 in the answer", "The answer:"]
    assert "predicted IoU" in lines[7]
    assert "3200" in lines[9]


def test_where_post_processing_has_left_none_no_table_is_empty(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    result = masks(scores=[score("a cup", 2, 3)])
    lines = printed(monkeypatch, capsys, result, ranking(masks(*BOXES), 2, is_answer=False))
    assert lines[5:7] == [
        "a cup: 2 masks, of 3 that were looked at; none in the answer",
        "fake: 12.0 ms in the node, 15.0 ms round trip",
    ]


def test_what_is_more_like_something_unwanted_says_what(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    result = masks(BOXES[0], label="a cup", scores=[score("a cup", 1, 3)])
    first, second, third = ranking(masks(*BOXES), 1).proposals
    ranked = Ranking([first, replace(second, more_like="a [b]plate[/b]"), third], True)
    lines = printed(monkeypatch, capsys, result, ranked)
    assert lines[0].endswith("more like")
    assert [line.endswith("a [b]plate[/b]") for line in lines[2:5]] == [False, True, False]
    plain = segment_report.plain(Answer(result, ranked, "tcp://x", 15.0), {}, best=2)
    assert [one.get("more_like") for one in plain["ranking"]] == [None, "a [b]plate[/b]"]


def test_where_there_was_nothing_to_look_at(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    result = masks(scores=[score("a cup", 0, 0)])
    lines = printed(monkeypatch, capsys, result, Ranking([], True))
    assert lines[0] == "a cup: nothing; there was no mask to look at"


def test_which_models_have_not_answered_is_said(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    tried = [
        replies.Attempt(model="fastsam", code="model_unavailable", message="Its [weights] are missing."),
        replies.Attempt(model="sam", code="deadline_exceeded", message="It took too long.", ms=1234.5),
    ]
    lines = printed(monkeypatch, capsys, masks(tried=tried, notes=["Half the points."], reused=True))
    assert lines[:5] == [
        "No masks.",
        "Half the points.",
        "not by fastsam: Its [weights] are missing.",
        "not by sam after 1234 ms: It took too long.",
        "The node had this answer already.",
    ]


def test_json_has_all_of_it() -> None:
    tried = [replies.Attempt(model="fastsam", code="busy", message="Busy.", ms=1.0)]
    result = masks(BOXES[0], scores=[score("cup", 1, 3)], tried=tried, reused=True)
    plain = segment_report.plain(Answer(result, ranking(masks(*BOXES), 1), "tcp://x", 15.0), {}, best=2)
    assert plain["tried"] == [{"model": "fastsam", "code": "busy", "message": "Busy.", "ms": 1.0}]
    assert plain["reused"] is True
    assert plain["scores"][0] == {"text": "cup", "masks": 1, "proposals": 3, "similarity": 0.1234, "probability": 0.02}
    assert (plain["masks"][0]["similarity"], plain["masks"][0]["probability"]) == (0.3, 0.75)
    assert [(one["chosen"], one["bbox"]) for one in plain["ranking"]] == [
        (True, list(BOXES[0])),
        (False, list(BOXES[1])),
    ]


def test_json_without_text_has_no_scores() -> None:
    plain = segment_report.plain(Answer(masks(BOXES[0], label=None), None, "tcp://x", 15.0), {}, best=2)
    assert "scores" not in plain
    assert "ranking" not in plain
    assert "probability" not in plain["masks"][0]


def shaded() -> np.ndarray:
    return np.random.default_rng(3).integers(1, 255, (HEIGHT, WIDTH, 3), np.uint8)


def inside(boxes: Sequence[tuple[int, int, int, int]]) -> np.ndarray:
    return masks(*boxes).to_array().any(0)


def test_what_is_referred_to_is_on_black() -> None:
    picture = shaded()
    found = text_pictures.referred(picture, masks(*BOXES[:2]))
    where = inside(BOXES[:2])
    assert found.dtype == np.uint8
    assert np.array_equal(found[where], picture[where])
    assert not found[~where].any()
    assert not text_pictures.referred(picture, []).any()


def test_proposals_bear_their_numbers() -> None:
    picture = np.full((HEIGHT, WIDTH, 3), 90, np.uint8)
    found = masks(*BOXES)
    plain, one, two, chosen = (
        text_pictures.proposals(picture, ranking(found, of), best=best) for best, of in ((0, 0), (1, 0), (2, 0), (2, 1))
    )
    assert np.array_equal(plain[~inside(BOXES)], picture[~inside(BOXES)])
    assert len(np.unique(plain[inside(BOXES)], axis=0)) >= 3  # each in a colour of its own
    first, second = inside(BOXES[:1]), inside(BOXES[1:2])
    changed = (plain != one).any(2)
    assert changed[first].any()
    assert not changed[~first].any()
    assert (one != two).any(2)[second].any()
    # The number of one that was chosen is black on white.
    assert (two[first] == 0).all(1).sum() > (two[first] == 255).all(1).sum()
    assert (chosen[first] == 255).all(1).sum() > (chosen[first] == 0).all(1).sum()


def test_a_proposal_without_pixels_is_no_error() -> None:
    found = masks((5, 5, 0, 0), BOXES[0])
    assert text_pictures.proposals(shaded(), ranking(found, 2), best=2).shape == (HEIGHT, WIDTH, 3)


def test_a_number_lies_in_its_mask() -> None:
    mask = np.zeros((HEIGHT, WIDTH), np.bool_)
    mask[10:110, 10:20] = mask[100:110, 10:150] = True  # an L, whose middle is beside it
    x, y = text_pictures._middle(mask)
    assert mask[round(y), round(x)]


def test_a_number_lies_where_its_mask_is_seen() -> None:
    whole, part = (20, 10, 120, 100), (40, 20, 80, 80)  # the one in the middle of the other
    picture = np.full((HEIGHT, WIDTH, 3), 90, np.uint8)
    found = masks(whole, part)
    plain, numbered = (text_pictures.proposals(picture, ranking(found, 0), best=best) for best in (0, 1))
    changed = (plain != numbered).any(2)
    assert changed.any()
    assert not changed[inside([(50, 30, 60, 60)])].any()
