"""Everything that is in a picture, through a whole node, as a client asks for it and as a plain peer does."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import cv2
import numpy as np
import pytest
import zmq

from maskbus.handlers.echo import EchoHandler
from maskbus.interfaces import Handler, Masks, ModelInfo
from maskbus.testing import RunningNode, node
from maskbus_client import Client, DeadlineExceeded, UnsupportedPrompt
from maskbus_wire import replies
from maskbus_wire.requests import Cancel, Everything, EverythingOptions, Stats
from support.models import PATIENCE_S, Grey
from support.peer import Peer, raw

HEIGHT, WIDTH = 48, 64
OBJECTS = {60: (4, 4, 20, 12), 120: (30, 8, 24, 32), 180: (8, 24, 12, 16)}
"""Grey value → box."""
PIXELS = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
for _value, (_x, _y, _w, _h) in OBJECTS.items():
    PIXELS[_y : _y + _h, _x : _x + _w] = _value
LARGEST_FIRST = sorted(OBJECTS.values(), key=lambda box: -box[2] * box[3])


class Blocks(Handler):
    """Answer the block of one grey that a point lies in; between them there is nothing."""

    info = ModelInfo(title="Blocks", prompts=frozenset({"points"}), licence="MIT")

    def embed(self, images, job):
        return [Grey(image.rgb[:, :, 0] // 20 * 20) for image in images]  # jpeg is a little off

    def decode(self, embedding, prompt, options, job):
        x, y = prompt.points[0].astype(int)
        value = embedding.pixels[y, x]
        if not value:
            return Masks.none(*embedding.pixels.shape)
        ones = np.ones(1, np.float32)
        return Masks(embedding.pixels[None] == value, ones * 0.9, ones)


class Slow(Blocks):
    """The same, but the test says when it may go on."""

    entered = threading.Event()
    opened = threading.Event()

    def decode(self, embedding, prompt, options, job):
        self.entered.set()
        assert self.opened.wait(PATIENCE_S)
        return super().decode(embedding, prompt, options, job)


class Boxes(EchoHandler):
    info = ModelInfo(title="Boxes", prompts=frozenset({"boxes"}), licence="MIT")


@pytest.fixture(scope="module")
def running() -> Iterator[RunningNode]:
    with node({"blocks": Blocks, "slow": Slow, "boxes": Boxes}) as made:
        yield made


@pytest.fixture
def client(running: RunningNode) -> Iterator[Client]:
    with running.client() as made:
        yield made


@pytest.fixture
def peer(running: RunningNode) -> Iterator[Peer]:
    with Peer(running.context, running.endpoint) as made:
        yield made


@pytest.fixture
def slow() -> Iterator[type[Slow]]:
    Slow.entered.clear()
    Slow.opened.clear()
    yield Slow
    Slow.opened.set()


def assert_found(result):
    assert [mask.bbox for mask in result.masks] == LARGEST_FIRST
    for mask in result.masks:
        x, y, w, h = mask.bbox
        whole = np.zeros((HEIGHT, WIDTH), np.bool_)
        whole[y : y + h, x : x + w] = True
        assert np.array_equal(mask.to_array(), whole)
        assert mask.crop_box == (0, 0, WIDTH, HEIGHT)
        assert x <= mask.point[0] < x + w
        assert y <= mask.point[1] < y + h


@pytest.mark.parametrize("how", ["pixels", "jpeg", "slot", "kept"])
def test_every_way_in_which_an_image_may_come(client, how):
    asked = {"points_per_side": 8}
    if how == "jpeg":
        middle = PIXELS + np.uint8(10)  # of what is one grey to the model
        file = cv2.imencode(".jpg", middle, [cv2.IMWRITE_JPEG_QUALITY, 100])[1].tobytes()
        assert_found(client.everything(file, **asked))
    elif how == "slot":
        with client.shared_memory(slots=2, slot_bytes=PIXELS.nbytes) as memory, memory.copy(PIXELS) as image:
            assert_found(client.everything(image, **asked))
    elif how == "kept":
        with client.image(PIXELS) as image:
            assert_found(image.everything(**asked))
    else:
        assert_found(client.everything(PIXELS, **asked))


def test_progress(client):
    told = []
    result = client.everything(PIXELS, points_per_side=16, progress=told.append)
    assert_found(result)
    assert [progress.total for progress in told] == [256] * len(told)
    assert [progress.done for progress in told] == sorted({progress.done for progress in told})
    assert told[-1].done == 256
    assert told[-1].found == sum(len(progress.masks) for progress in told) > 3
    assert {mask.bbox for progress in told for mask in progress.masks} == set(OBJECTS.values())


def test_nobody_who_did_not_ask_hears_of_progress(peer, running):
    peer.send(Everything(image=raw(PIXELS), id="e", settings=EverythingOptions(points_per_side=16)), PIXELS)
    assert isinstance(peer.receive()[0], replies.FoundMasks)
    with Peer(running.context, running.endpoint, zmq.REQ) as other:
        reply = other.ask(Everything(image=raw(PIXELS), settings=EverythingOptions(points_per_side=8)), PIXELS)
        assert isinstance(reply, replies.FoundMasks)


def test_what_was_done_otherwise_is_said(client):
    result = client.everything(np.zeros((9, 9, 3), np.uint8), points_per_side=2)
    assert len(result.masks) == 0
    assert len(result.notes) == 1
    assert client.everything(PIXELS, points_per_side=8).notes == []


def test_all_encodings_at_once(client):
    encodings = ["rle", "bits", "png", "polygon", "raw", "labels", "overlay"]
    result = client.everything(PIXELS, points_per_side=8, encoding=encodings)
    assert_found(result)


def test_cancel_between_two_points(peer, slow):
    peer.send(Everything(image=raw(PIXELS), model="slow", id="e", progress=True), PIXELS)
    assert slow.entered.wait(PATIENCE_S)
    peer.send(Cancel(target="e", id="c"))
    got = [peer.receive()[0] for _ in range(2)]
    assert {(reply.id, type(reply).__name__) for reply in got} == {("e", "Error"), ("c", "Cancelled")}
    slow.opened.set()
    reply = peer.ask(Everything(image=raw(PIXELS), model="slow", settings=EverythingOptions(points_per_side=4)), PIXELS)
    assert isinstance(reply, replies.FoundMasks)  # and no progress of the one that is over
    assert peer.ask(Stats()).shm_used_bytes == 0


def test_deadline(client, slow):
    with pytest.raises(DeadlineExceeded):
        client.everything(PIXELS, model="slow", deadline=0.3)


def test_a_requester_that_is_gone(running, client, slow):
    peer = Peer(running.context, running.endpoint)
    peer.send(Everything(image=raw(PIXELS), model="slow", id="e", progress=True), PIXELS)
    assert slow.entered.wait(PATIENCE_S)
    peer.socket.close()
    slow.opened.set()
    assert_found(client.everything(PIXELS, model="slow", points_per_side=8))
    assert client.stats().shm_used_bytes == 0


def test_a_model_that_takes_no_points(client):
    with pytest.raises(UnsupportedPrompt, match="does not take points"):
        client.everything(PIXELS, model="boxes")
    told = {model.name: model.everything for model in client.describe().models}
    assert told == {"blocks": True, "slow": True, "boxes": False}
