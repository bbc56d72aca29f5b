from __future__ import annotations

import gc
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from maskbus_client import picture
from maskbus_client.errors import NoMask, ProtocolError
from maskbus_client.results import Result
from maskbus_wire import base64_text, bits, label_map, overlay, png, polygon, replies, rle

H, W = 11, 13


@pytest.fixture
def truth() -> np.ndarray:
    masks = np.zeros((2, H, W), bool)
    masks[0, 1:9, 2:7] = True
    masks[1, 5:10, 8:13] = True
    return masks


def hold(encoding: str, mask: np.ndarray, attachments: list[bytes]) -> dict[str, Any]:
    def attach(data: bytes) -> replies.Blob:
        attachments.append(data)
        return replies.Blob(attachment=len(attachments) - 1)

    held: dict[str, Callable[[], Any]] = {
        "rle": lambda: replies.Rle(size=(H, W), counts=rle.encode(mask)),
        "bits": lambda: attach(bits.pack(mask)),
        "bits+zlib": lambda: attach(bits.pack_zlib(mask)),
        "png": lambda: attach(png.encode_mask(mask)),
        "png_base64": lambda: base64_text.encode(png.encode_mask(mask)),
        "polygon": lambda: polygon.encode(mask),
        "raw": lambda: attach((mask * np.uint8(255)).tobytes()),
    }
    return {encoding.replace("+", "_"): held[encoding]()} if encoding in held else {}


def make(truth: np.ndarray, encoding: str = "rle", show: picture.Picture | None = None, **fields: Any) -> Result:
    attachments: list[bytes] = []
    masks = [
        replies.Mask(
            bbox=(2, 1, 5, 8),
            area=int(mask.sum()),
            predicted_iou=0.5 + 0.1 * i,
            stability_score=0.25,
            label="cat",
            similarity=0.75,
            **hold(encoding, mask, attachments),
        )
        for i, mask in enumerate(truth)
    ]
    if encoding == "labels":
        attachments.append(label_map.encode(truth).tobytes())
        fields["labels"] = replies.Tensor(attachment=len(attachments) - 1, shape=[H, W], dtype="uint8")
    reply = replies.Masks(id="i", model="m", width=W, height=H, masks=masks, encodings=[encoding], **fields)
    return Result(reply, attachments, show)


ENCODINGS = ["rle", "bits", "bits+zlib", "png", "png_base64", "polygon", "raw", "labels"]


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_masks_come_back_from_every_encoding(encoding, truth):
    result = make(truth, encoding)
    assert np.array_equal(result.to_array(), truth)
    assert np.array_equal(result.labels(), label_map.encode(truth))
    for mask, expected in zip(result, truth, strict=True):
        assert np.array_equal(mask.to_array(), expected)
        assert mask.to_array().dtype == bool
        assert mask.to_array() is mask.to_array()
        assert not mask.to_array().flags.writeable
        assert mask.to_array().view(np.uint8).max() == 1
        assert mask.rle == {"size": [H, W], "counts": rle.encode(expected)}
        assert np.array_equal(polygon.decode(mask.polygon, H, W), expected)
        assert np.array_equal(png.decode_mask(mask.bytes("png"), H, W), expected)
        assert bytes(mask.bytes("bits")) == bits.pack(expected)
        assert np.array_equal(bits.unpack_zlib(mask.bytes("bits+zlib"), H, W), expected)
        assert bytes(mask.bytes("raw")) == (expected * np.uint8(255)).tobytes()


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # pycocotools' own
def test_the_rle_is_what_pycocotools_reads(truth):
    coco = pytest.importorskip("pycocotools.mask")
    assert np.array_equal(coco.decode(make(truth, "bits")[0].rle), truth[0])


def test_the_numbers(truth):
    result = make(
        truth,
        image_id="x",
        cached=True,
        stamp=5,
        frame_id="f",
        stream="s",
        seq=7,
        topic="t",
        timings=replies.Timings(total_ms=3),
    )
    assert (result.id, result.model, result.width, result.height) == ("i", "m", W, H)
    assert (result.image_id, result.cached, result.encodings, result.topic) == ("x", True, ["rle"], "t")
    assert (result.stamp, result.frame_id, result.stream, result.seq) == (5, "f", "s", 7)
    assert result.timings.total_ms == 3
    mask = result[0]
    assert (mask.bbox, mask.area, mask.predicted_iou, mask.stability_score) == ((2, 1, 5, 8), 40, 0.5, 0.25)
    assert (mask.label, mask.similarity, mask.width, mask.height) == ("cat", 0.75, W, H)
    assert mask.holds("rle")
    assert not mask.holds("png")
    assert not mask.holds("sunspots")
    assert "cat" in repr(mask)
    assert "2 masks" in repr(result)


def test_a_result_is_a_sequence(truth):
    result = make(truth)
    assert len(result) == 2
    assert list(result) == result.masks == result[:] == result[::-1][::-1]
    assert result[-1] is result.masks[1]
    assert result.best is result.masks[1]


def test_no_masks(truth):
    result = make(truth[:0])
    assert result.to_array().shape == (0, H, W)
    assert not result.labels().any()
    with pytest.raises(NoMask):
        result.best  # noqa: B018


def test_no_pixels(truth):
    result = make(truth, "none")
    with pytest.raises(NoMask, match="encoding"):
        result[0].to_array()
    with pytest.raises(NoMask):
        result.to_array()
    assert result[0].logits() is None


def test_logits_are_a_view(truth):
    result = make(truth)
    logits = np.linspace(-1, 1, 6, dtype="<f4")
    entry = replies.Mask(
        bbox=(0, 0, 0, 0),
        area=0,
        predicted_iou=0,
        stability_score=0,
        logits=replies.Tensor(attachment=0, shape=[2, 3], dtype="float32"),
    )
    reply = replies.Masks(model="m", width=W, height=H, masks=[entry])
    buffer = memoryview(logits.tobytes())
    result = Result(reply, [buffer])
    found = result[0].logits()
    assert found is not None
    assert found.shape == (2, 3)
    assert np.shares_memory(found, np.frombuffer(buffer, np.uint8))
    assert not found.flags.writeable


def broken(**held: Any) -> Result:
    entry = replies.Mask(bbox=(0, 0, 1, 1), area=1, predicted_iou=0, stability_score=0, **held)
    return Result(replies.Masks(model="m", width=W, height=H, masks=[entry]), [b"\0" * 5])


@pytest.mark.parametrize(
    "held",
    [
        {"rle": replies.Rle(size=(H, W + 1), counts="0")},
        {"rle": replies.Rle(size=(H, W), counts="~~~")},
        {"rle": replies.Rle(size=(H, W), counts="")},
        {"bits": replies.Blob(attachment=0)},
        {"bits": replies.Blob(attachment=1)},
        {"bits": replies.Blob(attachment=-1)},
        {"bits": replies.Blob()},
        {"bits": replies.Blob(attachment=0, data=b"")},
        {"bits": replies.Blob(base64="!!!")},
        {"bits_zlib": replies.Blob(attachment=0)},
        {"png": replies.Blob(attachment=0)},
        {"png": replies.Blob(data=png.encode_mask(np.ones((H, W + 1), bool)))},
        {"png_base64": "%%%"},
        {"polygon": [[1.0]]},
        {"raw": replies.Blob(attachment=0)},
    ],
)
def test_broken_masks_are_protocol_errors(held):
    with pytest.raises(ProtocolError, match=r"reply's"):
        broken(**held)[0].to_array()


@pytest.mark.parametrize(
    "tensor",
    [
        replies.Tensor(attachment=0, shape=[2, 3], dtype="float32"),
        replies.Tensor(attachment=0, shape=[5], dtype="uint8"),
        replies.Tensor(attachment=0, shape=[0, 3], dtype="float32"),
        replies.Tensor(attachment=0, shape=[-1, -5], dtype="uint8"),
        replies.Tensor(attachment=0, shape=[1, 5], dtype="uint8"),
        replies.Tensor(attachment=7, shape=[1, 1], dtype="float32"),
    ],
)
def test_broken_tensors_are_protocol_errors(tensor):
    with pytest.raises(ProtocolError, match="reply's"):
        broken(logits=tensor)[0].logits()
    reply = replies.Masks(model="m", width=W, height=H, masks=[], labels=tensor)
    with pytest.raises(ProtocolError, match="reply's"):
        Result(reply, [b"\0" * 5]).labels()


def test_a_label_map_that_names_no_mask(truth):
    result = make(truth[:1], "none")
    labels = replies.Tensor(data=bytes([9]) * (H * W), shape=[H, W], dtype="uint8")
    reply = replies.Masks(model="m", width=W, height=H, masks=result.reply.masks, labels=labels)
    with pytest.raises(ProtocolError, match="labels"):
        Result(reply, [])[0].to_array()


def test_an_image_without_pixels():
    with pytest.raises(ProtocolError, match="0 × 5"):
        Result(replies.Masks(model="m", width=0, height=5, masks=[]), [])


def test_overlay_over_what_was_sent(truth):
    image = np.random.default_rng(0).integers(0, 256, (H, W, 3), np.uint8)
    result = make(truth, show=picture.weakly(image, lambda held: held))
    expected = overlay.paint(image, truth, alpha=0.25)
    assert np.array_equal(result.overlay(alpha=0.25), expected)
    assert np.array_equal(result[1].overlay(), overlay.paint(image, truth[1:]))
    assert np.array_equal(make(truth).overlay(image, 0.25), expected)
    assert np.array_equal(make(truth).overlay(image[:, :, ::-1], 0.25, color="bgr"), expected)


def test_overlay_without_an_image(truth):
    with pytest.raises(ValueError, match="not known"):
        make(truth).overlay()
    with pytest.raises(ValueError, match="The image is 2 × 2"):
        make(truth).overlay(np.zeros((2, 2, 3), np.uint8))


def test_overlay_of_the_reply(truth):
    painted = np.random.default_rng(0).integers(0, 256, (H, W, 3), np.uint8)
    result = make(truth, overlay=replies.Blob(data=picture.to_png(painted)))
    assert np.array_equal(result.overlay(), painted)
    for data in (b"none", picture.to_png(painted[:5])):
        with pytest.raises(ProtocolError, match="overlay"):
            make(truth, overlay=replies.Blob(data=data)).overlay()


def test_save(truth, tmp_path: Path):
    path = tmp_path / "a.png"
    make(truth).save(path)
    assert np.array_equal(np.asarray(Image.open(path)), truth.any(axis=0) * np.uint8(255))
    image = np.zeros((H, W, 3), np.uint8)
    make(truth, show=picture.weakly(image, lambda held: held)).save(path)
    assert np.array_equal(np.asarray(Image.open(path)), overlay.paint(image, truth))
    make(truth)[1].save(path)
    assert np.array_equal(np.asarray(Image.open(path)), truth[1] * np.uint8(255))


def test_large_frames_are_let_go_without_the_garbage_collector(truth):
    gc.disable()
    try:
        result = make(truth)
        result.to_array()
        watch = weakref.ref(result.masks[0])
        del result
        assert watch() is None
    finally:
        gc.enable()


def test_another_encoding_of_bytes(truth):
    with pytest.raises(ValueError, match="gif"):
        make(truth)[0].bytes("gif")
