"""What a worker answers to the frames of a stream that tracks."""

from __future__ import annotations

import time

import numpy as np
import pytest

from maskbus.handlers.echo import EchoHandler
from maskbus.handlers.failing import FailingHandler
from maskbus.interfaces import LoadContext
from maskbus.worker.embedder import Embedder
from maskbus.worker.embedding_cache import EmbeddingCache
from maskbus.worker.operations import Operations
from maskbus.worker.pictures import Pictures, SlotReader
from maskbus.worker.trackers import Trackers
from maskbus_wire import frames, replies, rle
from maskbus_wire.errors import WireError

WIDTH, HEIGHT = 5, 4
BOX = {"boxes": [[1, 1, 4, 3]]}


class Job:
    number = 3

    def check(self):
        pass

    def remaining(self):
        return 100.0


class Rig:
    def __init__(self, directory, kind=EchoHandler, capacity=1 << 20):
        self.directory = directory
        handler = kind(LoadContext("m"))
        pictures, self.cache = Pictures(SlotReader(directory), 1000), EmbeddingCache(10_000)
        self.trackers = Trackers(handler, capacity)
        embedder = Embedder(handler, pictures, self.cache)
        self.operations = Operations(handler, embedder, self.trackers, pictures, SlotReader(directory), lambda *_: None)

    def file(self, name, data):
        (self.directory / name).write_bytes(data)
        return name

    def picture(self, width=WIDTH, height=HEIGHT, data=None, **fields):
        data = bytes(width * height * 3) if data is None else data
        described = {"encoding": "rgb8", "width": width, "height": height, "step": 3 * width, "key": ""}
        return {"slot": self.file(f"{width}x{height} {len(data)}", data), "nbytes": len(data), **described, **fields}

    def track(self, *objects, image=True, begin=False, encodings=("rle",), topic="masks/front/m", **fields):
        message = {
            "job": 3,
            "op": "track",
            "model": "m",
            "received": time.monotonic(),
            "image": self.picture() if image is True else image,
            "meta": {"id": "", "stream": "front", "seq": 8, "stamp": 9, "frame_id": "lens"},
            "session": "s",
            "begin": begin,
            "size": (WIDTH, HEIGHT),
            "objects": [{"object_id": number, "prompt": prompt, "blobs": {}} for number, prompt in objects],
            "remove": [],
            "options": {},
            "logits": "logits" in encodings,
            "notes": [],
            "outputs": [{"topic": topic, "asked": topic, "encodings": encodings, "inline": False}],
        }
        if image is not None:
            message["counts"] = {"received": 4, "answered": 2, "dropped": {"newer": 1}}
        control, payload = self.operations.answer(message | fields, Job())
        answered = []
        for name, count in control["outputs"]:
            plain, _ = frames.open_header(payload[:count])
            answered.append((name, frames.decode_reply(plain), payload[1:count]))
            payload = payload[count:]
        assert payload == []
        return control, answered

    def one(self, *objects, **fields):
        control, ((_, reply, attachments),) = self.track(*objects, **fields)
        assert isinstance(reply, replies.Masks)
        return control, reply, attachments


@pytest.fixture
def make(tmp_path):
    return lambda *arguments, **fields: Rig(tmp_path, *arguments, **fields)


def mask_of(mask):
    return rle.decode(mask.rle.counts, *mask.rle.size)


def test_a_frame_without_objects(make):
    control, reply, _ = make().one(begin=True)
    assert control == {"type": "done", "job": 3, "ahead": [], "objects": [], "outputs": [["masks/front/m", 1]]}
    assert (reply.masks, reply.width, reply.height, reply.notes) == ([], WIDTH, HEIGHT, [])
    assert (reply.stream, reply.seq, reply.stamp, reply.frame_id, reply.id) == ("front", 8, 9, "lens", "")
    assert (reply.topic, reply.published) == ("masks/front/m", 3)
    assert reply.counts == replies.StreamCounts(received=4, answered=2, dropped={"newer": 1})


def test_masks_bear_their_object_and_whether_it_is_seen(make):
    rig = make()
    background = {"points": [[1, 1]], "labels": [0]}
    control, reply, _ = rig.one((7, BOX), (4, background), begin=True)
    assert control["objects"] == [7, 4]
    assert [(mask.object_id, mask.present, mask.area) for mask in reply.masks] == [(7, True, 6), (4, False, 0)]
    assert mask_of(reply.masks[0])[1:3, 1:4].all()
    assert reply.timings.total_ms >= reply.timings.decode_ms >= 0
    _, reply, _ = rig.one()
    assert [mask.object_id for mask in reply.masks] == [7, 4]


def test_an_update_has_no_frame_and_no_counts(make):
    rig = make()
    rig.one((7, BOX), begin=True)
    control, reply, attachments = rig.one((8, BOX), image=None, remove=[7], encodings=("rle", "png", "overlay"))
    assert control["objects"] == [8]
    assert (reply.counts, reply.width, reply.height) == (None, WIDTH, HEIGHT)
    assert len(attachments) == 2


def test_each_output_has_its_own_encoding_and_an_empty_answer_has_them_all(make):
    rig = make()
    outputs = [
        {"topic": name, "asked": "t", "encodings": encodings, "inline": False}
        for name, encodings in (("t", ("rle", "polygon", "labels")), ("png:t", ("png",)), ("raw:t", ("raw",)))
    ]
    for objects in ([], [(1, BOX), (2, BOX)]):
        _, answered = rig.track(*objects, begin=True, outputs=outputs)
        assert [
            (name, reply.topic, list(reply.encodings), len(attachments)) for name, reply, attachments in answered
        ] == [
            ("t", "t", ["rle", "polygon", "labels"], 1),
            ("png:t", "t", ["png"], len(objects)),
            ("raw:t", "t", ["raw"], len(objects)),
        ]


def test_logits_come_where_they_were_asked_for_from_the_beginning(make):
    rig = make()
    _, reply, attachments = rig.one((1, BOX), begin=True, encodings=("rle", "logits"))
    values = np.frombuffer(attachments[0], "<f4").reshape(reply.masks[0].logits.shape)
    assert np.array_equal(values > 0, mask_of(reply.masks[0]))
    rig = make()
    rig.one((1, BOX), begin=True)
    outputs = [{"topic": "logits:t", "asked": "t", "encodings": ("logits",), "inline": False}]
    _, ((_, reply, attachments),) = rig.track(outputs=outputs)
    assert (reply.masks[0].logits, attachments) == (None, [])


def test_a_mask_as_a_prompt(make):
    rig = make()
    truth = np.zeros((HEIGHT, WIDTH), np.uint8)
    truth[2:, 3:] = 255
    blobs = {"slot": rig.file("mask", truth.tobytes()), "ranges": [[0, truth.nbytes]]}
    objects = [{"object_id": 1, "prompt": {"mask": {"encoding": "raw", "attachment": 0}}, "blobs": blobs}]
    _, reply, _ = rig.one(begin=True, objects=objects)
    assert np.array_equal(mask_of(reply.masks[0]), truth > 0)
    objects[0]["blobs"]["ranges"] = [[0, 7]]
    with pytest.raises(WireError) as caught:
        rig.one(objects=objects)
    assert caught.value.path.startswith("objects[0].prompt.mask")


def test_notes_of_the_node_and_of_the_tracker_stand_together(make):
    rig = make(capacity=100)
    rig.one((1, BOX), (2, BOX), begin=True)
    rig.trackers._capacity = 40
    _, reply, _ = rig.one(notes=["The node says so."])
    assert reply.notes[0] == "The node says so."
    assert "object 2" in reply.notes[1]
    assert [mask.object_id for mask in reply.masks] == [1]


def test_a_frame_that_is_no_picture(make):
    rig = make()
    rig.one((1, BOX), begin=True)
    broken = rig.picture(data=b"\xff\xd8\xff garbage", encoding="jpeg", step=0)
    with pytest.raises(WireError) as caught:
        rig.one(image=broken)
    assert caught.value.code == "invalid_image"
    _, reply, _ = rig.one()
    assert [mask.object_id for mask in reply.masks] == [1]


def test_a_frame_of_another_size(make):
    rig = make()
    rig.one((1, BOX), begin=True)
    with pytest.raises(WireError) as caught:
        rig.one(image=rig.picture(6, 4), size=(6, 4))
    assert (caught.value.code, caught.value.path) == ("invalid_value", "image")


@pytest.mark.parametrize("options", [{"shape": True}, {"raise": "odd"}])
def test_a_tracker_that_breaks_its_contract_is_no_reason_to_end(make, options):
    rig = make(FailingHandler)
    rig.one((1, BOX), begin=True, options={**options, "at": 1})
    with pytest.raises((ValueError, RuntimeError)):
        rig.one()
    assert rig.one()[1].masks[0].object_id == 1


def test_what_has_ended_is_gone(make):
    rig = make()
    rig.one((1, BOX), begin=True)
    rig.operations.end_trackers(["nobody", "s"])
    assert len(rig.trackers) == 0
    with pytest.raises(WireError) as caught:
        rig.one()
    assert caught.value.code == "worker_died"


def test_tracking_leaves_the_cache_of_embeddings_alone(make):
    rig = make()
    for _ in range(5):
        rig.one((1, BOX), begin=True)
    assert (len(rig.cache), rig.cache.hits, rig.cache.misses) == (0, 0, 0)


def test_the_clock_begins_with_the_receipt(make):
    _, reply, _ = make().one(begin=True, received=time.monotonic() - 2.0)
    assert reply.timings.total_ms > 2000
