from __future__ import annotations

import numpy as np
import pytest

from maskbus_client.prompt_input import NOTHING, prepare
from maskbus_client.results import Result
from maskbus_wire import bits, replies, rle
from maskbus_wire.prompts import Prompt


@pytest.mark.parametrize(
    ("given", "points"),
    [
        ((3, 4), [(3, 4)]),
        ([3, 4.5], [(3, 4.5)]),
        ([(1, 2), (3, 4)], [(1, 2), (3, 4)]),
        (np.array([3, 4]), [(3, 4)]),
        (np.array([[1.5, 2], [3, 4]], np.float32), [(1.5, 2), (3, 4)]),
        ([np.array([1, 2]), np.array([3, 4])], [(1, 2), (3, 4)]),
        (np.array([1, 2], np.uint16), [(1, 2)]),
        ([], []),
    ],
)
def test_points(given, points):
    prompt = prepare(points=given).prompt
    assert prompt.points == points
    assert all(type(number) is float for point in prompt.points for number in point)


@pytest.mark.parametrize(
    ("given", "labels"),
    [(None, []), ([1, 0], [1, 0]), ((True, False), [1, 0]), (np.array([1, 0]), [1, 0]), (np.array([1.0, 0.0]), [1, 0])],
)
def test_labels(given, labels):
    assert prepare(points=[(1, 2), (3, 4)], labels=given).prompt.labels == labels


def test_one_label_for_one_point():
    assert prepare(points=(1, 2), labels=0).prompt.labels == [0]
    assert prepare(points=(1, 2), labels=np.int64(1)).prompt.labels == [1]


@pytest.mark.parametrize("name", ["box", "boxes"])
def test_boxes(name):
    assert prepare(**{name: (1, 2, 3, 4)}).prompt.boxes == [(1, 2, 3, 4)]
    assert prepare(**{name: np.array([[1, 2, 3, 4], [5, 6, 7, 8]])}).prompt.boxes == [(1, 2, 3, 4), (5, 6, 7, 8)]


def test_text():
    assert prepare(text="cat").prompt.text == ["cat"]
    prompt = prepare(text=["cat", "dog"], negative_text="tree").prompt
    assert (prompt.text, prompt.negative_text) == (["cat", "dog"], ["tree"])


def test_nothing():
    assert prepare() == NOTHING == (Prompt(), [])


def test_a_mask_goes_as_deflated_bits():
    mask = np.random.default_rng(0).random((6, 9)) < 0.5
    prompt, attachments = prepare(mask=mask, size=(6, 9), first_attachment=1)
    assert prompt.mask is not None
    assert (prompt.mask.encoding, prompt.mask.attachment) == ("bits+zlib", 1)
    assert np.array_equal(bits.unpack_zlib(attachments[0], 6, 9), mask)


def result(**held: object) -> Result:
    entry = replies.Mask(bbox=(0, 0, 1, 1), area=1, predicted_iou=1, stability_score=1, **held)  # type: ignore[arg-type]
    logits = np.arange(6, dtype="<f4").tobytes()
    return Result(replies.Masks(model="m", width=9, height=6, masks=[entry]), [logits])


def test_a_mask_of_a_result_goes_as_it_came():
    mask = np.random.default_rng(0).random((6, 9)) < 0.5
    held = result(rle=replies.Rle(size=(6, 9), counts=rle.encode(mask)))[0]
    prompt, attachments = prepare(mask=held, size=(6, 9))
    assert prompt.mask is not None
    assert (prompt.mask.encoding, prompt.mask.counts) == ("rle", rle.encode(mask))
    assert not attachments
    bare = result(bits=replies.Blob(data=bits.pack(mask)))[0]
    prompt, attachments = prepare(mask=bare)
    assert np.array_equal(bits.unpack_zlib(attachments[0], 6, 9), mask)


def test_logits():
    array = np.arange(6, dtype=np.float64).reshape(2, 3)
    mask = np.ones((4, 4), bool)
    held = result(logits=replies.Tensor(attachment=0, shape=[2, 3], dtype="float32"))[0]
    for given in (array, array.astype(">f4"), held):
        prompt, attachments = prepare(mask=mask, logits=given, first_attachment=1)
        assert prompt.logits is not None
        assert (prompt.logits.shape, prompt.logits.attachment) == ((2, 3), 2)
        assert attachments[1] == array.astype("<f4").tobytes()


@pytest.mark.parametrize(
    ("given", "match"),
    [
        ({"points": [(1, 2, 3)]}, r"points\[0\]"),
        ({"points": [(1, 2), (3,)]}, r"points\[1\]"),
        ({"points": (1, float("nan"))}, "finite"),
        ({"points": (1, float("inf"))}, "finite"),
        ({"points": (1, 2), "labels": [1, 0]}, "one label a point"),
        ({"labels": [1]}, "one label a point"),
        ({"points": (1, 2), "labels": [-1]}, r"labels\[0\]"),
        ({"points": (1, 2), "labels": ["a"]}, r"labels\[0\]"),
        ({"box": (1, 2, 3)}, r"boxes\[0\]"),
        ({"box": (3, 2, 1, 4)}, "x0 < x1"),
        ({"box": (1, 2, 3, 4), "boxes": [(1, 2, 3, 4)]}, "not both"),
        ({"text": ""}, "empty"),
        ({"text": ["a", " "]}, r"text\[1\]"),
        ({"mask": np.ones((3, 3), bool), "size": (3, 4)}, "3 × 3"),
        ({"logits": result()[0]}, "logits"),
    ],
)
def test_impossible_values(given, match):
    with pytest.raises(ValueError, match=match):
        prepare(**given)


@pytest.mark.parametrize(
    "given",
    [
        {"points": 5},
        {"points": "ab"},
        {"points": [("a", "b")]},
        {"points": [1, (2, 3)]},
        {"points": np.float32(3)},
        {"points": (1, 2), "labels": "1"},
        {"box": {1, 2, 3, 4}},
        {"text": [5]},
        {"text": 5},
        {"text": b"cup"},
        {"negative_text": 0.5},
        {"mask": np.ones((3, 3), np.uint8)},
        {"mask": np.ones((1, 3, 3), bool)},
        {"mask": [[True]]},
        {"logits": np.ones((2, 2), np.int32)},
        {"logits": np.ones((1, 2, 2), np.float32)},
        {"logits": [[0.5]]},
    ],
)
def test_impossible_types(given):
    with pytest.raises(TypeError, match=r" must be .*, not "):
        prepare(**given)
