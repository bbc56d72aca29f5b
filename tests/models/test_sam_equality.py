"""The handlers of SAM and SAM 2 answer what the authors' predictors answer, with the same weights."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest

from maskbus.contract import FreeJob
from maskbus.interfaces import DecodeOptions, Handler, Image, Masks, Prompt
from support.sam_references import scene

POINTS = np.array([[100, 50], [300.5, 200.25], [12, 340]], np.float32)
LABELS = np.array([1, 0, 1], np.int8)
BOX = np.array([50, 60, 300.5, 250], np.float32)
SIZES = [(511, 357), (1080, 1920), (1, 90), (64, 64)]
LOW = 1e-4
"""By how much low-resolution logits may differ."""
FULL = 2e-5
"""How near to 0, of the largest, a full-resolution logit must be for its pixel to differ."""
KINDS: dict[str, tuple[Prompt, dict[str, Any]]] = {
    "points": (Prompt(points=POINTS, labels=LABELS), {"point_coords": POINTS, "point_labels": LABELS}),
    "box": (Prompt(boxes=BOX[None]), {"box": BOX}),
    "both": (
        Prompt(points=POINTS, labels=LABELS, boxes=BOX[None]),
        {"point_coords": POINTS, "point_labels": LABELS, "box": BOX},
    ),
}


class Pair:
    """The authors' predictor and the handler, with the same weights; each looks at a picture once."""

    def __init__(self, reference: Any, handler: Handler) -> None:
        self.reference = reference
        self.handler = handler
        self._size = (0, 0)

    def look(self, height: int, width: int) -> None:
        """Have both look at a scene."""
        if self._size != (height, width):
            self.reference.set_image(scene(height, width))
            self.embedding = self.handler.embed([Image(scene(height, width))], FreeJob())[0]
            self._size = (height, width)

    def ask(self, prompt: Prompt, *, multimask: bool = False) -> Masks:
        """Return the handler's answer with logits."""
        options = DecodeOptions(multimask=multimask, logits=True)
        return self.handler.decode(self.embedding, prompt, options, FreeJob())

    def assert_equal(self, prompt: Prompt, *, several: bool, **asked: Any) -> None:
        """Compare logits, scores and masks."""
        full, scores, low = self.reference.predict(multimask_output=several, return_logits=True, **asked)
        answer = self.ask(prompt, multimask=several)
        best_first = np.argsort(-scores, kind="stable")
        assert answer.logits is not None
        assert np.abs(answer.logits - low[best_first]).max() < LOW
        assert np.allclose(answer.predicted_iou, scores[best_first].clip(0, 1), atol=1e-5)
        for mask, logits in zip(answer.masks, full[best_first], strict=True):
            differs = mask != (logits > 0)
            assert np.abs(logits[differs]).max(initial=0) < FULL * np.abs(logits).max()
            assert iou(mask, logits > 0) >= 0.9999 or differs.sum() <= 1


@pytest.fixture(scope="module", params=["sam", "sam2"])
def pair(request: pytest.FixtureRequest) -> Pair:
    """Return a predictor and the handler with the same weights."""
    model, handler = request.getfixturevalue(request.param), request.getfixturevalue(f"{request.param}_handler")
    if request.param == "sam":
        from segment_anything import SamPredictor

        return Pair(SamPredictor(model), handler)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the reference's own
        from sam2.sam2_image_predictor import SAM2ImagePredictor

        return Pair(SAM2ImagePredictor(model), handler)


def ask(handler: Handler, pixels: Any, prompt: Prompt, *, order: str = "rgb") -> Masks:
    """Return a handler's answer."""
    embedding = handler.embed([Image(pixels, order)], FreeJob())[0]
    return handler.decode(embedding, prompt, DecodeOptions(), FreeJob())


def iou(one: Any, other: Any) -> float:
    """Return the IoU of two masks; of two empty ones 1."""
    union = (one | other).sum()
    return float((one & other).sum() / union) if union else 1.0


@pytest.mark.parametrize("several", [False, True], ids=["one", "several"])
@pytest.mark.parametrize("kind", KINDS)
def test_prompts(pair: Pair, kind: str, several: bool) -> None:
    pair.look(357, 511)
    prompt, asked = KINDS[kind]
    pair.assert_equal(prompt, several=several, **asked)


def test_refinement_with_logits(pair: Pair) -> None:
    pair.look(357, 511)
    _, _, low = pair.reference.predict(point_coords=POINTS[:1], point_labels=LABELS[:1], multimask_output=False)
    asked = {"point_coords": POINTS, "point_labels": LABELS, "mask_input": low}
    pair.assert_equal(Prompt(points=POINTS, labels=LABELS, logits=low[0]), several=False, **asked)
    pair.assert_equal(Prompt(logits=low[0]), several=False, mask_input=low)


def test_several_boxes_are_several_objects(pair: Pair) -> None:
    pair.look(357, 511)
    boxes = np.stack([BOX / (i + 1) for i in range(6)])
    answer = pair.ask(Prompt(boxes=boxes), multimask=True)
    assert len(answer) == 6
    assert answer.logits is not None
    for box, logits in zip(boxes, answer.logits, strict=True):
        _, _, low = pair.reference.predict(box=box, multimask_output=False)
        assert np.abs(logits - low[0]).max() < LOW


def test_a_mask_as_prompt_is_scaled_to_where_it_lies(pair: Pair) -> None:
    """A mask prompt and the logits it stands for give the same answer."""
    pair.look(357, 511)
    mask = np.zeros((357, 511), np.bool_)
    mask[60:200, 96:400] = True
    framing = pair.embedding.framing
    corners = framing.places(np.array([[96, 60], [400, 200]], np.float32)) / 4
    (left, top), (right, bottom) = corners.round().astype(int)
    logits = np.full((256, 256), -10, np.float32)
    logits[top:bottom, left:right] = 10
    by_mask, by_logits = pair.ask(Prompt(mask=mask)), pair.ask(Prompt(logits=logits))
    assert iou(by_mask.masks[0], by_logits.masks[0]) > 0.98


@pytest.mark.parametrize(("height", "width"), SIZES)
def test_sizes(pair: Pair, height: int, width: int) -> None:
    if height == 1 and not pair.handler.info.tracks:
        pytest.skip("SAM's own predictor scales a line away")
    pair.look(height, width)
    points = np.array([[width * 0.3, height * 0.6]], np.float32)
    prompt = Prompt(points=points, labels=LABELS[:1])
    pair.assert_equal(prompt, several=True, point_coords=points, point_labels=LABELS[:1])


def test_a_picture_is_the_same_however_it_lies(sam2_handler: Handler) -> None:
    pixels = scene(201, 333)
    wide = np.zeros((201, 400, 3), np.uint8)
    wide[:, :333] = pixels
    expected = ask(sam2_handler, pixels, KINDS["box"][0])
    for given, order in ((pixels[:, :, ::-1], "bgr"), (wide[:, :333], "rgb")):
        assert np.array_equal(ask(sam2_handler, given, KINDS["box"][0], order=order).masks, expected.masks)
    swapped = ask(sam2_handler, pixels[:, :, ::-1], KINDS["box"][0])
    assert not np.array_equal(swapped.masks, expected.masks)
    grey = np.repeat(pixels[:, :, :1], 3, 2)
    both = [
        ask(sam2_handler, grey, KINDS["box"][0]),
        ask(sam2_handler, grey[:, :, 0], KINDS["box"][0], order="mono"),
    ]
    assert np.array_equal(both[0].masks, both[1].masks)
