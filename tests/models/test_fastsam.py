"""FastSAM from an ONNX file: a network whose answers are known, on all runtimes."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

pytest.importorskip("onnx", reason="the extra `fast` is not installed")

from maskbus import everything, networks
from maskbus.contract import CancelledJob, FreeJob, HandlerContract
from maskbus.handlers.fastsam import FastSam
from maskbus.interfaces import (
    BadPrompt,
    DecodeOptions,
    Handler,
    Image,
    JobAborted,
    LoadContext,
    Masks,
    ModelUnavailable,
    Prompt,
    UnsupportedPrompt,
)
from support import fastsam

RED, GREEN, BLUE = (220, 20, 20), (20, 200, 30), (30, 40, 230)


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a weights directory with networks for a square and for any size."""
    directory = tmp_path_factory.mktemp("fastsam")
    fastsam.write(directory / "fastsam.onnx")
    fastsam.write(directory / "any.onnx", None)
    return directory


def load(directory: Path, **options: Any) -> FastSam:
    return FastSam(LoadContext(model="fastsam", threads=1, weights_dir=directory, options=options))


@functools.cache
def load_file(path: Path, runtime: str) -> FastSam:
    """Load one of them; a larger side than this is slow, as each of its anchors looks at all of the picture."""
    return load(path.parent, weights=str(path), runtime=runtime, input_side=fastsam.SIDE)


@pytest.fixture(scope="module")
def handler(directory: Path) -> Iterator[FastSam]:
    loaded = load(directory)
    yield loaded
    loaded.close()


class TestFastSam(HandlerContract):
    handler = FastSam
    segments_scene = True

    @pytest.fixture(autouse=True)
    def _directory(self, directory: Path, handler: FastSam) -> None:
        self.loaded = handler

    def make(self) -> Handler:
        return self.loaded

    def context(self) -> LoadContext:
        return self.loaded.context


def picture(height: int = 480, width: int = 640) -> np.ndarray:
    """Return a red board with a green disc on it, and a blue ellipse beside it, on grey."""
    pixels = np.full((480, 640, 3), 40, np.uint8)
    cv2.rectangle(pixels, (100, 50), (400, 300), RED, -1)
    cv2.circle(pixels, (250, 180), 60, GREEN, -1)
    cv2.ellipse(pixels, (520, 380), (80, 50), 30, 0, 360, BLUE, -1)
    if (height, width) != (480, 640):
        pixels = cv2.resize(pixels, (width, height), interpolation=cv2.INTER_NEAREST)
    return pixels


def of_colour(pixels: np.ndarray, colour: tuple[int, int, int]) -> np.ndarray:
    return np.asarray((pixels == colour).all(-1))


def iou(one: np.ndarray, other: np.ndarray) -> float:
    return float((one & other).sum() / (one | other).sum())


def ask(handler: Handler, pixels: np.ndarray, prompt: Prompt, **options: bool) -> Masks:
    (embedding,) = handler.embed([Image(pixels)], FreeJob())
    return handler.decode(embedding, prompt, DecodeOptions(**options), FreeJob())


def points(*places: tuple[float, float, int]) -> Prompt:
    found = np.array(places, np.float32)
    return Prompt(points=found[:, :2], labels=found[:, 2].astype(np.int8))


@pytest.mark.parametrize("file", ["fastsam.onnx", "any.onnx"])
@pytest.mark.parametrize("runtime", networks.RUNTIMES)
def test_points_and_boxes_on_every_runtime(directory: Path, runtime: str, file: str) -> None:
    handler, pixels = load_file(directory / file, runtime), picture()
    for x, y, colour in ((120, 60, RED), (250, 180, GREEN), (520, 380, BLUE)):
        masks = ask(handler, pixels, points((x, y, 1)))
        assert len(masks) == 1
        assert iou(masks.masks[0], of_colour(pixels, colour)) > 0.92
        assert masks.predicted_iou[0] == pytest.approx(fastsam.confidence(colour), abs=1e-3)
        assert masks.stability_score[0] > 0.9
    boxes = np.array([[190, 120, 310, 240], [10, 10, 30, 30], [100, 50, 400, 300]], np.float32)
    masks = ask(handler, pixels, Prompt(boxes=boxes))
    assert iou(masks.masks[0], of_colour(pixels, GREEN)) > 0.92
    assert not masks.masks[1].any()
    assert masks.predicted_iou[1] == masks.stability_score[1] == 0
    assert iou(masks.masks[2], of_colour(pixels, RED)) > 0.95
    assert masks.predicted_iou[2] == pytest.approx(fastsam.confidence(RED), abs=0.02)


@pytest.mark.parametrize(
    ("height", "width"), [(480, 640), (1080, 1920), (2160, 3840), (667, 1000), (640, 333), (240, 640), (60, 80)]
)
def test_everything_whatever_the_size(directory: Path, height: int, width: int) -> None:
    pixels = picture(height, width)
    for file in ("fastsam.onnx", "any.onnx")[: 1 if height > 2000 else 2]:
        handler = load_file(directory / file, "onnxruntime")
        found = everything.search(handler, Image(pixels), handler.info.everything, FreeJob())
        assert len(found) == 3
        for one, colour in zip(found.objects, (RED, BLUE, GREEN), strict=True):
            same = iou(one.full(height, width), of_colour(pixels, colour))
            print(f"{file}, {colour}: {same:.3f}")
            assert same > (0.9 if min(height, width) > 100 else 0.7)
            assert of_colour(pixels, colour)[int(one.point[1]), int(one.point[0])]


@pytest.mark.parametrize(("height", "width"), [(1, 1), (1, 4000), (4000, 1), (1, 40000), (2, 3)])
@pytest.mark.parametrize("file", ["fastsam.onnx", "any.onnx"])
def test_pictures_that_are_all_but_lines(directory: Path, file: str, height: int, width: int) -> None:
    handler = load_file(directory / file, "onnxruntime")
    pixels = np.empty((height, width, 3), np.uint8)
    pixels[:] = RED
    masks = ask(handler, pixels, points((0, 0, 1), (width - 1, height - 1, 1)))
    assert masks.masks.shape[1:] == (height, width)
    # Of what is thinner than a cell of the prototypes this network sees as much grey as red.
    assert len(masks) == (max(height, width) < 10)
    assert masks.masks.all()
    grey = Image(np.full((height, width), 200, np.uint8), "mono")
    (embedding,) = handler.embed([grey], FreeJob())
    assert len(handler.decode(embedding, points((0, 0, 1)), DecodeOptions(), FreeJob())) == 0
    assert len(everything.search(handler, grey, handler.info.everything, FreeJob())) == 0


def test_what_it_cannot_use_is_refused(handler: FastSam) -> None:
    pixels = picture()
    for prompt, words in (
        (Prompt(mask=np.ones((480, 640), np.bool_)), "fastsam takes points and boxes, not mask"),
        (Prompt(logits=np.ones((64, 64), np.float32)), "not logits"),
        (Prompt(texts=("a cup",)), "not text"),
        (Prompt(), "not no prompt at all"),
    ):
        with pytest.raises(UnsupportedPrompt, match=words):
            ask(handler, pixels, prompt)
    with pytest.raises(BadPrompt, match="Every point is a background point"):
        ask(handler, pixels, points((100, 60, 0)))


def test_thresholds_of_the_model_and_of_the_question(directory: Path, handler: FastSam) -> None:
    pixels, settings = picture(), handler.info.everything
    strict = load(directory, conf=0.7, runtime="onnxruntime")
    assert len(everything.search(strict, Image(pixels), settings, FreeJob())) == 1
    few = load(directory, max_det=2, runtime="onnxruntime")
    assert len(everything.search(few, Image(pixels), settings, FreeJob())) == 2
    (embedding,) = handler.embed([Image(pixels)], FreeJob())
    assert len(handler.find(embedding, replace(settings, pred_iou_thresh=0.61), FreeJob())) == 2
    steady = sorted(one.stability_score for one in handler.find(embedding, settings, FreeJob()))
    assert len(handler.find(embedding, replace(settings, stability_score_thresh=steady[1]), FreeJob())) == 2
    with pytest.raises(JobAborted):
        handler.find(embedding, settings, CancelledJob())


def test_the_embedding_is_small_and_says_so(handler: FastSam) -> None:
    (embedding,) = handler.embed([Image(picture(1080, 1920))], FreeJob())
    assert 32 * 72 * 128 * 4 < embedding.nbytes < 32 * 72 * 128 * 4 + 3 * 200


def test_the_digest_is_the_files(directory: Path, handler: FastSam) -> None:
    assert handler.weights_digest == hashlib.sha256((directory / "fastsam.onnx").read_bytes()).hexdigest()


def zeros(*shape: int) -> np.ndarray:
    return np.zeros(shape, np.float32)


@pytest.mark.parametrize(
    "outputs",
    [
        {"one": zeros(1, 37, 84)},
        {"boxes": zeros(1, 116, 84), "protos": zeros(1, 32, 16, 16)},  # 80 classes
        {"boxes": zeros(1, 84, 37), "protos": zeros(1, 32, 16, 16)},
        {"boxes": zeros(1, 300, 38), "protos": zeros(1, 32, 16, 16)},  # exported with nms=True
        {"boxes": zeros(1, 37, 84), "protos": zeros(32, 16, 16)},
        {"boxes": zeros(2, 37, 84), "protos": zeros(2, 32, 16, 16)},
        {"boxes": zeros(1, 37, 84), "protos": zeros(1, 32, 16, 16), "more": zeros(1, 2)},
    ],
    ids=lambda outputs: " ".join(str(value.shape) for value in outputs.values()),
)
def test_networks_with_other_outputs_are_refused(tmp_path: Path, outputs: dict[str, np.ndarray]) -> None:
    fastsam.constants(tmp_path / "fastsam.onnx", outputs)
    with pytest.raises(ModelUnavailable, match=r"fastsam\.onnx is not FastSAM: it gives .* and \(1, M, h, w\)") as said:
        load(tmp_path)
    assert all(str(values.shape) in str(said.value) for values in outputs.values())


def test_networks_with_other_inputs_are_refused(directory: Path, tmp_path: Path) -> None:
    heads = {"boxes": zeros(1, 37, 84), "protos": zeros(1, 32, 16, 16)}
    for shape in ((1, 1, 64, 64), (3, 64, 64), (4, 3, 64, 64)):
        fastsam.constants(tmp_path / "fastsam.onnx", heads, {"images": shape})
        with pytest.raises(ModelUnavailable, match=r"is not FastSAM: it takes images .*; FastSAM takes one picture"):
            load(tmp_path)
    with pytest.raises(ModelUnavailable, match=r"exported for pictures of 512 by 512 pixels; input_side = 640 needs"):
        load(directory, input_side=640)
    load(directory, input_side=512, runtime="onnxruntime")


def test_damaged_files_are_refused(directory: Path, tmp_path: Path) -> None:
    whole = (directory / "fastsam.onnx").read_bytes()
    for content in (b"", whole[: len(whole) // 2], b"not a network"):
        (tmp_path / "fastsam.onnx").write_bytes(content)
        with pytest.raises(ModelUnavailable, match=r"fastsam\.onnx is damaged, or no ONNX file\."):
            load(tmp_path)
    (tmp_path / "fastsam.onnx").write_bytes(whole.replace(b"CumSum", b"CumSim"))
    with pytest.raises(ModelUnavailable, match="Nothing that is installed can compute"):
        load(tmp_path)


def test_answers_that_are_no_numbers_are_no_objects(tmp_path: Path) -> None:
    boxes = np.full((1, 37, 84), np.nan, np.float32)
    boxes[:, 4] = 0.9
    fastsam.constants(tmp_path / "fastsam.onnx", {"boxes": boxes, "protos": zeros(1, 32, 16, 16)})
    masks = ask(load(tmp_path, runtime="onnxruntime"), picture(), points((1, 1, 1)))
    assert masks.masks.shape == (0, 480, 640)
