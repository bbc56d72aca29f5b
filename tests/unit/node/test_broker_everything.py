"""Requests for everything on their way through the broker: admitted, told of meanwhile, answered."""

import pytest

from maskbus.worker.channel import unpack
from maskbus_wire import replies
from maskbus_wire.prompts import Image
from maskbus_wire.requests import Cancel, Describe, Everything, EverythingOptions, Stats
from support.peer import TINY, raw
from support.rig import card


def everything(**fields):
    return Everything(**{"image": raw(), "id": "e", **fields})


@pytest.fixture
def rig(make):
    return make(card("echo"), card("boxes", prompts=frozenset({"boxes"})), card("logits", has_logits=True))


def running(rig, **fields):
    """Have the model work at a request for everything, and return its job."""
    assert rig.ask(everything(**fields), TINY) is None
    rig.ready()
    (job,) = rig.jobs()
    return job


def test_what_the_worker_is_told(rig):
    settings = EverythingOptions(points_per_side=8, retry=False, crop_n_layers=0)
    job = running(rig, preset="fast", settings=settings, progress=True, inline=True, lane="batch", seq=4)
    assert (job["op"], job["preset"], job["progress"]) == ("everything", "fast", True)
    assert job["settings"] == {"points_per_side": 8, "retry": False, "crop_n_layers": 0}
    assert job["outputs"] == [{"topic": "", "encodings": ["rle"], "inline": True}]
    assert (job["meta"]["id"], job["meta"]["seq"]) == ("e", 4)
    rig.finish(job)
    (reply,) = rig.replies()
    assert isinstance(reply, replies.FoundMasks)
    assert rig.arena.used == 0


def test_a_model_without_points_is_refused_before_anything_is_copied(rig):
    reply = rig.ask(everything(model="boxes"), TINY)
    assert (reply.code, reply.path) == ("unsupported_prompt", "")
    assert "Boxes cannot find everything: it does not take points" in reply.message
    assert (rig.arena.used, rig.launcher.started) == (0, [])


def test_describe_says_who_can(make):
    rig = make(card("echo", tracks=True), card("boxes", prompts=frozenset({"boxes"})))
    told = {model.name: (model.everything, model.tracks) for model in rig.ask(Describe()).models}
    assert told == {"echo": (True, True), "boxes": (False, False)}


def test_an_image_can_be_kept_and_used_again(rig):
    rig.finish(running(rig, keep=True))
    (reply,) = rig.replies()
    assert reply.image_id
    assert rig.ask(everything(image=Image(image_id=reply.image_id))) is None
    (job,) = rig.jobs()
    assert job["image"]["key"] == reply.image_id


def test_topics_get_the_masks_and_no_logits(rig):
    for prefix in ("t", "png:t", "logits:t"):
        rig.publisher.subscription(b"\x01" + prefix.encode())
    job = running(rig, model="logits", publish="t", progress=True)
    assert [output["topic"] for output in job["outputs"]] == ["", "t", "png:t"]
    rig.proceed(job, done=1, total=2, found=0)
    assert rig.published == []
    rig.finish(job)
    assert [topic for topic, _, _ in rig.published] == ["t", "png:t"]


def test_what_is_published_is_segment_to_whoever_comes_late(rig):
    rig.finish(running(rig, publish="t"))
    (late,) = rig.publisher.subscription(b"\x01t")
    assert unpack(late[1])["reply"] == "segment"
    job = again(rig, publish="u")
    assert rig.publisher.subscription(b"\x01u") == []
    rig.finish(job)
    assert [(topic, plain["reply"]) for topic, plain, _ in rig.published] == [("u", "segment")]
    assert [type(reply) for reply in rig.replies()] == [replies.FoundMasks] * 2


def again(rig, **fields):
    rig.ask(everything(**fields), TINY)
    (job,) = rig.jobs()
    return job


def test_progress_goes_to_the_requester_until_it_is_answered(rig):
    job = running(rig, progress=True)
    rig.proceed(job, done=1, total=9, found=0)
    rig.proceed(job, done=5, total=9, found=2)
    assert [(route, type(reply).__name__, reply.done) for route, reply, _ in rig.sent] == [
        (b"a", "Progress", 1),
        (b"a", "Progress", 5),
    ]
    assert rig.ask(Stats()).models[0].answered == 0
    rig.replies()
    assert rig.ask(Cancel(target="e", id="c")).cancelled == 1
    assert sorted(reply.id for reply in rig.replies()) == ["c", "e"]
    rig.proceed(job, done=9, total=9, found=2)
    assert rig.replies() == []
    rig.fail(job, code="cancelled")
    assert (rig.replies(), rig.arena.used) == ([], 0)


def test_progress_of_a_job_that_is_over_goes_nowhere(rig):
    job = running(rig, progress=True)
    rig.finish(job)
    rig.replies()
    rig.proceed(job, done=9, total=9, found=2)
    assert rig.replies() == []


def test_a_requester_that_is_gone_leaves_nothing_behind(rig):
    job = running(rig, progress=True)
    rig.deliverable = False
    for done in range(50):
        rig.proceed(job, done=done, total=50, found=0)
    rig.finish(job)
    rig.deliverable = True
    stats = rig.ask(Stats())
    assert (stats.unanswerable, stats.shm_used_bytes, stats.models[0].running) == (1, 0, 0)
