"""Every way in which an image may come, and every way in which a mask may go back, through a whole node."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator

import cv2
import numpy as np
import PIL.Image
import pytest

from maskbus.handlers.echo import EchoHandler
from maskbus.testing import RunningNode, node
from maskbus_wire import base64_text, bits, label_map, png, polygon, replies, rle
from maskbus_wire.prompts import Image, LogitsPrompt, MaskPrompt, Prompt
from maskbus_wire.requests import Embed, Release, Segment, Stats
from support.models import Bright
from support.peer import Peer, raw

HEIGHT, WIDTH = 64, 96
MASK = np.zeros((HEIGHT, WIDTH), np.bool_)
MASK[16:48, 16:32] = MASK[0:16, 64:80] = MASK[48:64, 0:16] = True  # on the grid of jpeg, and like none of its mirrors
RGB = np.where(MASK[:, :, None], np.uint8([250, 10, 30]), np.uint8([5, 10, 220]))
BGR = np.ascontiguousarray(RGB[:, :, ::-1])
MONO = RGB[:, :, 0].copy()
ALPHA = np.full((HEIGHT, WIDTH, 1), 77, np.uint8)
RAW = {
    "rgb8": RGB,
    "bgr8": BGR,
    "mono8": MONO,
    "rgba8": np.concatenate([RGB, ALPHA], axis=2),
    "bgra8": np.concatenate([BGR, ALPHA], axis=2),
}
FILES = {
    "jpeg": cv2.imencode(".jpg", BGR, [cv2.IMWRITE_JPEG_QUALITY, 95])[1].tobytes(),
    "png": cv2.imencode(".png", BGR)[1].tobytes(),
    "webp": cv2.imencode(".webp", BGR, [cv2.IMWRITE_WEBP_QUALITY, 101])[1].tobytes(),
}


@pytest.fixture(scope="module")
def running() -> Iterator[RunningNode]:
    with node({"bright": Bright, "echo": EchoHandler}) as made:
        yield made


@pytest.fixture
def peer(running):
    with Peer(running.context, running.endpoint) as made:
        yield made


def ask(peer, image, *attachments, **fields):
    reply = peer.ask(Segment(image=image, model="bright", **fields), *attachments)
    assert isinstance(reply, replies.Masks), reply
    return reply


def mask_of(reply):
    return rle.decode(reply.masks[0].rle.counts, reply.height, reply.width)


def assert_bright(reply):
    assert (reply.width, reply.height) == (WIDTH, HEIGHT)
    assert np.array_equal(mask_of(reply), MASK)


def refuse(peer, code, image, *attachments, path=None):
    reply = peer.ask(Segment(image=image, model="bright"), *attachments)
    assert isinstance(reply, replies.Error), reply
    assert reply.code == code
    if path:
        assert reply.path == path
    assert peer.ask(Stats()).shm_used_bytes == 0


def padded(array, step):
    row = array[0].nbytes
    rows = np.full((HEIGHT, step), 200, np.uint8)
    rows[:, :row] = array.reshape(HEIGHT, row)
    return rows.tobytes()


@pytest.mark.parametrize("encoding", RAW)
def test_raw(peer, encoding):
    assert_bright(ask(peer, raw(RAW[encoding], encoding=encoding), RAW[encoding]))


@pytest.mark.parametrize("whole", [True, False], ids=["whole", "last-row-unpadded"])
@pytest.mark.parametrize("padding", [1, 7, 512])
@pytest.mark.parametrize("encoding", RAW)
def test_padded_rows(peer, encoding, padding, whole):
    array = RAW[encoding]
    step = array[0].nbytes + padding
    data = padded(array, step)
    data = data if whole else data[: step * (HEIGHT - 1) + array[0].nbytes]
    assert_bright(ask(peer, raw(array, encoding=encoding, step=step), data))


@pytest.mark.parametrize("encoding", FILES)
def test_files(peer, encoding):
    assert_bright(ask(peer, Image(encoding=encoding, attachment=0), FILES[encoding]))
    sized = Image(encoding=encoding, attachment=0, width=WIDTH, height=HEIGHT)
    reply = ask(peer, sized, FILES[encoding])
    assert_bright(reply)


@pytest.mark.parametrize("encoding", [*RAW, *FILES])
def test_inline_base64_and_data_url(peer, encoding):
    data = RAW[encoding].tobytes() if encoding in RAW else FILES[encoding]
    size = {"width": WIDTH, "height": HEIGHT} if encoding in RAW else {}
    text = base64.b64encode(data).decode()
    broken = "\n".join(text[i : i + 76] for i in range(0, len(text), 76))
    assert_bright(ask(peer, Image(encoding=encoding, data=data, **size)))
    assert_bright(ask(peer, Image(encoding=encoding, base64=text, **size)))
    assert_bright(ask(peer, Image(encoding=encoding, base64=broken, **size)))
    if encoding in FILES:
        assert_bright(ask(peer, Image(base64=f"data:image/{encoding};base64,{text}")))
        assert_bright(ask(peer, Image(base64=f"data:application/octet-stream;base64,{text}")))


def test_any_attachment(peer):
    assert_bright(ask(peer, raw(RGB, attachment=2), b"one", b"two", RGB, b"four"))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation(peer, orientation):
    """The size told, the prompt's coordinates and the mask are those of the upright picture."""
    upright = PIL.Image.fromarray(RGB)
    turns = PIL.Image.Transpose
    undo = {2: turns.FLIP_LEFT_RIGHT, 3: turns.ROTATE_180, 4: turns.FLIP_TOP_BOTTOM, 5: turns.TRANSPOSE}
    undo |= {6: turns.ROTATE_90, 7: turns.TRANSVERSE, 8: turns.ROTATE_270}
    stored = upright.transpose(undo[orientation]) if orientation in undo else upright
    exif = PIL.Image.Exif()
    exif[0x0112] = orientation
    file = io.BytesIO()
    stored.save(file, "JPEG", quality=95, exif=exif)
    image = Image(encoding="jpeg", attachment=0, width=WIDTH, height=HEIGHT)
    assert_bright(ask(peer, image, file.getvalue(), prompt=Prompt(points=[(WIDTH - 1, HEIGHT - 1)])))
    outside = peer.ask(Segment(image=image, model="bright", prompt=Prompt(points=[(0, HEIGHT)])), file.getvalue())
    assert outside.path == "prompt.points[0]"


@pytest.mark.parametrize("more", [-1, 1, -RGB.nbytes])
@pytest.mark.parametrize("encoding", RAW)
def test_bytes_that_are_not_what_is_announced(peer, encoding, more):
    data = RAW[encoding].tobytes()
    data = data + bytes(more) if more > 0 else data[:more]
    refuse(peer, "invalid_image", raw(RAW[encoding], encoding=encoding), data, path="image")


@pytest.mark.parametrize("encoding", FILES)
def test_damaged_files(peer, encoding):
    data = FILES[encoding]
    for damaged in (data[:10], data[: len(data) // 2], data[:-4], b"", b"\0" * 100):
        refuse(peer, "invalid_image", Image(encoding=encoding, attachment=0), damaged)
    other = "png" if encoding != "png" else "webp"
    refuse(peer, "invalid_image", Image(encoding=other, attachment=0), data, path="image.encoding")
    refuse(peer, "invalid_image", Image(encoding=encoding, attachment=0, width=WIDTH + 1), data)


def test_file_that_announces_more_pixels_than_are_allowed():
    bomb = cv2.imencode(".png", np.zeros((3000, 3000), np.uint8))[1].tobytes()
    with node({"bright": Bright}, max_pixels=1_000_000) as running, Peer(running.context, running.endpoint) as peer:
        refuse(peer, "too_large", Image(encoding="png", attachment=0), bomb, path="image")
        refuse(peer, "too_large", raw(RGB, width=2000, height=1000), RGB, path="image")


# -- kept images -------------------------------------------------------------------------------------------------------


def test_keep_and_release(peer):
    first = ask(peer, raw(RGB), RGB, keep=True)
    assert_bright(first)
    reference = Image(image_id=first.image_id)
    for _ in range(3):
        again = ask(peer, reference)
        assert_bright(again)
        assert again.cached
        assert again.image_id == first.image_id
    assert peer.ask(Stats()).images == 1
    assert isinstance(peer.ask(Release(image_id=first.image_id, id="r")), replies.Released)
    refuse(peer, "unknown_image", reference, path="image.image_id")
    assert peer.ask(Release(image_id=first.image_id)).code == "unknown_image"


@pytest.mark.parametrize("encoding", ["rgb8", "mono8", *FILES])
def test_embed_and_then_segment(peer, encoding):
    data = RAW.get(encoding, FILES.get(encoding))
    image = raw(data, encoding=encoding) if encoding in RAW else Image(encoding=encoding, attachment=0)
    embedded = peer.ask(Embed(image=image, model="bright", id="e", seq=3), data)
    assert isinstance(embedded, replies.Embedded)
    assert (embedded.id, embedded.seq, embedded.width, embedded.height) == ("e", 3, WIDTH, HEIGHT)
    assert embedded.embedding_bytes == HEIGHT * WIDTH
    reply = ask(peer, Image(image_id=embedded.image_id))
    assert_bright(reply)
    assert reply.cached
    peer.ask(Release(image_id=embedded.image_id))


def test_the_same_picture_sent_again_is_embedded_once(peer):
    changed = RGB.copy()
    changed[0, 0] = 1
    assert not ask(peer, raw(changed), changed).cached
    again = ask(peer, raw(changed), changed)
    assert again.cached
    assert again.image_id is None


def test_a_kept_image_serves_several_models(peer):
    kept = peer.ask(Embed(image=raw(RGB), model="bright"), RGB)
    request = Segment(image=Image(image_id=kept.image_id), model="echo", prompt=Prompt(boxes=[(1, 1, 3, 3)]))
    reply = peer.ask(request)
    assert (reply.masks[0].area, reply.width, reply.height) == (4, WIDTH, HEIGHT)
    assert_bright(ask(peer, Image(image_id=kept.image_id)))
    peer.ask(Release(image_id=kept.image_id))


def test_kept_images_within_a_number_of_bytes():
    with (
        node({"bright": Bright}, kept_bytes=3 * 65_536) as running,
        Peer(running.context, running.endpoint) as peer,
    ):
        names = [ask(peer, raw(RGB), RGB, keep=True).image_id for _ in range(5)]
        assert len(set(names)) == 5
        for name in names[:2]:
            assert peer.ask(Segment(image=Image(image_id=name), model="bright")).code == "image_expired"
        for name in names[2:]:
            assert_bright(ask(peer, Image(image_id=name)))
        stats = peer.ask(Stats())
        assert (stats.images, stats.shm_used_bytes) == (3, 3 * 65_536)


# -- masks -------------------------------------------------------------------------------------------------------------


def receive_masks(peer, encoding, **fields):
    peer.send(Segment(image=raw(RGB), model="bright", encodings=[encoding], **fields), RGB)
    reply, attachments = peer.receive()
    assert isinstance(reply, replies.Masks), reply
    return reply, attachments


def payload(blob, attachments):
    return attachments[blob.attachment] if blob.data is None else blob.data


@pytest.mark.parametrize("inline", [False, True])
@pytest.mark.parametrize(
    ("encoding", "decode"),
    [
        ("rle", lambda reply, parts: mask_of(reply)),
        ("bits", lambda reply, parts: bits.unpack(payload(reply.masks[0].bits, parts), HEIGHT, WIDTH)),
        ("bits+zlib", lambda reply, parts: bits.unpack_zlib(payload(reply.masks[0].bits_zlib, parts), HEIGHT, WIDTH)),
        ("png", lambda reply, parts: png.decode_mask(payload(reply.masks[0].png, parts), HEIGHT, WIDTH)),
        (
            "png_base64",
            lambda reply, parts: png.decode_mask(
                base64_text.decode(reply.masks[0].png_base64, max_bytes=10_000), HEIGHT, WIDTH
            ),
        ),
        ("polygon", lambda reply, parts: polygon.decode(reply.masks[0].polygon, HEIGHT, WIDTH)),
        (
            "raw",
            lambda reply, parts: (
                np.frombuffer(payload(reply.masks[0].raw, parts), np.uint8).reshape(HEIGHT, WIDTH) == 255
            ),
        ),
        (
            "labels",
            lambda reply, parts: label_map.decode(
                np.frombuffer(payload(reply.labels, parts), np.uint8).reshape(HEIGHT, WIDTH), 1
            )[0],
        ),
    ],
)
def test_encodings_of_masks(peer, encoding, decode, inline):
    reply, attachments = receive_masks(peer, encoding, inline=inline)
    assert not (inline and attachments)
    assert reply.encodings == [encoding]
    assert reply.masks[0].area == MASK.sum()
    assert np.array_equal(decode(reply, attachments), MASK)


def test_overlay(peer):
    reply, attachments = receive_masks(peer, "overlay")
    painted = cv2.imdecode(np.frombuffer(payload(reply.overlay, attachments), np.uint8), cv2.IMREAD_COLOR)
    assert np.array_equal(painted[~MASK], BGR[~MASK])
    assert (painted[MASK] != BGR[MASK]).any()


def test_a_mask_comes_back_as_a_prompt(peer):
    """What an answer holds can be sent on to the next request, in each of the encodings."""
    parts = {
        "rle": (MaskPrompt(encoding="rle", counts=rle.encode(MASK)), []),
        "bits": (MaskPrompt(encoding="bits", attachment=1), [bits.pack(MASK)]),
        "bits+zlib": (MaskPrompt(encoding="bits+zlib", data=bits.pack_zlib(MASK)), []),
        "png": (MaskPrompt(encoding="png", base64=base64_text.encode(png.encode_mask(MASK))), []),
        "raw": (MaskPrompt(encoding="raw", attachment=1), [MASK.astype(np.uint8)]),
    }
    for mask, attachments in parts.values():
        reply = peer.ask(Segment(image=raw(RGB), model="echo", prompt=Prompt(mask=mask)), RGB, *attachments)
        assert np.array_equal(mask_of(reply), MASK), mask
    logits = np.where(MASK, np.float32(1), np.float32(-1))
    prompt = Prompt(logits=LogitsPrompt(shape=MASK.shape, attachment=1))
    reply = peer.ask(Segment(image=raw(RGB), model="echo", prompt=prompt, encodings=["rle", "logits"]), RGB, logits)
    assert np.array_equal(mask_of(reply), MASK)
    assert peer.ask(Stats()).shm_used_bytes == 0


@pytest.mark.parametrize(
    ("mask", "attachment"),
    [
        (MaskPrompt(encoding="raw", attachment=1), bytes(10)),
        (MaskPrompt(encoding="bits", attachment=1), b""),
        (MaskPrompt(encoding="png", attachment=1), png.encode_mask(MASK[1:])),
        (MaskPrompt(encoding="rle", counts=rle.encode(MASK.T)[:-1]), b""),
    ],
)
def test_a_mask_of_another_size(peer, mask, attachment):
    reply = peer.ask(Segment(image=raw(RGB), model="echo", prompt=Prompt(mask=mask)), RGB, attachment)
    assert (reply.code, reply.path) == ("invalid_value", "prompt.mask")


# -- memory ------------------------------------------------------------------------------------------------------------


def test_many_large_images_take_the_memory_of_a_few():
    picture = np.zeros((1080, 1920, 3), np.uint8)
    with node({"echo": EchoHandler}) as running, Peer(running.context, running.endpoint) as peer:
        request = Segment(image=raw(picture), model="echo")
        for _ in range(10):
            peer.send(request, picture)
        for _ in range(290):
            assert isinstance(peer.receive()[0], replies.Masks)
            peer.send(request, picture)
        for _ in range(10):
            peer.receive()
        stats = peer.ask(Stats())
        assert stats.shm_used_bytes == 0
        assert stats.shm_bytes <= 12 * picture.nbytes * 9 // 8


def test_one_large_image_after_the_other_takes_the_memory_of_one():
    picture = np.zeros((1080, 1920, 3), np.uint8)
    with node({"echo": EchoHandler}) as running, Peer(running.context, running.endpoint) as peer:
        for _ in range(20):
            peer.ask(Segment(image=raw(picture), model="echo"), picture)
        assert peer.ask(Stats()).shm_bytes <= picture.nbytes * 9 // 8
