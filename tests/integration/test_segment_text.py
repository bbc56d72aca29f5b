"""`maskbus segment` by text against a real node, whose model knows colours by their names."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from maskbus.cli import main, some_node
from maskbus.handlers.echo import EchoHandler
from maskbus.testing import node as node_in_here
from maskbus_wire import rle
from support.colour_text import ColourText

ANYWHERE = ["tcp://127.0.0.1:*"]
COLOURS = {"red": (230, 30, 30), "orange": (230, 110, 40), "blue": (40, 60, 230), "white": (240, 240, 240)}
SIDE = 30


class CountingText(ColourText):
    """Count the pictures that were looked at."""


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in [name for name in os.environ if name.startswith("MASKBUS_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    handlers = {"echo": EchoHandler, "text": CountingText}
    with node_in_here(handlers, bind=ANYWHERE, publish=ANYWHERE, cache="none") as running:
        yield running.endpoint


@dataclass
class Done:
    stdout: str
    stderr: str


def maskbus(endpoint: str, *arguments: str, code: int = 0) -> Done:
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        assert main([*arguments, "--endpoint", endpoint]) == code, err.getvalue()
    assert "Traceback" not in err.getvalue()
    return Done(out.getvalue(), err.getvalue())


def scene(path: str, *names: str) -> np.ndarray:
    """Write a picture of squares side by side, and return its pixels."""
    pixels = np.full((60, 20 + 50 * len(names), 3), 12, np.uint8)
    for i, name in enumerate(names):
        pixels[15 : 15 + SIDE, 20 + 50 * i : 20 + 50 * i + SIDE] = COLOURS[name]
    Image.fromarray(pixels).save(path)
    return pixels


def square(at: int, width: int) -> np.ndarray:
    mask = np.zeros((60, width), np.bool_)
    mask[15 : 15 + SIDE, 20 + 50 * at : 20 + 50 * at + SIDE] = True
    return mask


def pixels_of(path: str | Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image)


def test_a_text_has_a_ranking_and_three_pictures(endpoint: str) -> None:
    before = scene("photo.png", "white", "red", "blue")
    done = maskbus(endpoint, "segment", "photo.png", "--text", "a red thing", "-o", "out.png")
    assert done.stderr == ""
    lines = done.stdout.splitlines()
    ranked = [line.split() for line in lines[2:5]]
    assert [(row[0], row[1] == "✓", row[-7]) for row in ranked] == [
        ("1", True, "70"),
        ("2", False, "20"),
        ("3", False, "120"),
    ]
    assert lines[5] == "a red thing: 1 mask, of 3 that were looked at"
    assert lines[6].startswith("text: ")
    assert lines[7:] == ["written: out.png", "written: out-referred.png", "written: out-proposals.png"]
    red = square(1, before.shape[1])
    referred, overlay, proposals = (pixels_of(f"out{kind}.png") for kind in ("-referred", "", "-proposals"))
    assert np.array_equal(referred, np.where(red[:, :, None], before, 0))
    assert (overlay != before).any(2)[red].all()
    assert not (overlay != before).any(2)[~red].any()
    everything = red | square(0, before.shape[1]) | square(2, before.shape[1])
    assert (proposals != before).any(2)[everything].mean() > 0.95
    assert not (proposals != before).any(2)[~everything].any()


def test_the_ranking_costs_no_second_look(endpoint: str) -> None:
    scene("photo.png", "red", "white", "orange")
    before = CountingText.embedded
    maskbus(endpoint, "segment", "photo.png", "--text", "red")
    assert sorted(path.name for path in Path().glob("*-*.png")) == [
        "photo-masks.png",
        "photo-proposals.png",
        "photo-referred.png",
    ]
    assert CountingText.embedded == before + 1


def test_json_has_the_scores_and_writes_nothing_unasked(endpoint: str) -> None:
    scene("photo.png", "red", "orange", "blue")
    flags = ["--text", "red", "--text", "blue", "--not", "white", "--select", "cosine", "--threshold", "0.8"]
    plain = json.loads(maskbus(endpoint, "segment", "photo.png", *flags, "--rank", "2", "--json").stdout)
    assert [path.name for path in Path().iterdir()] == ["photo.png"]
    assert [(mask["label"], mask["bbox"][0]) for mask in plain["masks"]] == [("red", 20), ("red", 70), ("blue", 120)]
    assert all(0 <= mask["probability"] <= 1 and mask["similarity"] >= 0.8 for mask in plain["masks"])
    assert [(score["text"], score["masks"], score["proposals"]) for score in plain["scores"]] == [
        ("red", 2, 3),
        ("blue", 1, 3),
    ]
    assert [(one["chosen"], one["label"]) for one in plain["ranking"]] == [(True, "red"), (True, "blue")]
    assert rle.decode(plain["ranking"][0]["rle"]["counts"], 60, 170)[30, 30]
    assert (plain["reused"], plain["tried"]) == (False, [])


def test_masks_that_were_combined_say_what_of(endpoint: str) -> None:
    before = scene("photo.png", "red", "blue", "orange")
    flags = ["--text", "red", "--top", "2", "--combine", "union", "--post", "smooth=1"]
    done = maskbus(
        endpoint, "segment", "photo.png", *flags, "-o", "out.png", "--mask-out", "mask.png", "--referred", "r.png"
    )
    lines = [line.split() for line in done.stdout.splitlines()]
    assert [row[1] == "✓" for row in lines[2:5]] == [True, True, False]
    assert "red: 2 masks, of 3 that were looked at" in done.stdout
    assert sorted(path.name for path in Path().iterdir()) == [
        "mask.png",
        "out-proposals.png",
        "out.png",
        "photo.png",
        "r.png",
    ]
    both = square(0, before.shape[1]) | square(2, before.shape[1])
    assert (both & (pixels_of("mask.png") == 255)).sum() > 0.9 * both.sum()


@pytest.mark.parametrize("encoding", ["overlay", "polygon", "labels", "png"])
def test_what_was_chosen_is_known_however_masks_travel(endpoint: str, encoding: str) -> None:
    scene("photo.png", "blue", "red")
    flags = ["--text", "red", "--encoding", encoding, "--json"]
    plain = json.loads(maskbus(endpoint, "segment", "photo.png", *flags).stdout)
    assert [(one["chosen"], one["bbox"][0]) for one in plain["ranking"]] == [(True, 70), (False, 20)]


def test_what_is_not_to_be_taken_for_it_is_ranked_but_not_chosen(endpoint: str) -> None:
    scene("photo.png", "orange", "blue")
    flags = ["--text", "red", "--select", "cosine", "--threshold", "0.8", "--json"]
    plain = json.loads(maskbus(endpoint, "segment", "photo.png", *flags).stdout)
    assert (plain["ranking"][0]["chosen"], plain["ranking"][0]["bbox"][0]) == (True, 20)
    plain = json.loads(maskbus(endpoint, "segment", "photo.png", *flags, "--not", "yellow").stdout)
    assert plain["masks"] == []
    assert (plain["ranking"][0]["chosen"], plain["ranking"][0]["bbox"][0]) == (False, 20)
    assert [one["more_like"] for one in plain["ranking"]] == ["yellow", "yellow"]
    plain = json.loads(maskbus(endpoint, "segment", "photo.png", *flags, "--not", "green").stdout)
    assert [one.get("more_like") for one in plain["ranking"]] == [None, "green"]


def test_what_post_processing_leaves_out_is_said(endpoint: str) -> None:
    pixels = scene("photo.png", "red", "blue", "orange")
    pixels[20:40, 125:145] = 12
    Image.fromarray(pixels).save("photo.png")
    flags = ["--text", "red", "--select", "cosine", "--threshold", "0.8", "--post", "min_area=600", "-o", "o.png"]
    lines = maskbus(endpoint, "segment", "photo.png", *flags).stdout.splitlines()
    assert [line.split()[1] == "✓" for line in lines[2:5]] == [True, True, False]
    assert lines[5:7] == ["red: 2 masks, of 3 that were looked at; 1 in the answer", "The answer:"]
    assert lines[9].split()[:6] == ["0", "20", "15", "30", "30", "900"]


def test_nothing_found_says_how_near_the_best_one_was(endpoint: str) -> None:
    before = scene("photo.png", "red", "blue")
    done = maskbus(
        endpoint, "segment", "photo.png", "--text", "green", "--select", "cosine", "--threshold", "0.9", "-o", "o.png"
    )
    assert "green: nothing; of 2 masks that were looked at the best has a similarity of 0." in done.stdout
    assert not pixels_of("o-referred.png").any()
    assert np.array_equal(pixels_of("o.png"), before)
    assert (pixels_of("o-proposals.png") != before).any()


def test_a_picture_without_anything_in_it(endpoint: str) -> None:
    scene("photo.png")
    done = maskbus(endpoint, "segment", "photo.png", "--text", "red", "-o", "o.png")
    assert done.stdout.splitlines()[0] == "red: nothing; there was no mask to look at"
    assert not pixels_of("o-referred.png").any()


def test_the_same_question_again_and_afresh() -> None:
    scene("photo.png", "red", "white")
    asked = ("segment", "photo.png", "--text", "red")
    with node_in_here({"text": ColourText}, bind=ANYWHERE, publish=ANYWHERE) as running:
        reused = ["node had this answer" in maskbus(running.endpoint, *asked).stdout for _ in range(2)]
        assert reused == [False, True]
        assert "node had this answer" not in maskbus(running.endpoint, *asked, "--fresh").stdout
        Path("in").mkdir()
        Path("in/a.png").write_bytes(Path("photo.png").read_bytes())
        done = maskbus(running.endpoint, "segment", "in", "--text", "red", "--text", "white")
        assert "Found 2 masks in 1 answer.\n" in done.stdout
        done = maskbus(running.endpoint, "segment", "in", "--text", "red")
        assert "Found 1 mask in 1 answer, 1 of which the node had already.\n" in done.stdout


def test_a_route_says_who_has_not_answered(endpoint: str) -> None:
    scene("photo.png", "red", "blue")
    done = maskbus(endpoint, "segment", "photo.png", "--text", "red", "--route", "gone,text", "--rank", "1")
    assert "not by gone: There is no model 'gone'" in done.stdout
    assert "\ntext: " in done.stdout
    done = maskbus(endpoint, "segment", "photo.png", "--text", "red", "--route", "gone", code=1)
    assert "gone: There is no model 'gone'" in done.stderr
    assert done.stderr.count("\n") == 1


def results(directory: str) -> list[dict[str, Any]]:
    with Path(directory, "results.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_a_folder_of_pictures(endpoint: str) -> None:
    Path("in").mkdir()
    scene("in/a.png", "red", "blue")
    scene("in/b [1].png", "blue", "white", "red")
    Path("in/c.jpg").write_text("no picture")
    done = maskbus(endpoint, "segment", "in", "--text", "red", "-o", "out", code=1)
    assert done.stdout.splitlines() == [
        "a.png: red: 1 mask, of 2 that were looked at",
        "b [1].png: red: 1 mask, of 3 that were looked at",
        "Found 2 masks in 2 answers; 1 failed.",
        "written: out, with results.csv",
    ]
    assert done.stderr == "maskbus: c.jpg: in/c.jpg is not a JPEG, PNG or WebP picture.\n"
    assert sorted(path.name for path in Path("out").iterdir()) == [
        *("a-proposals.png", "a-referred.png", "a.png"),
        *("b [1]-proposals.png", "b [1]-referred.png", "b [1].png"),
        "results.csv",
    ]
    found = results("out")
    assert [(row["image"], row["rank"], row["chosen"], row["left"]) for row in found[:3]] == [
        ("in/a.png", "1", "1", "20"),
        ("in/a.png", "2", "0", "70"),
        ("in/b [1].png", "1", "1", "120"),
    ]
    assert found[-1]["error"] == "in/c.jpg is not a JPEG, PNG or WebP picture."


def test_a_table_of_prompts(endpoint: str) -> None:
    Path("in").mkdir()
    scene("in/a.png", "red", "blue", "white")
    Path("in/prompts.csv").write_text("image,prompt,not\na.png,red,\na.png,white,blue\nnone.png,red,\na.png,,\n")
    done = maskbus(endpoint, "segment", "--text-file", "in/prompts.csv", "--rank", "1", code=1)
    assert "Found 2 masks in 2 answers; 2 failed.\n" in done.stdout
    assert done.stderr.splitlines() == [
        "maskbus: in/prompts.csv, line 4: There is no picture in/none.png.",
        "maskbus: in/prompts.csv, line 5: It has no prompt.",
    ]
    assert len(list(Path("prompts-masks").glob("a-*.png"))) == 6
    assert [(row["prompt"], row["not"], row["left"], bool(row["error"])) for row in results("prompts-masks")] == [
        ("red", "", "20", False),
        ("white", "blue", "120", False),
        ("red", "", "", True),
        ("", "", "", True),
    ]
    assert {row["picture"] for row in results("prompts-masks")[:2]} == {
        str(Path("prompts-masks/a-red.png")),
        str(Path("prompts-masks/a-white.png")),
    }


def test_a_prompt_a_line_as_json(endpoint: str) -> None:
    scene("photo.png", "red", "blue")
    Path("prompts.txt").write_text("red\n\nblue\n")
    done = maskbus(endpoint, "segment", "photo.png", "--text-file", "prompts.txt", "--json")
    plain = json.loads(done.stdout)
    assert [(one["image"], one["prompt"], one["masks"][0]["label"]) for one in plain] == [
        ("photo.png", ["red"], "red"),
        ("photo.png", ["blue"], "blue"),
    ]
    assert sorted(path.name for path in Path().iterdir()) == ["photo.png", "prompts.txt"]


def test_what_no_row_would_be_spared_ends_it(endpoint: str) -> None:
    Path("in").mkdir()
    scene("in/a.png", "red")
    scene("in/b.png", "red")
    done = maskbus(endpoint, "segment", "in", "--text", "red", "--model", "gone", code=1)
    assert done.stdout == ""
    assert done.stderr.startswith("maskbus: There is no model 'gone'")
    assert done.stderr.count("\n") == 1
    assert not Path("in-masks").exists()


def test_a_stream_by_text(endpoint: str) -> None:
    Path("in").mkdir()
    for name in ("a", "b"):
        scene(f"in/{name}.png", "red", "blue", "white")
    flags = ["--text", "white", "--text", "red", "--not", "blue", "--top", "1", "--post", "min_area=10"]
    done = maskbus(endpoint, "stream", "in", *flags, "--json", "out.json")
    assert "in: 2 frames, 4 masks, 0 dropped\n" in done.stdout
    plain = json.loads(Path("out.json").read_text())
    assert sorted((one["image_id"], one["label"], one["bbox"][0]) for one in plain["annotations"]) == [
        *((1, "red", 20), (1, "white", 120)),
        *((2, "red", 20), (2, "white", 120)),
    ]


def test_a_node_of_its_own_offers_the_model_for_texts(monkeypatch: pytest.MonkeyPatch, capfd: Any) -> None:
    scene("photo.png", "blue", "red")
    Path("node.toml").write_text(
        'text_model = "colours"\n[model.colours]\nhandler = "support.colour_text:ColourText"\n'
    )
    monkeypatch.setenv("MASKBUS_CONFIG", "node.toml")
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[1]))
    monkeypatch.setattr(some_node, "DEFAULT_ENDPOINT", "ipc://no-node-here")
    assert main(["segment", "photo.png", "--text", "red", "--json"]) == 0
    plain = json.loads(capfd.readouterr().out)
    assert plain["model"] == "colours"
    assert plain["masks"][0]["bbox"] == [70, 15, SIDE, SIDE]
