"""The nano handler at its edges: what it is given, what it keeps, and which part of a photo it looks at."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("cv2")

from maskbus.contract import FreeJob, HandlerContract
from maskbus.handlers.nano import NanoHandler
from maskbus.interfaces import (
    BadPrompt,
    DecodeOptions,
    Image,
    JobAborted,
    LoadContext,
    Masks,
    ModelUnavailable,
    Prompt,
    UnsupportedPrompt,
)
from maskbus.models import nano_answer, nano_region
from maskbus.models.nano_map import PromptMap
from maskbus.models.nano_view import View
from support.cancelled_after import CancelledAfter

SEED = 20261122


class TestNano(HandlerContract):
    handler = NanoHandler
    options = {"runtime": "opencv"}  # noqa: RUF012
    exact_grid = False


@pytest.fixture(scope="module")
def handler() -> NanoHandler:
    return NanoHandler(LoadContext("nano", options={"runtime": "opencv"}))


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(SEED).integers(0, 256, shape, np.uint8)


def ask(handler: NanoHandler, pixels: np.ndarray, prompt: Prompt, **options: bool) -> Masks:
    order = "rgb" if pixels.ndim == 3 else "mono"
    (embedding,) = handler.embed([Image(pixels, order)], FreeJob())
    return handler.decode(embedding, prompt, DecodeOptions(**options), FreeJob())


def clicks(*points: tuple[float, float, int]) -> Prompt:
    found = np.array(points, np.float32).reshape(-1, 3)
    return Prompt(points=found[:, :2], labels=found[:, 2].astype(np.int8))


@pytest.mark.parametrize("shape", [(1, 1), (1, 900), (900, 1), (2, 3), (97, 131), (50, 40, 3)])
def test_any_size_and_grey(handler: NanoHandler, shape: tuple[int, ...]) -> None:
    height, width = shape[:2]
    found = ask(handler, noise(*shape), clicks((width - 1, height - 1, 1)), multimask=True, logits=True)
    assert found.masks.shape == (3, height, width)
    assert found.masks[:, -1, -1].all()
    assert found.logits is not None
    assert found.logits.shape == (3, 128, 128)
    for numbers in (found.predicted_iou, found.stability_score):
        assert ((numbers >= 0) & (numbers <= 1)).all()
    assert (np.diff(found.predicted_iou) <= 0).all()


def test_a_hundred_clicks_that_contradict_each_other_are_obeyed(handler: NanoHandler) -> None:
    draw = np.random.default_rng(SEED)
    places = draw.choice(60 * 80, 100, replace=False)
    labels = np.tile([1, 0], 50).astype(np.int8)
    points = np.stack([places % 80, places // 80], 1).astype(np.float32)
    found = ask(handler, noise(60, 80, 3), Prompt(points=points, labels=labels))
    assert (found.masks[0][places // 80, places % 80] == (labels == 1)).all(), f"seed {SEED}"
    # The same place, on the object and not: the background has the last word, as with every model here.
    found = ask(handler, noise(60, 80, 3), clicks((5, 5, 1), (5, 5, 0)))
    assert found.masks.shape == (1, 60, 80)


def test_boxes_answer_one_mask_each_in_order(handler: NanoHandler) -> None:
    boxes = np.array([[0, 0, 10, 10], [30, 20, 79, 59], [0, 0, 79, 59]], np.float32)
    found = ask(handler, noise(60, 80, 3), Prompt(boxes=boxes), multimask=True)
    assert len(found) == 3
    for mask, box in zip(found.masks, boxes, strict=True):
        alone = ask(handler, noise(60, 80, 3), Prompt(boxes=box[None]))
        assert (alone.masks[0] == mask).all()


def test_the_logits_of_an_answer_can_be_refined(handler: NanoHandler) -> None:
    pixels = noise(60, 80, 3)
    first = ask(handler, pixels, clicks((40, 30, 1)), logits=True)
    assert first.logits is not None
    for logits in (first.logits[0], np.full((1, 7), 4, np.float32), np.full((300, 20), -4, np.float32)):
        second = ask(
            handler, pixels, Prompt(points=np.array([[40, 30]], np.float32), labels=np.ones(1, np.int8), logits=logits)
        )
        assert second.masks.shape == (1, 60, 80)


def test_what_it_does_not_take(handler: NanoHandler) -> None:
    pixels = noise(8, 8, 3)
    with pytest.raises(UnsupportedPrompt, match="not no prompt at all"):
        ask(handler, pixels, Prompt())
    with pytest.raises(UnsupportedPrompt, match="not text"):
        ask(handler, pixels, Prompt(texts=("a cup",)))
    with pytest.raises(BadPrompt, match="background point"):
        ask(handler, pixels, clicks((1, 1, 0)))
    with pytest.raises(BadPrompt, match="mask to refine is empty"):
        ask(handler, pixels, Prompt(mask=np.zeros((8, 8), np.bool_)))
    with pytest.raises(ModelUnavailable, match="no option 'wieght'"):
        NanoHandler(LoadContext("nano", options={"wieght": 1}))
    assert (
        "there is no runtime 'tpu'" in NanoHandler.availability(LoadContext("nano", options={"runtime": "tpu"})).missing
    )


def test_a_cancelled_job_leaves_the_embedding_usable(handler: NanoHandler) -> None:
    (embedding,) = handler.embed([Image(noise(60, 80, 3))], FreeJob())
    before = handler.decode(embedding, clicks((40, 30, 1)), DecodeOptions(), FreeJob())
    with pytest.raises(JobAborted):
        handler.decode(embedding, clicks((40, 30, 1)), DecodeOptions(), CancelledAfter(0))
    after = handler.decode(embedding, clicks((40, 30, 1)), DecodeOptions(), FreeJob())
    assert (after.masks == before.masks).all()


def test_an_embedding_holds_what_it_says_however_many_places_are_asked_about(handler: NanoHandler) -> None:
    pixels = noise(400, 400, 3)
    (embedding,) = handler.embed([Image(pixels)], FreeJob())
    before = embedding.nbytes
    pixels[:] = 0
    assert embedding.rgb.any(), "the pixels are a copy: the slot they came in is used again"
    for at in range(20, 400, 40):
        box = np.array([[at - 10, at - 10, at + 10, at + 10]], np.float32)
        handler.decode(embedding, Prompt(boxes=box), DecodeOptions(), FreeJob())
        maps = [*embedding.maps(embedding.whole), *(one for view in embedding.closer for one in embedding.maps(view))]
        assert embedding.nbytes == before >= embedding.rgb.nbytes + sum(one.nbytes for one in maps)


def test_a_point_of_a_grid_is_a_click_without_a_closer_look(handler: NanoHandler) -> None:
    (embedding,) = handler.embed([Image(noise(60, 80, 3))], FreeJob())
    points = np.array([[10, 10], [40, 30]], np.float32)
    found = handler.decode_grid(embedding, points, 0.0, FreeJob())
    assert found.points.tolist() == [0, 0, 0, 1, 1, 1]
    assert handler.upscale(embedding, found.logits[0]).shape == (60, 80)
    assert len(handler.decode_grid(embedding, points, 1.0, FreeJob()).logits) == 0


def test_a_closer_view_holds_its_region_and_stays_where_it_is() -> None:
    draw = np.random.default_rng(SEED)
    for _ in range(300):
        width, height = (int(v) for v in draw.integers(1, 2000, 2))
        whole = View(0, 0, width, height)
        x0, x1 = np.sort(draw.uniform(0, width, 2))
        y0, y1 = np.sort(draw.uniform(0, height, 2))
        view = nano_region.closer(whole, np.array([x0, y0, x1, y1], np.float32))
        assert view.width >= 1
        assert view.height >= 1
        assert whole.contains(view)
        slack = [x0 - view.x, y0 - view.y, view.x + view.width - x1, view.y + view.height - y1]
        assert min(slack) >= -1, f"seed {SEED}"
    whole = View(0, 0, 1000, 800)
    same = {nano_region.closer(whole, np.array([300 + d, 200 + d, 400, 330], np.float32)) for d in (0, 0.3, 0.6)}
    assert len(same) == 1


def test_logits_of_a_closer_view_lie_where_it_was() -> None:
    whole, view = View(0, 0, 400, 200), View(100, 50, 100, 50)
    logits = np.full((128, 128), 3.0, np.float32)
    full = nano_answer.whole_logits(nano_answer.Answer(view, logits, None, 0.5), whole)
    assert (full[32:64, 32:64] == 3).all()
    assert np.count_nonzero(full > 0) == 32 * 32


def test_places_of_a_map_are_middles_as_pixels_are() -> None:
    view = View(10, 20, 64, 32)
    assert view.places(np.array([[10, 20], [73, 51]], np.float32), 128).tolist() == [[0.5, 1.5], [126.5, 125.5]]
    said = PromptMap(8)
    said.box(-0.5, -0.5, 3.5, 3.5)
    assert said.values[2].sum() == 16
    assert said.values[3].sum() == 48
    said.click(4, 4, on_object=True)
    said.click(4, 4, on_object=False)
    assert said.values[0].sum() == 0
    assert said.values[1, 4, 4] == 1
