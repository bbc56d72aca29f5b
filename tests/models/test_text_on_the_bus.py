"""Texts over ZeroMQ: from the client through the node and back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pytest
import zmq

from maskbus.handlers.text import TextHandler
from maskbus.testing import RunningNode, node
from maskbus_client import Client, ModelUnavailable, UnsupportedPrompt
from maskbus_wire.prompts import Prompt
from maskbus_wire.replies import Masks, Timings
from maskbus_wire.requests import Segment, TextOptions
from support import flood, tiny_clip
from support.nodes import live_node
from support.peer import raw
from support.tiny_clip_fixture import tiny  # noqa: F401 — a fixture

NAMES = ["red circle", "blue circle", "red square", "green triangle", "yellow star", "purple square"]
PHOTO = tiny_clip.photo(NAMES, seed=3)


@pytest.fixture(scope="module")
def running(tiny: Mapping[str, Any]) -> Iterator[RunningNode]:  # noqa: F811
    with (
        flood.installed(),
        node(
            {"text": TextHandler, "nothing": TextHandler},
            model={
                "text": {"options": {**tiny, "proposals": "flood"}, "threads": 2},
                "nothing": {"options": {"proposals": "alone"}},
            },
            preload=[],
        ) as running,
    ):
        yield running


@pytest.fixture
def client(running: RunningNode) -> Iterator[Client]:
    with running.client(deadline=60) as client:
        yield client


def iou(one: np.ndarray, other: np.ndarray) -> float:
    return float((one & other).sum() / (one | other).sum())


def test_a_red_circle_and_more_questions(client: Client) -> None:
    with client.image(PHOTO.rgb, model="text") as photo:
        first = photo.segment(text="a red circle")
        assert not first.cached or first.timings.embed_ms == 0
        assert iou(first.masks[0].to_array(), PHOTO.masks["red circle"]) > 0.8
        assert first.masks[0].label == "a red circle"
        assert first.masks[0].similarity is not None
        assert first.masks[0].similarity > 0.5
        assert first.masks[0].probability is not None
        assert first.masks[0].probability > 0.5
        second = photo.segment(text=["a purple square", "a yellow star"], text_options={"threshold": 0.4})
        assert second.cached
        assert second.timings.embed_ms == 0
        assert {mask.label for mask in second} == {"a purple square", "a yellow star"}
        for mask in second:
            assert iou(mask.to_array(), PHOTO.masks[(mask.label or "").removeprefix("a ")]) > 0.8


def test_ways_to_choose(client: Client) -> None:
    def ask(*texts: str, **options: Any) -> Any:
        no = options.pop("negative_text", [])
        return client.segment(
            PHOTO.rgb, text=list(texts), negative_text=no, text_options=TextOptions(**options), model="text"
        )

    few = ask("a circle", select="top", top=2)
    both = PHOTO.masks["red circle"] | PHOTO.masks["blue circle"]
    assert len(few) == 2
    assert iou(few.to_array().any(0), both) > 0.8
    united = ask("a circle", select="top", top=2, combine="union")
    assert len(united) == 1
    assert iou(united.masks[0].to_array(), both) > 0.8
    assert len(ask("a circle", select="cosine", threshold=0.5)) == 2
    every = ask("a blue circle", select="softmax", threshold=0.0)
    assert len(every) == every.scores[0].proposals
    without = ask("a blue circle", select="softmax", threshold=0.0, negative_text=["a red circle"])
    assert len(without) < len(every)
    assert all(iou(mask.to_array(), PHOTO.masks["red circle"]) < 0.8 for mask in without)
    looks = [ask("a green triangle", select="top", background=background) for background in ("black", "blur", "keep")]
    assert all(iou(look.masks[0].to_array(), PHOTO.masks["green triangle"]) > 0.8 for look in looks)
    assert len({look.masks[0].similarity for look in looks}) == 3


def test_nothing_found(client: Client) -> None:
    result = client.segment(PHOTO.rgb, text="a yellow circle", text_options={"select": "cosine", "threshold": 0.95})
    assert len(result) == 0
    (score,) = result.scores
    assert (score.text, score.masks) == ("a yellow circle", 0)
    assert score.proposals > len(NAMES)
    assert score.similarity is not None
    assert score.probability is not None


def test_what_is_refused(client: Client) -> None:
    with pytest.raises(UnsupportedPrompt):
        client.segment(PHOTO.rgb, points=[(10, 10)], text="a star", model="text")
    with pytest.raises(ModelUnavailable, match="only ever loaded in a process of its own"):
        client.segment(PHOTO.rgb, text="a star", model="nothing")


def test_a_worker_of_its_own_over_grabcut(tiny: Mapping[str, Any]) -> None:  # noqa: F811
    """The handler as a user has it: a worker process, and proposals of a model that is installed."""
    names = ["red circle", "blue circle", "red square", "green triangle"]
    photo = tiny_clip.photo(names, height=160, width=200, seed=5)
    # One point in the middle of each shape.
    settings = {"points_per_side": 2, "pred_iou_thresh": 0.2, "stability_score_thresh": 0.0}
    options = {**tiny, "proposals": "grabcut", "settings": settings}
    with live_node(model={"text": {"options": options}}) as running, running.peer(zmq.DEALER) as peer:
        peer.socket.rcvtimeo = 90_000  # a worker that loads torch

        def ask(text: str) -> Masks:
            prompt = Prompt(text=[text])
            reply = peer.ask(Segment(id="1", image=raw(photo.rgb), prompt=prompt, deadline_ms=90_000), photo.rgb)
            assert isinstance(reply, Masks)
            return reply

        first = ask("a red circle")
        assert first.model == "text"
        assert not first.cached
        best = first.masks[0]
        mask = photo.masks["red circle"]
        assert best.label == "a red circle"
        assert best.area == pytest.approx(mask.sum(), rel=0.2)
        second = ask("a green triangle")
        assert second.cached
        assert isinstance(second.timings, Timings)
        assert second.timings.embed_ms == 0
        assert second.masks[0].area == pytest.approx(photo.masks["green triangle"].sum(), rel=0.2)
