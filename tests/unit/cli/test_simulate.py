"""The arguments of `maskbus simulate`, its figures, and the clips that it writes."""

from __future__ import annotations

import io
import json
import time
from pathlib import Path

import pytest
from rich.console import Console

from maskbus.cli import main, simulate_figures
from maskbus.cli.parser import build
from maskbus.cli.simulate_figures import Ages, Figures, Recent


@pytest.mark.parametrize(
    "wrong",
    [
        ["--size", "640"],
        ["--size", "640x"],
        ["--size", "8x8"],
        ["--size", "9000x9000"],
        ["--cameras", "0"],
        ["--cameras", "65"],
        ["--fps", "0"],
        ["--fps", "nan"],
        ["--fps", "2000"],
        ["--stamp-offset", "soon"],
        ["--stamp-offset=inf"],
        ["--encoding", "webm"],
    ],
)
def test_what_cannot_be(wrong: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        build().parse_args(["simulate", *wrong])
    assert "error: argument" in capsys.readouterr().err


def test_arguments() -> None:
    parsed = build().parse_args(["simulate", "--size", "320×240", "--stamp-offset=-1763000000", "--fps", "12.5"])
    assert parsed.size == (320, 240)
    assert parsed.stamp_offset == -1_763_000_000
    assert parsed.fps == 12.5
    assert build().parse_args(["simulate"]).size == (640, 480)


def test_a_clip_is_written_without_a_node(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "clip.mp4"
    assert main(["simulate", "--write", str(path), "--seconds", "0.5", "--fps", "10", "--size", "64x48"]) == 0
    output = capsys.readouterr().out
    assert f"written: {path}\n" in output
    assert "first object is at " in output
    truth = tmp_path / "clip-truth"
    assert json.loads((truth / "clip.json").read_text())["frames"] == 5
    assert sorted(file.name for file in truth.iterdir()) == [*(f"{i:05}.png" for i in range(5)), "clip.json"]


@pytest.mark.parametrize(
    ("name", "words"), [("clip.avi", "--write writes an .mp4 file"), ("none/clip.mp4", "there is no directory")]
)
def test_a_clip_that_cannot_be_written(
    tmp_path: Path, name: str, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["simulate", "--write", str(tmp_path / name)]) == 1
    output = capsys.readouterr()
    assert words in output.err
    assert output.err.count("\n") == 1


def figures(name: str, compared: int, iou: float | None) -> Figures:
    return Figures(
        name=name,
        due=100,
        late=2,
        sent=98,
        results=90,
        dropped={"newer": 8},
        errors=0,
        reopened=1,
        age_ms=12.4,
        compared=compared,
        iou=iou,
    )


def test_the_mean_is_over_results_and_not_over_cameras() -> None:
    cameras = [figures("cam0", 30, 0.9), figures("cam1", 10, 0.5), figures("cam2", 0, None)]
    assert simulate_figures.mean_iou(cameras) == pytest.approx(0.8)
    assert simulate_figures.mean_iou([figures("cam2", 0, None)]) is None
    line = simulate_figures.line(cameras, 5.0)
    assert line.startswith("3 cameras, 5 s: 294 frames sent, 6 too late to be made, 270 results, 24 dropped")
    assert line.endswith("mean IoU 0.800")


@pytest.mark.parametrize("rates", [True, False])
def test_the_table(rates: bool) -> None:
    console = Console(file=io.StringIO(), width=120)
    console.print(simulate_figures.table([figures("cam[0]", 30, 0.9), figures("cam1", 0, None)], rates=rates))
    assert isinstance(console.file, io.StringIO)
    text = console.file.getvalue()
    assert "cam[0]" in text
    assert "newer: 8; opened again: 1" in text
    assert ("results/s" in text) is rates


def test_rates_and_ages(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    recent = Recent()
    assert recent.rate(0) == 0
    for step in range(1, 41):
        now = 100.0 + step / 2
        rate = recent.rate(15 * step if step < 20 else 300)
    assert rate == 0
    ages = Ages()
    assert ages.median() is None
    for age in range(1000):
        ages.add(age)
    assert ages.median() == pytest.approx(871.5)
