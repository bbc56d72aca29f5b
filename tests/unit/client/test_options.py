"""Routes, texts, sizes, post-processing and kept answers, by both clients, against a fake node."""

from __future__ import annotations

import asyncio
import inspect
from typing import Any

import numpy as np
import pytest

from maskbus_client import AsyncClient, Client, InvalidValue, PostProcessing, Route, TextOptions, TooLarge, UnknownModel
from maskbus_wire import replies

POST = {"fill_holes": 9, "smooth": 1}
TRIED = replies.Attempt(model="a", code="busy", message="Its queue is full.", ms=1.5)


def parts(asked: Any, *names: str) -> dict[str, Any]:
    return {name: asked.plain[name] for name in names if name in asked.plain}


def test_what_is_sent_with_segment(node: Any, picture: np.ndarray):
    with Client(node.endpoint) as client:
        client.segment(
            picture,
            text="cup",
            negative_text=["glass"],
            text_options=TextOptions(select="cosine", threshold=0.2),
            route=Route(models=["a", "b"], share=0.5),
            fresh=True,
            max_side=640,
            post=POST,
        )
        client.segment(picture, box=(0, 0, 2, 2), model="auto")
    first, second = node.asked("segment")
    names = ("route", "fresh", "max_side", "post", "text_options")
    assert parts(first, *names) == {
        "route": {"models": ["a", "b"], "share": 0.5},
        "fresh": True,
        "max_side": 640,
        "post": {"fill_holes": 9, "smooth": 1.0},
        "text_options": {"select": "cosine", "threshold": 0.2},
    }
    assert parts(second, *names) == {}
    assert second.plain["model"] == "auto"


def test_what_is_sent_with_everything(node: Any, picture: np.ndarray):
    with Client(node.endpoint) as client:
        client.everything(picture, route=["a"], fresh=True, max_side=64, post=PostProcessing(min_area=5), min_area=3)
    asked = node.asked("everything")[0]
    assert parts(asked, "route", "fresh", "max_side", "post", "settings") == {
        "route": {"models": ["a"]},
        "fresh": True,
        "max_side": 64,
        "post": {"min_area": 5},
        "settings": {"min_area": 3},
    }


def test_what_is_sent_by_the_asyncio_client(node: Any, picture: np.ndarray):
    async def main() -> None:
        async with AsyncClient(node.endpoint) as client:
            await client.segment(picture, text="cup", text_options={"top": 2, "select": "top"}, route=["a"], post=POST)
            async with await client.image(picture, route=["a", "b"]) as image:
                await image.everything(max_side=64)
            async with await client.stream("front", text="cup", max_side=64, post=POST) as stream:
                assert stream.model == "fake"

    asyncio.run(asyncio.wait_for(main(), 20))
    assert parts(node.asked("segment")[0], "text_options", "route") == {
        "text_options": {"select": "top", "top": 2},
        "route": {"models": ["a"]},
    }
    assert node.asked("embed")[0].plain["route"] == {"models": ["a", "b"]}
    assert parts(node.asked("everything")[0], "model", "max_side") == {"model": "fake", "max_side": 64}
    assert parts(node.asked("stream.open")[0], "max_side", "post") == {
        "max_side": 64,
        "post": {"fill_holes": 9, "smooth": 1.0},
    }


def test_a_handle_asks_its_own_model_where_nothing_else_is_said(node: Any, picture: np.ndarray):
    with Client(node.endpoint) as client:
        with client.image(picture) as image:
            image.segment(points=(1, 1))
            image.segment(points=(1, 1), model="m")
            image.segment(points=(1, 1), route=["a"])
            image.segment(text="cup")
            image.segment(text="cup", model="m")
        with client.image(picture, model="m") as image:
            image.segment(text="cup")
    assert [asked.plain.get("model", "") for asked in node.asked("segment")] == ["fake", "m", "", "", "m", "fake"]


def test_an_image_that_was_lost_goes_to_the_model_that_had_it(node: Any, picture: np.ndarray):
    with Client(node.endpoint) as client, client.image(picture, route=["a", "b"]) as image:
        node.images.clear()
        image.segment(points=(1, 1))
    first, again = node.asked("embed")
    assert parts(first, "model", "route") == {"route": {"models": ["a", "b"]}}
    assert parts(again, "model", "route") == {"model": "fake"}


def test_a_stream_that_is_opened_again_has_its_options(node: Any, picture: np.ndarray):
    with Client(node.endpoint) as client, client.stream("front", text="cup", text_options={"margin": 1}) as stream:
        node.streams.clear()
        stream.send(picture)
        while stream.reopened == 0:
            node.frames.get(timeout=10)
            stream.send(picture)
    first, again = node.asked("stream.open")
    assert first.plain["text_options"] == again.plain["text_options"] == {"margin": 1.0}


@pytest.mark.parametrize(
    ("wrong", "kind", "path"),
    [
        ({"max_side": 63}, InvalidValue, "max_side"),
        ({"post": {"smooth": float("nan")}}, InvalidValue, "post.smooth"),
        ({"post": PostProcessing(fill_holes=2**63)}, InvalidValue, "post.fill_holes"),
        ({"route": ["a", "a"]}, InvalidValue, "route.models[1]"),
        ({"route": [str(i) for i in range(17)]}, TooLarge, "route.models"),
        ({"route": {"share": 0}}, InvalidValue, "route.share"),
        ({"text_options": {"margin": 1}}, InvalidValue, "text_options"),
        ({"text": "cup", "text_options": {"top": 3}}, InvalidValue, "text_options.top"),
        ({"text": "cup", "text_options": {"threshold": -0.5}}, InvalidValue, "text_options.threshold"),
    ],
)
def test_what_cannot_be_is_refused_before_it_is_sent(node: Any, picture: np.ndarray, wrong: Any, kind: Any, path: str):
    with Client(node.endpoint) as client, pytest.raises(kind) as caught:
        client.segment(picture, **wrong)
    assert isinstance(caught.value, ValueError)
    assert caught.value.path == path
    assert node.seen == []


def test_streams_that_track_are_refused_what_they_cannot_have(node: Any):
    with Client(node.endpoint) as client:
        for wrong, path in (({"max_side": 640}, "max_side"), ({"post": {"min_area": 1}}, "post.min_area")):
            with pytest.raises(InvalidValue) as caught:
                client.stream("front", track=True, **wrong)  # type: ignore[arg-type]
            assert caught.value.path == path
    assert node.seen == []


def test_what_an_answer_tells(node: Any, picture: np.ndarray):
    score = replies.TextScore(text="cup", masks=1, proposals=9, similarity=0.3, probability=0.8)
    entry = replies.Mask(
        bbox=(0, 0, 1, 1),
        area=1,
        predicted_iou=0.9,
        stability_score=0.8,
        label="cup",
        similarity=0.3,
        probability=0.8,
    )

    def script(node: Any, asked: Any) -> None:
        told = {"tried": [TRIED], "reused": True, "scores": [score]}
        node.send(asked, replies.Masks(id=asked.id, model="b", width=8, height=6, masks=[entry], **told))

    node.scripts.append(script)
    with Client(node.endpoint) as client:
        result = client.segment(picture, text="cup")
        plain = client.segment(picture, box=(0, 0, 2, 2))
    assert (result.model, result.tried, result.reused, result.scores) == ("b", [TRIED], True, [score])
    assert (result[0].label, result[0].similarity, result[0].probability) == ("cup", 0.3, 0.8)
    assert (plain.tried, plain.reused, plain.scores, plain[0].probability) == ([], False, [], None)


def test_an_error_tells_what_was_tried(node: Any, acts: Any, picture: np.ndarray):
    node.scripts.append(acts.error("unknown_model", tried=[TRIED]))
    with Client(node.endpoint) as client, pytest.raises(UnknownModel) as caught:
        client.segment(picture, route=["a"])
    assert caught.value.tried == [TRIED]


def test_both_clients_have_the_same_arguments():
    for name in ("segment", "everything", "image", "stream"):
        blocking, awaited = (inspect.signature(getattr(kind, name)).parameters for kind in (Client, AsyncClient))
        assert list(blocking) == list(awaited), name
        assert name == "stream" or "route" in blocking
