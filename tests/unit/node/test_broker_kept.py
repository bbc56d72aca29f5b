"""Answers that are given again: what is the same question, and what becomes of the request that asks it."""

import numpy as np
import pytest

from maskbus.results import MemoryStore, ResultStore
from maskbus_wire import frames, replies, requests
from maskbus_wire.prompts import Image, MaskPrompt, Prompt
from maskbus_wire.replies import CacheStats
from support.peer import TINY, raw, segment
from support.rig import card

POINT = Prompt(points=[(1, 1)])
NOTHING = {"bbox": (0, 0, 0, 0), "area": 0, "predicted_iou": 0.9, "stability_score": 0.0}


@pytest.fixture
def rig(make):
    return make(card("model"), card("other"), card("moody", cache_results=False), store=MemoryStore(1 << 20))


def answered(rig, request, *attachments, best=0.9, **fields):
    """Ask, have a worker answer where one is asked, and return the reply and whether it was."""
    rig.ask(request, *(attachments or [TINY]))
    rig.ready()
    worked = False
    for worker in rig.launcher.started:
        for job in rig.jobs(worker):
            worked = True
            rig.finish(job, worker, {"best": best}, **fields)
    (reply,) = rig.replies()
    return reply, worked


def again(rig, request, *attachments):
    """Tell whether the answer to a request was there already."""
    reply, worked = answered(rig, request, *attachments)
    assert worked != reply.reused
    return reply.reused


def test_the_same_question_is_answered_without_a_worker(rig):
    first, worked = answered(rig, segment("model", id="1", prompt=POINT, stamp=5, frame_id="a"))
    assert worked
    assert not first.reused
    reply, worked = answered(rig, segment("model", id="2", prompt=POINT, seq=7))
    assert not worked
    assert (reply.id, reply.stamp, reply.frame_id, reply.seq) == ("2", None, None, 7)
    assert reply.reused
    assert reply.cached
    assert reply.timings.embed_ms == 0
    assert (reply.model, reply.masks, reply.encodings) == (first.model, first.masks, first.encodings)
    assert rig.arena.used == 0
    stats = rig.ask(requests.Stats()).cache
    # Nobody has looked before the model was loaded: what its weights are was not known.
    assert (stats.store, stats.hits, stats.misses, stats.stored, stats.entries) == ("memory", 1, 0, 1, 1)


OTHERWISE = {
    "model": {"model": "other"},
    "prompt": {"prompt": Prompt(points=[(1, 2)])},
    "labels": {"prompt": Prompt(points=[(1, 1)], labels=[1])},
    "encodings": {"encodings": ["png"]},
    "inline": {"inline": True},
    "multimask": {"multimask": True},
    "options": {"options": {"a": 1}},
    "size": {"max_side": 64},
    "post": {"post": requests.PostProcessing(min_area=3)},
}


@pytest.mark.parametrize("fields", OTHERWISE.values(), ids=OTHERWISE)
def test_another_question_is_asked_anew(rig, fields):
    asked = {"model": "model", "prompt": POINT}
    assert not again(rig, segment(**asked))
    assert not again(rig, segment(**asked | fields))
    assert again(rig, segment(**asked | fields))
    assert again(rig, segment(**asked))


def test_another_picture_is_another_question(rig):
    other = TINY.copy()
    other[0, 0, 0] ^= 1
    assert not again(rig, segment("model"))
    assert not again(rig, segment("model"), other)
    assert not again(rig, segment("model", image=raw(encoding="bgr8")))
    assert again(rig, segment("model"), np.ascontiguousarray(TINY))


def test_a_mask_to_refine_is_part_of_the_question(rig):
    def asked(fill):
        mask = np.full(TINY.shape[:2], fill, np.uint8)
        return segment("model", prompt=Prompt(mask=MaskPrompt(encoding="raw", attachment=1))), TINY, mask

    assert not again(rig, *asked(0))
    assert not again(rig, *asked(1))
    assert again(rig, *asked(0))


@pytest.mark.parametrize(
    "asked",
    [segment("model", publish="a"), segment("moody"), segment("model", fresh=True)],
    ids=["published", "moody", "fresh"],
)
def test_what_is_not_answered_from_the_cache(rig, asked):
    assert not again(rig, asked)
    assert not again(rig, asked)


def test_what_was_computed_afresh_is_kept_for_others(rig):
    assert not again(rig, segment("model", fresh=True))
    assert again(rig, segment("model"))


def test_an_error_is_not_kept(rig):
    rig.ask(segment("model"), TINY)
    rig.ready()
    rig.fail(rig.jobs()[0])
    assert rig.replies()[0].code == "internal"
    assert not again(rig, segment("model"))


def test_an_image_is_kept_though_no_worker_was_needed(rig):
    assert not again(rig, segment("model"))
    reply, worked = answered(rig, segment("model", keep=True))
    assert not worked
    assert reply.image_id
    assert again(rig, segment("model", image=Image(image_id=reply.image_id)))
    rig.ask(requests.Release(image_id=reply.image_id))
    assert rig.arena.used == 0


def test_everything_is_kept_too(rig):
    asked = requests.Everything(image=raw(), model="model")
    assert not again(rig, asked)
    reply, worked = answered(rig, asked)
    assert not worked
    assert isinstance(reply, replies.FoundMasks)
    assert not again(rig, requests.Everything(image=raw(), model="model", preset="dense"))


def test_a_model_with_other_weights_is_asked_anew(rig):
    assert not again(rig, segment("model"))
    rig.launcher.worker.tell(type="ready", batch=1, weights="another")
    rig.read()
    rig.ask(segment("model"), TINY)
    assert rig.replies() == []


class Slow(ResultStore):
    """Answers when it is told to."""

    def __init__(self):
        self.asked = []

    def lookup(self, key, then):
        self.asked.append(then)

    def put(self, key, frames):
        pass

    def stats(self):
        return CacheStats(store="redis")

    def tick(self, now):
        pass

    def next_event(self):
        return None

    def close(self):
        pass


@pytest.fixture
def slow(make):
    rig = make(card("model"), store=Slow())
    rig.ask(requests.Embed(image=raw(), model="model"), TINY)
    rig.ready()
    rig.finish(rig.jobs()[0])
    rig.replies()
    return rig


def test_a_request_goes_on_when_the_store_has_nothing(slow):
    store = slow.broker._store
    slow.ask(segment("model", id="1"), TINY)
    assert slow.jobs() == []
    store.asked.pop()(None)
    assert [job["meta"]["id"] for job in slow.jobs()] == ["1"]


def test_a_damaged_answer_is_none(slow):
    slow.ask(segment("model", id="1"), TINY)
    slow.broker._store.asked.pop()([b"\xc1 not msgpack"])
    assert [job["meta"]["id"] for job in slow.jobs()] == ["1"]


@pytest.mark.parametrize("how", ["cancel", "deadline", "stop"])
def test_a_request_that_is_over_meanwhile_is_not_gone_on_with(slow, how):
    slow.ask(segment("model", id="1", deadline_ms=1000), TINY)
    if how == "cancel":
        slow.ask(requests.Cancel(id="2", target="1"))
    elif how == "deadline":
        slow.tick(slow.broker._deadlines.next() + 0.001)
    else:
        slow.broker.begin_stop()
    (reply,) = [one for one in slow.replies() if one.id == "1"]
    assert reply.code == {"cancel": "cancelled", "deadline": "deadline_exceeded", "stop": "shutting_down"}[how]
    slow.broker._store.asked.pop()(None)
    assert slow.jobs() == []
    assert slow.replies() == []
    assert slow.broker.is_idle


def test_an_answer_is_kept_under_the_weights_that_gave_it(rig):
    assert not again(rig, segment("model"))
    rig.ask(segment("model", prompt=POINT), TINY)
    (job,) = rig.jobs()
    rig.broker.engine.workers("model")[0].weights = "another"  # it was started again in the meantime
    rig.finish(job, control={"best": 1.0})
    assert not rig.replies()[0].reused
    assert again(rig, segment("model", prompt=POINT))
    rig.broker.engine.workers("model")[0].weights = ""
    rig.ask(segment("model", prompt=POINT), TINY)
    assert rig.replies() == []


def test_a_kept_answer_without_a_pixel_is_not_good_enough_for_a_route(make):
    way = {"way": {"models": ["model", "other"]}}
    rig = make(card("model"), card("other"), store=MemoryStore(1 << 20), route=way)
    answered(rig, segment("model", prompt=POINT))
    (key,) = rig.broker._store._entries
    empty = replies.Masks(model="model", width=5, height=4, masks=[replies.Mask(**NOTHING)])
    rig.broker._store.put(key, frames.encode(empty))
    assert rig.ask(segment("model", prompt=POINT), TINY).masks
    rig.replies()
    reply, worked = answered(rig, segment("way", prompt=POINT))
    assert worked
    assert (reply.model, reply.reused) == ("other", False)
    assert [(one.model, one.code) for one in reply.tried] == [("model", "nothing_found")]


def test_a_queue_that_has_filled_up_meanwhile_says_so(make):
    rig = make(card("model"), store=Slow(), queue_length=1)
    rig.ask(segment("model", fresh=True), TINY)
    rig.ready()
    rig.ask(segment("model", id="1"), TINY)
    rig.ask(segment("model", fresh=True), TINY)
    rig.broker._store.asked.pop()(None)
    (reply,) = rig.replies()
    assert (reply.id, reply.code, reply.queue_length) == ("1", "busy", 1)
