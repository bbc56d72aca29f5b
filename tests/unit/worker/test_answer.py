import io

import msgspec
import numpy as np
import PIL.Image
import pytest

from maskbus.interfaces import Image, Masks, TextScore
from maskbus.worker import answer, mask_source
from maskbus.worker.answer import MasksEncoder, check
from maskbus.worker.mask_source import AnsweredMasks
from maskbus_wire import base64_text, bits, geometry, label_map, png, polygon, replies, rle

HEIGHT, WIDTH = 40, 57
ALL = ("rle", "bits", "bits+zlib", "png", "png_base64", "polygon", "raw", "labels", "logits", "overlay")


def two_masks(order="C"):
    masks = np.zeros((3, HEIGHT, WIDTH), np.bool_, order)
    masks[0, 3:20, 5:30] = True
    masks[0, 8:12, 10:20] = False
    masks[1, 25:, 40:] = True
    ones = np.ones(3, np.float32)
    logits = np.random.default_rng(7).normal(size=(3, 10, 14)).astype(np.float32)
    return Masks(masks, ones * 0.5, ones, logits, ("a", "b", "c"), ones * 0.25)


def an_image():
    return Image(np.full((HEIGHT, WIDTH, 3), 90, np.uint8))


def fields_of(masks, encodings, *, inline=False, image=an_image):
    """Write an answer, and read it as a peer would: through the wire's types."""
    fields, attachments = MasksEncoder(AnsweredMasks(masks), image).fields(encodings, inline=inline)
    reply = replies.Masks(model="m", width=WIDTH, height=HEIGHT, **fields)
    plain = msgspec.to_builtins(reply, builtin_types=(bytes,))
    return msgspec.convert(plain, replies.Masks, builtin_types=(bytes,)), attachments


def payload(blob, attachments):
    given = [value for value in (blob.attachment, blob.data, blob.base64) if value is not None]
    assert len(given) == 1
    return attachments[blob.attachment] if blob.data is None else blob.data


DECODERS = {
    "rle": lambda mask, attachments: rle.decode(mask.rle.counts, *mask.rle.size),
    "bits": lambda mask, attachments: bits.unpack(payload(mask.bits, attachments), HEIGHT, WIDTH),
    "bits+zlib": lambda mask, attachments: bits.unpack_zlib(payload(mask.bits_zlib, attachments), HEIGHT, WIDTH),
    "png": lambda mask, attachments: png.decode_mask(payload(mask.png, attachments), HEIGHT, WIDTH),
    "png_base64": lambda mask, attachments: png.decode_mask(
        base64_text.decode(mask.png_base64, max_bytes=10_000), HEIGHT, WIDTH
    ),
    "polygon": lambda mask, attachments: polygon.decode(mask.polygon, HEIGHT, WIDTH),
    "raw": lambda mask, attachments: (
        np.frombuffer(payload(mask.raw, attachments), np.uint8).reshape(HEIGHT, WIDTH) == 255
    ),
}


@pytest.mark.parametrize("inline", [False, True])
@pytest.mark.parametrize("encoding", DECODERS)
@pytest.mark.parametrize("order", ["C", "F"])
def test_every_encoding_decodes_back_to_the_mask(encoding, inline, order):
    masks = two_masks(order)
    reply, attachments = fields_of(masks, [encoding], inline=inline)
    assert reply.encodings == [encoding]
    assert not (inline and attachments)
    for mask, truth in zip(reply.masks, masks.masks, strict=True):
        assert np.array_equal(DECODERS[encoding](mask, attachments), truth)


def test_raw_is_0_and_255():
    reply, attachments = fields_of(two_masks(), ["raw"])
    assert set(bytes(payload(reply.masks[0].raw, attachments))) == {0, 255}


def test_what_every_mask_tells():
    masks = two_masks()
    reply, attachments = fields_of(masks, [])
    assert attachments == []
    for mask, truth, label in zip(reply.masks, masks.masks, "abc", strict=True):
        assert mask.bbox == geometry.bbox(truth)
        assert mask.area == truth.sum()
        assert (mask.predicted_iou, mask.stability_score) == (0.5, 1.0)
        assert (mask.label, mask.similarity) == (label, 0.25)
        assert mask.rle is mask.bits is mask.png is mask.raw is mask.polygon is mask.logits is None


@pytest.mark.parametrize("inline", [False, True])
def test_labels(inline):
    masks = two_masks()
    reply, attachments = fields_of(masks, ["labels"], inline=inline)
    assert reply.labels.dtype == "uint8"
    labels = np.frombuffer(payload(reply.labels, attachments), np.uint8).reshape(reply.labels.shape)
    assert np.array_equal(label_map.decode(labels, 3), masks.masks)


def test_labels_of_many_masks():
    masks = np.zeros((300, HEIGHT, WIDTH), np.bool_)
    masks.reshape(300, -1)[np.arange(300), np.arange(300)] = True
    ones = np.ones(300, np.float32)
    reply, attachments = fields_of(Masks(masks, ones, ones), ["labels"])
    assert reply.labels.dtype == "uint16"
    labels = np.frombuffer(payload(reply.labels, attachments), "<u2").reshape(reply.labels.shape)
    assert np.array_equal(label_map.decode(labels, 300), masks)


@pytest.mark.parametrize("inline", [False, True])
@pytest.mark.parametrize("dtype", [np.float32, np.float64, ">f4"])
def test_logits(inline, dtype):
    masks = two_masks()
    wanted, masks.logits = masks.logits, np.asfortranarray(masks.logits.astype(dtype))
    reply, attachments = fields_of(masks, ["logits"], inline=inline)
    for mask, truth in zip(reply.masks, wanted, strict=True):
        assert (mask.logits.shape, mask.logits.dtype) == ([10, 14], "float32")
        assert np.array_equal(np.frombuffer(payload(mask.logits, attachments), "<f4").reshape(10, 14), truth)


@pytest.mark.parametrize("inline", [False, True])
def test_overlay(inline):
    reply, attachments = fields_of(two_masks(), ["overlay"], inline=inline)
    painted = np.asarray(PIL.Image.open(io.BytesIO(payload(reply.overlay, attachments))))
    assert painted.shape == (HEIGHT, WIDTH, 3)
    assert (painted[0, 0] == 90).all()
    assert (painted[30, 50] != 90).any()


def test_image_is_opened_for_an_overlay_only():
    fields_of(two_masks(), ALL[:-1], image=lambda: pytest.fail("nobody asked for the pixels"))


def test_attachments_are_named_once_each():
    reply, attachments = fields_of(two_masks(), ALL)
    named = [
        blob.attachment for mask in reply.masks for blob in (mask.bits, mask.bits_zlib, mask.png, mask.raw, mask.logits)
    ]
    named += [reply.labels.attachment, reply.overlay.attachment]
    assert sorted(named) == list(range(len(attachments)))


def test_no_masks():
    reply, attachments = fields_of(Masks.none(HEIGHT, WIDTH), ALL)
    assert reply.masks == []
    assert reply.labels.shape == [HEIGHT, WIDTH]
    assert not any(payload(reply.labels, attachments))


def test_each_encoding_is_made_once_for_all_outputs(monkeypatch):
    made = []
    for name in ("png", "bits"):
        real = answer._BLOBS[name]
        monkeypatch.setitem(answer._BLOBS, name, lambda mask, name=name, real=real: made.append(name) or real(mask))
    monkeypatch.setattr(mask_source.rle, "encode_window", lambda *_: made.append("rle") or "counts")
    monkeypatch.setattr(answer.polygon, "encode", lambda mask, **_: made.append("polygon") or [])
    labels = np.zeros((HEIGHT, WIDTH), np.uint8)
    monkeypatch.setattr(answer.label_map, "encode_windows", lambda *_: made.append("labels") or labels)
    encoder = MasksEncoder(AnsweredMasks(two_masks()), an_image)
    first, first_attachments = encoder.fields(["png", "bits", "rle", "polygon", "labels"], inline=False)
    second, second_attachments = encoder.fields(["labels", "png", "rle", "polygon"], inline=False)
    assert sorted(made) == sorted(["png", "bits", "rle", "polygon"] * 3 + ["labels"])
    one = first_attachments[first["masks"][2].png.attachment]
    other = second_attachments[second["masks"][2].png.attachment]
    assert one is other


def test_a_sound_answer():
    check(two_masks(), HEIGHT, WIDTH, logits=True)
    check(Masks.none(HEIGHT, WIDTH), HEIGHT, WIDTH, logits=True)


def changed(**fields):
    masks = two_masks()
    for name, value in fields.items():
        setattr(masks, name, value)
    return masks


@pytest.mark.parametrize(
    "wrong",
    [
        changed(masks=np.zeros((3, HEIGHT, WIDTH), np.uint8)),
        changed(masks=np.zeros((HEIGHT, WIDTH), np.bool_)),
        changed(masks=np.zeros((3, WIDTH, HEIGHT), np.bool_)),
        changed(predicted_iou=np.ones(2, np.float32)),
        changed(stability_score=np.array([1, np.nan, 1], np.float32)),
        changed(similarity=np.array([1, np.inf, 1], np.float32)),
        changed(probability=np.array([[1], [1], [1]], np.float32)),
        changed(scores=(TextScore("cup", 1, 2, float("nan")),)),
        changed(scores=(TextScore("cup", 1, 2, 0.5, float("inf")),)),
        changed(labels=("a", "b")),
        changed(logits=np.zeros((2, 10, 14), np.float32)),
        changed(logits=np.zeros((10, 14), np.float32)),
    ],
    ids=[
        "dtype",
        "axes",
        "transposed",
        "iou",
        "stability",
        "similarity",
        "probability",
        "score-similarity",
        "score-probability",
        "labels",
        "count-of-logits",
        "axes-of-logits",
    ],
)
def test_an_unsound_answer(wrong):
    with pytest.raises(ValueError, match="handler"):
        check(wrong, HEIGHT, WIDTH, logits=True)
