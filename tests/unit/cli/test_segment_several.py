"""Several questions, with a client that fails when it is told to."""

from __future__ import annotations

import contextlib
import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from maskbus.cli import connection, main, own_node, some_node
from maskbus_client.errors import DeadlineExceeded, InvalidImage, MaskbusError, NodeUnreachable
from maskbus_client.results import Result
from maskbus_wire import replies, rle


class FakeClient:
    """Finds the same square everywhere, and is asked for more only where it has scores."""

    endpoint = "tcp://127.0.0.1:1"

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []
        self.errors: dict[str, BaseException] = {}
        self.scores: list[replies.TextScore] = []

    def segment(self, image: bytes, **asked: Any) -> Result:
        self.asked.append(asked)
        if asked["text"][0] in self.errors:
            raise self.errors[asked["text"][0]]
        mask = np.zeros((40, 60), np.bool_)
        mask[10:20, 10:30] = True
        found = replies.Mask(
            bbox=(10, 10, 20, 10),
            area=200,
            predicted_iou=0.9,
            stability_score=0.8,
            rle=replies.Rle(size=mask.shape, counts=rle.encode(mask)),
            label=asked["text"][0],
        )
        timings = replies.Timings()
        reply = replies.Masks(model="fake", masks=[found], width=60, height=40, timings=timings, scores=self.scores)
        return Result(reply, [])


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> FakeClient:
    fake = FakeClient()

    @contextlib.contextmanager
    def found(endpoint: str | None, model: str) -> Iterator[tuple[FakeClient, str, bool]]:
        yield fake, fake.endpoint, False

    monkeypatch.setattr(some_node, "client", found)
    monkeypatch.chdir(tmp_path)
    Image.fromarray(np.full((40, 60, 3), 90, np.uint8)).save("a.png")
    Path("prompts.txt").write_text("one\ntwo\nthree\n")
    return fake


def results() -> list[tuple[str, str, str]]:
    with Path("a-masks/results.csv").open(encoding="utf-8", newline="") as file:
        return [(row["prompt"], row["left"], row["error"]) for row in csv.DictReader(file)]


ALL = ["segment", "a.png", "--text-file", "prompts.txt"]


def test_what_is_said_for_all_goes_out_with_each(client: FakeClient) -> None:
    flags = "--model sam --not four --top 2 --post smooth=2 --deadline 9 --encoding png --fresh"
    assert main([*ALL, *flags.split()]) == 0
    assert [asked.pop("text") for asked in client.asked] == [["one"], ["two"], ["three"]]
    assert client.asked[1] == {
        "negative_text": ["four"],
        "text_options": {"select": "top", "top": 2},
        "model": "sam",
        "encoding": ["png"],
        "multimask": False,
        "post": {"smooth": 2.0},
        "deadline": 9.0,
        "fresh": True,
    }


def test_a_model_that_says_nothing_of_proposals_is_not_asked_for_them(
    client: FakeClient, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["segment", "a.png", "--text", "one", "-o", "out.png"]) == 0
    assert len(client.asked) == 1
    assert "label" in capsys.readouterr().out.splitlines()[0]
    assert sorted(path.name for path in Path().glob("out*")) == ["out-referred.png", "out.png"]


def test_all_that_was_looked_at_is_asked_for_the_same_way(client: FakeClient) -> None:
    client.scores = [replies.TextScore(text="one", masks=1, proposals=1)]
    flags = "--not two --route a,b --margin 0.5 --background blur --top 3 --max-side 640 --fresh --post smooth=1"
    assert main(["segment", "a.png", "--text", "one", *flags.split()]) == 0
    first, second, third = client.asked
    assert first["route"] == {"models": ["a", "b"]}
    assert second == {
        "text": ["one"],
        "text_options": {"margin": 0.5, "background": "blur", "select": "cosine", "threshold": -1.0, "combine": "each"},
        "model": "fake",
        "encoding": "rle",
        "multimask": False,
        "post": {},
        "max_side": 640,
        "deadline": 600.0,
    }
    assert third == {**second, "text": ["two"]}


def test_an_error_is_one_answers_own(client: FakeClient, capsys: pytest.CaptureFixture[str]) -> None:
    client.errors = {"two": InvalidImage("It cannot be decoded.")}
    assert main(ALL) == 1
    output = capsys.readouterr()
    assert output.out.splitlines() == [
        "a.png: 1 mask",
        "a.png: 1 mask",
        "Found 2 masks in 2 answers; 1 failed.",
        "written: a-masks, with results.csv",
    ]
    assert output.err == "maskbus: a.png: It cannot be decoded.\n"
    assert results() == [("one", "10", ""), ("two", "", "It cannot be decoded."), ("three", "10", "")]


def test_errors_stand_in_the_json_as_well(client: FakeClient, capsys: pytest.CaptureFixture[str]) -> None:
    client.errors = {"two": DeadlineExceeded("It took too long.")}
    assert main([*ALL, "--json"]) == 1
    plain = json.loads(capsys.readouterr().out)
    assert [one["prompt"] for one in plain] == [["one"], ["two"], ["three"]]
    assert plain[1]["error"].startswith("It took too long.")
    assert plain[2]["masks"][0]["area"] == 200


@pytest.mark.parametrize("error", [NodeUnreachable("Nobody answered."), MaskbusError("…"), KeyboardInterrupt()])
def test_what_was_answered_before_the_end_is_kept(
    client: FakeClient, error: BaseException, capsys: pytest.CaptureFixture[str]
) -> None:
    client.errors = {"two": error}
    code = main(ALL)
    output = capsys.readouterr()
    assert results()[0] == ("one", "10", "")
    if isinstance(error, KeyboardInterrupt):
        assert (code, output.err) == (130, "")
    else:
        assert code == 1
        assert str(error) in output.err
    goes_on = type(error) is MaskbusError
    assert len(client.asked) == (3 if goes_on else 2)
    assert f"Found {1 + goes_on} mask" in output.out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["in"], "in is a folder: say with --text what to look for in its pictures."),
        (["in", "--text", "x", "--point", "1,1"], "--point is for one picture"),
        (["in", "--text", "x", "--mask", "m.png"], "--mask is for one picture"),
        (["in", "--text", "x", "--mask-out", "m.png"], "--mask-out is for one picture"),
        (["in", "--text", "x", "--proposals", "m.png"], "--proposals is for one picture"),
        (["in", "--text", "x", "-o", "in"], "--out in would overwrite in/a.png, which is to be segmented."),
        (["in", "--text", "x", "-o", "in/a.png"], "--out in/a.png is a file"),
        (["in", "--text", "x", "-o", "none/out"], "there is no directory none"),
        (["in", "--text", "x", "--top", "1", "--threshold", "1"], "--threshold does not go with --top"),
        (["empty", "--text", "x"], "There is no JPEG, PNG or WebP file in empty"),
        (["--text-file", "none.csv"], "none.csv: No such file"),
        (["--text-file", "p.txt"], "name a picture or a folder of pictures as well"),
        (["in", "--text-file", "p.csv"], "p.csv names the pictures: leave out in."),
        (["in", "--text-file", "p.txt", "--text", "x"], "leave out --text"),
        (["--text-file", "p.csv"], "p.csv, line 2: There is no picture none.png."),
        (["in/a.png", "--proposals", "p.png"], "--proposals goes with --text"),
        (
            ["in/a.png", "--text", "x", "--referred", "o.png", "-o", "o.png"],
            "--out and --referred would both write o.png",
        ),
        (["in/a.png", "--text", "x", "-o", "none/o.png"], "there is no directory none"),
        (["in/a.png", "--not", "x"], "--not goes with --text"),
        (["in/a.png", "--route", "a", "--model", "b", "--text", "x"], "give one of the two"),
    ],
)
def test_what_cannot_be_is_said_before_a_node_is_needed(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    words: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def unwanted(*arguments: object, **named: object) -> None:
        raise AssertionError("a node was looked for")

    monkeypatch.setattr(connection, "look", unwanted)
    monkeypatch.setattr(own_node, "running", unwanted)
    monkeypatch.chdir(tmp_path)
    Path("in").mkdir()
    Path("empty").mkdir()
    Image.fromarray(np.zeros((4, 4, 3), np.uint8)).save("in/a.png")
    Path("p.csv").write_text("image,prompt\nnone.png,x\n")
    Path("p.txt").write_text("x\n")
    assert main(["segment", *arguments]) == 1
    output = capsys.readouterr()
    assert output.out == ""
    assert words in output.err
    assert output.err.count("\n") == 1


def test_nothing_is_called_written_that_is_not(client: FakeClient, capsys: pytest.CaptureFixture[str]) -> None:
    Path("out").symlink_to("nowhere/at/all")
    assert main(["segment", "a.png", "--text-file", "prompts.txt", "-o", "out"]) == 1
    captured = capsys.readouterr()
    assert "written" not in captured.out
    assert "out: File exists" in captured.err
    assert "Traceback" not in captured.err
