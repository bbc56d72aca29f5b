"""Texts over what FastSAM proposes, and a route that goes from one to the other, over ZeroMQ."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("onnx", reason="the extra `fast` is not installed")

from maskbus.handlers.fastsam import FastSam
from maskbus.handlers.text import TextHandler
from maskbus.testing import node
from maskbus_client import Client
from support import fastsam, tiny_clip
from support.tiny_clip_fixture import tiny  # noqa: F401 — a fixture

PHOTO = tiny_clip.photo(["red circle", "green triangle", "blue square"], seed=4)


@pytest.fixture
def client(tiny: Mapping[str, Any], tmp_path: Path) -> Iterator[Client]:  # noqa: F811
    path = fastsam.write(tmp_path / "fastsam.onnx")
    options = {**tiny, "proposals": "fastsam", "proposals_options": {"weights": str(path), "runtime": "opencv"}}
    tables = {"text": {"options": options, "threads": 1}, "fastsam": {"options": {"weights": str(path)}}}
    with (
        node({"fastsam": FastSam, "text": TextHandler}, model=tables, preload=[]) as running,
        running.client(deadline=60) as client,
    ):
        yield client


def test_a_text_finds_what_fastsam_has_found(client: Client) -> None:
    result = client.segment(PHOTO.rgb, text="a green triangle", text_options={"select": "top"})
    assert (result.model, len(result)) == ("text", 1)
    found, wanted = result.best.to_array(), PHOTO.masks["green triangle"]
    assert (found & wanted).sum() / (found | wanted).sum() > 0.7
    assert result.scores[0].proposals >= 3
    again = client.segment(PHOTO.rgb, text="a red circle", text_options={"select": "top"})
    assert again.cached
    assert (again.best.to_array() & PHOTO.masks["red circle"]).any()


def test_a_route_asks_for_clicks_here_and_for_texts_there(client: Client) -> None:
    y, x = np.argwhere(PHOTO.masks["blue square"]).mean(0)
    clicked = client.segment(PHOTO.rgb, points=[(x, y)], model="auto")
    assert (clicked.model, clicked.tried) == ("fastsam", [])
    asked = client.segment(PHOTO.rgb, text="a red circle", model="auto")
    assert asked.model == "text"
    assert ("fastsam", "unsupported_prompt") in {(one.model, one.code) for one in asked.tried}
