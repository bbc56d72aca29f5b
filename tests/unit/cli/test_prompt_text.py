"""Points, boxes and numbers as they are typed."""

from __future__ import annotations

import argparse

import pytest

from maskbus.cli import prompt_text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("3,4", (3.0, 4.0, 1)),
        ("3.5,4,1", (3.5, 4.0, 1)),
        (" 3 , 4 , 0 ", (3.0, 4.0, 0)),
        ("1e2,0", (100.0, 0.0, 1)),
    ],
)
def test_a_point_is_read(text: str, expected: prompt_text.Point) -> None:
    assert prompt_text.point(text) == expected


@pytest.mark.parametrize("text", ["", "3", "3,", "3,4,2", "3,4,1,1", "x,4", "nan,4", "3,inf", "3;4"])
def test_what_is_no_point_is_refused(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError):
        prompt_text.point(text)


def test_a_box_is_read() -> None:
    assert prompt_text.box("1,2,3.5,4") == (1.0, 2.0, 3.5, 4.0)


@pytest.mark.parametrize("text", ["1,2,3", "1,2,3,4,5", "3,2,1,4", "1,4,3,4", "a,2,3,4", "1,2,3,nan"])
def test_what_is_no_box_is_refused(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError):
        prompt_text.box(text)


def test_a_box_by_width_and_height_is_explained() -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="not width and height"):
        prompt_text.box("100,100,50,50")


@pytest.mark.parametrize("text", ["0", "-1", "soon", "inf"])
def test_what_is_no_span_of_time_is_refused(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError):
        prompt_text.seconds(text)


@pytest.mark.parametrize("text", ["0", "-1", "1.5", "many"])
def test_what_is_no_count_is_refused(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError):
        prompt_text.count(text)


def test_times_and_counts_are_read() -> None:
    assert prompt_text.seconds("0.5") == 0.5
    assert prompt_text.count("3") == 3
