"""The SAM family behind a node, asked by the client."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from maskbus.contract import FreeJob
from maskbus.everything import search
from maskbus.handlers.sam import SamVitB
from maskbus.handlers.sam2 import Sam21HieraTiny
from maskbus.interfaces import DecodeOptions, EverythingSettings, Handler, Image, Prompt, TrackerOptions
from maskbus.testing import RunningNode, node
from maskbus_client import Client, InvalidValue, ModelUnavailable, Progress, TooLarge
from support.sam_references import scene
from support.waiting import until

ONE = np.array([1], np.int8)
GRID: dict[str, Any] = {
    "points_per_side": 4,
    "pred_iou_thresh": 0.0,
    "stability_score_thresh": 0.0,
    "box_nms_thresh": 1.0,
}


@pytest.fixture(scope="module")
def running(sam_handler: Handler, sam2_handler: Handler) -> Iterator[RunningNode]:
    broken = {**sam_handler.context.options, "weights": str(sam2_handler.context.options["weights"])}
    with node(
        {"sam2": Sam21HieraTiny, "sam": SamVitB, "broken": SamVitB},
        model={
            "sam2": {"options": dict(sam2_handler.context.options), "threads": 2},
            "sam": {"options": dict(sam_handler.context.options), "threads": 2},
            "broken": {"options": broken, "threads": 2},
        },
        preload=[],
    ) as running:
        yield running


@pytest.fixture
def client(running: RunningNode) -> Iterator[Client]:
    with running.client(deadline=60) as client:
        yield client


@pytest.mark.parametrize("model", ["sam", "sam2"])
def test_clicks_refine_each_other(client: Client, model: str, request: pytest.FixtureRequest) -> None:
    handler: Handler = request.getfixturevalue(f"{model}_handler")
    pixels = scene(357, 511)
    image = client.image(pixels, model=model)
    first = image.segment(points=(100, 50), encoding=["rle", "logits"])
    second = image.segment(points=[(100, 50), (300, 200)], labels=[1, 0], logits=first.masks[0])
    assert second.cached
    embedding = handler.embed([Image(pixels)], FreeJob())[0]
    points, labels = np.array([[100, 50], [300, 200]], np.float32), np.array([1, 0], np.int8)
    options = DecodeOptions(logits=True)
    alone = handler.decode(embedding, Prompt(points=points[:1], labels=labels[:1]), options, FreeJob())
    assert np.array_equal(first.masks[0].to_array(), alone.masks[0])
    assert alone.logits is not None
    refined = Prompt(points=points, labels=labels, logits=alone.logits[0])
    both = handler.decode(embedding, refined, options, FreeJob())
    assert np.array_equal(second.masks[0].to_array(), both.masks[0])


def test_everything_with_progress(client: Client, sam2_handler: Handler) -> None:
    pixels, heard = scene(211, 307), list[Progress]()
    result = client.everything(pixels, model="sam2", progress=heard.append, **GRID)
    expected = search(sam2_handler, Image(pixels), EverythingSettings(**GRID), FreeJob())
    assert [mask.area for mask in result] == [one.area for one in expected.objects]
    assert all(
        np.array_equal(mask.to_array(), one.full(211, 307)) for mask, one in zip(result, expected.objects, strict=True)
    )
    assert heard[-1].done == heard[-1].total == 16
    assert heard[-1].found >= len(result) > 0


def test_a_search_that_is_given_up_ends(client: Client) -> None:
    class Enough(Exception):
        pass

    def give_up(progress: Progress) -> None:
        raise Enough

    with pytest.raises(Enough):
        client.everything(scene(211, 307), model="sam2", progress=give_up, **GRID | {"points_per_side": 32})
    # The worker is free at once, and not after a thousand points.
    client.segment(scene(60, 80), points=(5, 5), model="sam2", deadline=30)


def test_what_a_model_cannot_take_is_one_error_and_the_next_request_is_answered(client: Client) -> None:
    with pytest.raises(TooLarge, match="10000 entries; the limit is 1000"):
        client.segment(scene(60, 80), points=np.full((10_000, 2), 3.0), model="sam")
    with pytest.raises(InvalidValue, match="logits to refine are 16×16"):
        client.segment(scene(60, 80), logits=np.zeros((16, 16), np.float32), model="sam")
    assert len(client.segment(scene(60, 80), points=np.full((1000, 2), 3.0), model="sam")) == 1


def test_a_model_with_another_models_weights_is_unavailable_in_one_sentence(client: Client) -> None:
    with pytest.raises(ModelUnavailable, match=r"is not of sam-vit-b: it has no") as error:
        client.segment(scene(60, 80), points=(3, 3), model="broken")
    assert "Traceback" not in str(error.value)
    assert len(client.segment(scene(60, 80), points=(3, 3), model="sam")) == 1


def test_objects_are_followed_on_a_stream(client: Client, sam2_handler: Handler) -> None:
    frames = [np.roll(scene(120, 160), 3 * step, axis=1) for step in range(2)]
    tracker = sam2_handler.tracker(TrackerOptions())
    expected = []
    for step, frame in enumerate(frames):
        tracked = tracker.advance(Image(frame), FreeJob())
        if step == 0:
            tracked = tracker.prompt(1, Prompt(points=np.array([[40, 30]], np.float32), labels=ONE), FreeJob())
        expected.append(tracked)
        if step == 0:  # what is added in between is prompted in the frame that was looked at last
            tracker.prompt(2, Prompt(points=np.array([[90, 70]], np.float32), labels=ONE), FreeJob())
    with (
        client.stream("belt", model="sam2", objects={1: {"points": (40, 30)}}, policy="every") as stream,
        stream.results(newest=False, timeout=60) as results,
    ):
        until(lambda: stream.watched, "Nobody watches.")
        for step, frame in enumerate(frames):
            stream.send(frame, seq=step)
            result = next(results)
            while result.seq != step:  # that of the change has been published as well
                result = next(results)
            assert [mask.object_id for mask in result] == list(expected[step].object_ids)
            for mask, wanted, present in zip(result, expected[step].masks, expected[step].present, strict=True):
                assert np.array_equal(mask.to_array(), wanted)
                assert mask.present == present
            if step == 0:
                stream.add(2, points=(90, 70))
    assert expected[1].object_ids == (1, 2)
    tracker.close()


def test_what_is_described(client: Client) -> None:
    models = {model.name: model for model in client.describe().models}
    assert models["sam2"].tracks
    assert models["sam2"].everything
    assert models["sam"].everything
    assert not models["sam"].tracks
    assert "logits" in models["sam"].encodings
