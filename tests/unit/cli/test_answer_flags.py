"""How an answer is made, as it is typed, and what is said of text."""

from __future__ import annotations

import argparse
from functools import cache
from typing import Any

import pytest

from maskbus.cli import answer_flags, parser, text_prompt
from maskbus.cli.failure import CommandFailed
from maskbus_wire.requests import PostProcessing, TextOptions


@cache
def built() -> argparse.ArgumentParser:
    return parser.build()


def parsed(*arguments: str, command: str = "segment") -> argparse.Namespace:
    return built().parse_args([command, "photo.png", *arguments])


@pytest.mark.parametrize("command", ["segment", "everything"])
@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([], {}),
        (["--fresh", "--max-side", "640"], {"fresh": True, "max_side": 640}),
        (["--post", "fill_holes=100, smooth=1.5"], {"post": {"fill_holes": 100, "smooth": 1.5}}),
        (["--post", "remove-islands=7"], {"post": {"remove_islands": 7}}),
        (["--post", "none"], {"post": {}}),
        (["--route", "fastsam, grabcut"], {"route": {"models": ["fastsam", "grabcut"]}}),
        (["--route", "a", "--min-iou", "0.5"], {"route": {"models": ["a"], "min_predicted_iou": 0.5}}),
        (["--model", "auto", "--min-iou", "0"], {"route": {"models": [], "min_predicted_iou": 0.0}}),
    ],
)
def test_what_is_given_goes_out(command: str, arguments: list[str], expected: dict[str, Any]) -> None:
    assert answer_flags.given(parsed(*arguments, command=command)) == expected


def test_a_route_and_a_model_do_not_go_together() -> None:
    with pytest.raises(CommandFailed, match="give one of the two"):
        answer_flags.given(parsed("--route", "a,b", "--model", "a"))


@pytest.mark.parametrize(
    ("flag", "value", "words"),
    [
        ("--post", "holes=3", "max_contours"),
        ("--post", "fill_holes", "NAME=N"),
        ("--post", "", "NAME=N"),
        ("--post", "fill_holes=2.5", "a whole number"),
        ("--post", "smooth=wide", "a number of pixels"),
        ("--post", "smooth=nan", "smooth is 0 to 64"),
        ("--post", "smooth=65", "smooth is 0 to 64"),
        ("--post", "min_area=-1", "not negative"),
        ("--post", "smooth=1,smooth=2", "given twice"),
        ("--post", f"min_area={10**30}", "min_area"),
        *(("--max-side", value, "64 to 32767 pixels are wanted") for value in ("63", "32768", "0", "many", "64.5")),
        ("--route", "a,,b", "commas"),
        ("--route", "a,a", "twice"),
        ("--min-iou", "1.1", "0 to 1"),
        ("--threshold", "1.1", "-1 to 1"),
        ("--margin", "5", "0 to 4"),
        ("--top", "0", "at least 1"),
        ("--text", "  ", "no words"),
        ("--not", "", "no words"),
        ("--select", "best", "softmax"),
        ("--rank", "0", "at least 1"),
    ],
)
def test_wrong_values_are_exit_code_2(flag: str, value: str, words: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        parsed(f"{flag}={value}")
    assert ended.value.code == 2
    line = capsys.readouterr().err.splitlines()[-1]
    assert f"argument {flag}: " in line
    assert words in line


@pytest.mark.parametrize("command", ["segment", "everything", "stream", "replay"])
def test_every_step_of_post_processing_is_explained(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        built().parse_args([command, "--help"])
    words = " ".join(capsys.readouterr().out.split())
    assert all(f"{name}=" in words for name in PostProcessing.__struct_fields__)


@pytest.mark.parametrize("command", ["segment", "stream", "replay"])
def test_every_choice_by_text_has_a_flag(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        built().parse_args([command, "--help"])
    words = capsys.readouterr().out
    assert all(f"--{name} " in words for name in ("text", "not", *TextOptions.__struct_fields__))


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([], {}),
        (["--text", " a cup "], {"text": ["a cup"]}),
        (["--text", "a", "--text", "b", "--not", "c"], {"text": ["a", "b"], "negative_text": ["c"]}),
        (["--text", "a", "--top", "3"], {"text": ["a"], "text_options": {"select": "top", "top": 3}}),
        (
            ["--text", "a", "--select", "cosine", "--threshold=-0.5"],
            {"text": ["a"], "text_options": {"select": "cosine", "threshold": -0.5}},
        ),
        (
            ["--text", "a", "--combine", "union", "--background", "blur", "--margin", "0"],
            {"text": ["a"], "text_options": {"combine": "union", "background": "blur", "margin": 0.0}},
        ),
    ],
)
def test_texts_go_out_as_given(arguments: list[str], expected: dict[str, Any]) -> None:
    assert text_prompt.prompt(parsed(*arguments)) == expected


def test_a_row_has_its_own_texts_and_what_none_is_to_be_taken_for() -> None:
    arguments = parsed("--not", "a", "--not", "b")
    assert text_prompt.prompt(arguments, ["c"], ["b"]) == {"text": ["c"], "negative_text": ["b", "a"]}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--not", "a"], "--not goes with --text"),
        (["--margin", "1"], "--margin goes with --text"),
        (["--text", "a", "--top", "1", "--select", "cosine"], "--select top, not with --select cosine"),
        (["--text", "a", "--top", "1", "--threshold", "0.5"], "--threshold does not go with --top"),
        (["--text", "a", "--select", "top", "--threshold", "0.5"], "--threshold: The best few have no threshold"),
        (["--text", "a", "--threshold=-0.5"], "--threshold: Threshold is 0 to 1"),
    ],
)
def test_what_is_said_of_text_and_does_not_go_together(arguments: list[str], words: str) -> None:
    with pytest.raises(CommandFailed, match=words):
        text_prompt.prompt(parsed(*arguments))
