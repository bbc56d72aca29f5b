import random
import time
from collections import Counter

import cv2
import numpy as np
import pytest

from maskbus.engine.arena import PAGE
from maskbus_wire import frames, prompts, replies, requests, rle
from maskbus_wire import shared_layout as layout
from maskbus_wire.prompts import Image, LogitsPrompt, MaskPrompt, Prompt
from maskbus_wire.requests import Cancel, Describe, Embed, Ping, Release, Stats
from support.peer import TINY, raw, segment
from support.rig import card
from support.shared import Mapped

SLOT = 16 * PAGE
PNG = cv2.imencode(".png", TINY)[1].tobytes()


@pytest.fixture
def rig(make):
    return make(
        card("echo"), card("missing", ready=False, missing="Run this."), card("words", prompts=frozenset({"text"}))
    )


def error(reply, code, path=None):
    assert isinstance(reply, replies.Error), reply
    assert reply.code == code, reply
    if path is not None:
        assert reply.path == path, reply
    return reply


def busy(rig, worker=None, **fields):
    """Have the model work at a job, and return it."""
    rig.ask(segment(id="running", **fields), TINY)
    rig.ready()
    (job,) = rig.jobs(worker)
    return job


def prompted(**fields):
    return segment(prompt=Prompt(**fields))


REFUSED = {
    "unknown model": (segment("nobody"), [TINY], "unknown_model", "model"),
    "missing model": (segment("missing"), [TINY], "model_unavailable", "model"),
    "no such prompt": (prompted(text=["a mug"]), [TINY], "unsupported_prompt", "prompt.text"),
    "no prompt": (segment("words"), [TINY], "unsupported_prompt", "prompt"),
    "no logits": (segment(encodings=["rle", "logits"]), [TINY], "unknown_encoding", "encodings[1]"),
    "too few bytes": (segment(), [TINY.tobytes()[:-1]], "invalid_image", "image"),
    "too many bytes": (segment(), [TINY.tobytes() + b"\0"], "invalid_image", "image"),
    "another shape": (segment(image=raw(width=6)), [TINY], "invalid_image", "image"),
    "no file": (segment(image=Image(encoding="jpeg", attachment=0)), [TINY], "invalid_image", "image"),
    "empty file": (segment(image=Image(encoding="png", attachment=0)), [b""], "invalid_image", "image"),
    "another format": (segment(image=Image(encoding="jpeg", attachment=0)), [PNG], "invalid_image", "image.encoding"),
    "another size": (segment(image=Image(encoding="png", attachment=0, width=4)), [PNG], "invalid_image", "image"),
    "no attachment": (segment(image=raw(attachment=1)), [TINY], "invalid_value", "image.attachment"),
    "bad base64": (segment(image=Image(base64="data:image/png;base64,!")), [], "invalid_field", "image.base64"),
    "unknown image": (segment(image=Image(image_id="none")), [], "unknown_image", "image.image_id"),
    "point outside": (prompted(points=[(5, 0)]), [TINY], "invalid_value", "prompt.points[0]"),
    "box outside": (prompted(boxes=[(0, 0, 6, 1)]), [TINY], "invalid_value", "prompt.boxes[0]"),
    "no mask there": (
        prompted(mask=MaskPrompt(encoding="raw", attachment=1)), [TINY], "invalid_value", "prompt.mask.attachment"
    ),
    "logits to a model without": (
        prompted(logits=LogitsPrompt(shape=(1, 1), data=bytes(4))), [TINY], "unsupported_prompt", "prompt.logits"
    ),
    "bad base64 of a mask": (
        prompted(mask=MaskPrompt(encoding="raw", base64="!")), [TINY], "invalid_field", "prompt.mask.base64"
    ),
    "large options": (segment(options={"x": bytes(300_000)}), [TINY], "too_large", "options"),
    "unknown release": (Release(image_id="none"), [], "unknown_image", "image_id"),
    "two encodings": (segment(encodings=["rle", "rle"]), [TINY], "invalid_value", "encodings"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused_leaves_nothing_behind(rig, name):
    request, attachments, code, path = REFUSED[name]
    error(rig.ask(request, *attachments), code, path)
    assert rig.arena.used == 0
    assert rig.waiting() == 0
    assert rig.launcher.started == []
    assert rig.broker.next_event() is None
    assert rig.ask(Stats()).rejected == 1


def test_all_refusals_one_after_the_other_reserve_next_to_nothing(rig):
    for _ in range(20):
        for request, attachments, code, _ in REFUSED.values():
            error(rig.ask(request, *attachments), code)
    assert rig.arena.used == 0
    assert rig.arena.reserved <= 16 * SLOT


@pytest.mark.parametrize("message", [[], [b""], [b"\xc1"], [b"\x90"], [b"\x81\xa2op\xa4ping"], [b"x" * 100]])
def test_messages_that_are_none(rig, message):
    rig.broker.receive(b"a", message)
    (reply,) = rig.replies()
    assert isinstance(reply, replies.Error)
    assert rig.ask(Stats()).rejected == 1


def test_pixels_are_where_the_worker_is_told(rig):
    rig.ask(segment(stamp=1, frame_id="f", stream="s", seq=2, id="x"), TINY)
    rig.ready()
    (job,) = rig.jobs()
    picture = job["image"]
    slot = next(slot for slot in rig.arena._leased if slot.name == picture["slot"])
    assert slot.path.read_bytes()[: picture["nbytes"]] == TINY.tobytes()
    assert {key: picture[key] for key in ("encoding", "width", "height", "step", "key")} == {
        "encoding": "rgb8", "width": 5, "height": 4, "step": 15, "key": ""
    }  # fmt: skip
    assert job["meta"] == {"id": "x", "stamp": 1, "frame_id": "f", "stream": "s", "seq": 2}
    rig.finish(job)
    assert rig.arena.used == 0
    assert [reply.id for reply in rig.replies()] == ["x"]


def test_blobs_of_a_prompt_share_a_slot(make):
    rig = make(card("echo", prompts=frozenset({"mask", "logits"})))
    mask, logits = bytes(range(20)), np.arange(6, dtype="<f4").tobytes()
    prompt = Prompt(mask=MaskPrompt(encoding="raw", attachment=1), logits=LogitsPrompt(shape=(2, 3), data=logits))
    rig.ask(segment(prompt=prompt), TINY, mask)
    rig.ready()
    (job,) = rig.jobs()
    slot = next(slot for slot in rig.arena._leased if slot.name == job["blobs"]["slot"])
    data = slot.path.read_bytes()
    assert [data[start:end] for start, end in job["blobs"]["ranges"]] == [mask, logits]
    assert job["prompt"]["mask"] == {"encoding": "raw", "attachment": 0}
    assert job["prompt"]["logits"] == {"shape": [2, 3], "attachment": 1}
    rig.fail(job)
    assert rig.arena.used == 0


def test_rle_mask_goes_into_a_slot(rig):
    counts = rle.encode(np.ones((4, 5), np.bool_))
    rig.ask(prompted(mask=MaskPrompt(encoding="rle", counts=counts)), TINY)
    rig.ready()
    (job,) = rig.jobs()
    assert job["prompt"]["mask"] == {"encoding": "rle", "attachment": 0}
    slot = next(slot for slot in rig.arena._leased if slot.name == job["blobs"]["slot"])
    assert slot.path.read_bytes()[: len(counts)] == counts.encode()


def test_full_queue(make):
    rig = make(queue_length=2)
    job = busy(rig)
    for i in range(2):
        assert rig.ask(segment(id=f"waiting {i}"), TINY) is None
    used = rig.arena.used
    reply = error(rig.ask(segment(id="one too many"), TINY), "busy")
    assert reply.queue_length == 2
    assert rig.arena.used == used == 3 * SLOT
    rig.finish(job)
    assert rig.ask(segment(), TINY) is None


def test_memory_that_is_full(make):
    rig = make(image_bytes=2 * SLOT)
    busy(rig)
    rig.ask(segment(), TINY)
    error(rig.ask(segment(), TINY), "busy", "image")
    assert rig.arena.used == 2 * SLOT
    assert rig.waiting() == 1


def test_memory_that_is_full_when_the_prompt_s_blobs_come(make):
    rig = make(image_bytes=SLOT)
    error(rig.ask(prompted(mask=MaskPrompt(encoding="raw", data=bytes(20))), TINY), "busy")
    assert rig.arena.used == 0


def test_system_without_memory(rig, monkeypatch):
    monkeypatch.setattr("os.posix_fallocate", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    error(rig.ask(segment(), TINY), "busy", "image")
    monkeypatch.undo()
    assert rig.ask(segment(), TINY) is None


def test_kept_images_make_room_oldest_first(make):
    rig = make(image_bytes=3 * SLOT)
    names = [keep(rig, seq=i) for i in range(3)]
    assert rig.ask(segment(), TINY) is None
    rig.finish(rig.jobs()[0])
    rig.replies()
    error(rig.ask(segment(image=Image(image_id=names[0]))), "image_expired", "image.image_id")
    error(rig.ask(Release(image_id=names[0])), "image_expired", "image_id")
    assert rig.ask(segment(image=Image(image_id=names[1]))) is None


def test_who_speaks_an_earlier_version_is_told_what_it_knows_of_an_image_that_expired(make):
    rig = make(kept_bytes=SLOT)
    names = [keep(rig, seq=i) for i in range(2)]
    error(rig.ask(segment(image=Image(image_id=names[0]), maskbus="1.1")), "unknown_image", "image.image_id")
    error(rig.ask(Release(image_id=names[0], maskbus="1.0")), "unknown_image", "image_id")
    error(rig.ask(Release(image_id=names[0], maskbus="1.3")), "image_expired", "image_id")


def test_an_image_that_its_client_let_go_of_has_not_expired(make):
    rig = make()
    name = keep(rig)
    assert isinstance(rig.ask(Release(image_id=name)), replies.Released)
    error(rig.ask(segment(image=Image(image_id=name))), "unknown_image", "image.image_id")


def test_a_kept_image_that_nobody_uses_goes(make):
    rig = make(kept_ttl_s=60.0)
    before = time.monotonic()
    name = keep(rig)
    rig.engine.stop(0.0)  # its worker would be missed in a minute
    assert before + 60 <= rig.broker.next_event() <= time.monotonic() + 60
    rig.broker.tick(before + 60)
    assert rig.ask(Stats()).images == 1
    rig.broker.tick(time.monotonic() + 60)
    assert rig.ask(Stats()).images == 0
    assert rig.broker.next_event() is None
    assert rig.arena.used == 0
    error(rig.ask(Release(image_id=name)), "image_expired", "image_id")


def test_an_image_that_can_never_fit_costs_no_kept_one(make):
    rig = make(image_bytes=3 * SLOT)
    name = keep(rig)
    count = 4 * SLOT
    image = Image(encoding="mono8", width=count // 16, height=16, attachment=0)
    error(rig.ask(segment(image=image), bytes(count)), "too_large", "image")
    assert rig.ask(segment(image=Image(image_id=name))) is None


def keep(rig, **fields):
    """Have an image kept and return its name."""
    rig.ask(segment(keep=True, **fields), TINY)
    if len(rig.launcher.started) == 1 and rig.engine.workers("echo")[0].state == "starting":
        rig.ready()
    (job,) = rig.jobs()
    rig.finish(job)
    (reply,) = rig.replies()
    assert reply.image_id
    return reply.image_id


def test_keep_use_release(rig):
    name = keep(rig)
    assert (rig.arena.used, rig.ask(Stats()).images) == (SLOT, 1)
    rig.replies()
    assert rig.ask(segment(image=Image(image_id=name))) is None
    (job,) = rig.jobs()
    assert job["image"]["key"] == name
    assert isinstance(rig.ask(Release(image_id=name)), replies.Released)
    assert rig.arena.used == SLOT  # the job still looks at it
    rig.finish(job)
    assert rig.arena.used == 0
    error(rig.ask(Release(image_id=name)), "unknown_image")


@pytest.mark.parametrize("how", ["fail", "cancel", "deadline"])
def test_an_image_is_not_kept_when_its_request_fails(rig, how):
    request = Embed(image=raw(), model="echo", id="embed", deadline_ms=1000)
    assert rig.ask(request, TINY) is None
    rig.ready()
    (job,) = rig.jobs()
    if how == "cancel":
        rig.ask(Cancel(target="embed"))
    elif how == "deadline":
        rig.broker.tick(time.monotonic() + 2)
    rig.finish(job) if how != "fail" else rig.fail(job)
    assert rig.ask(Stats()).images == 0
    assert rig.arena.used == 0
    assert sum(getattr(reply, "id", "") == "embed" for reply in rig.replies()) == 1


def test_lanes(rig):
    job = busy(rig)
    for lane in ("batch", "stream", "interactive", "stream"):
        rig.ask(segment(id=lane, lane=lane), TINY)
    assert rig.ask(Stats()).models[0].queued == {"interactive": 1, "stream": 2, "batch": 1}
    order = []
    for _ in range(5):
        rig.finish(job)
        order.append(job["meta"]["id"])
        jobs = rig.jobs()
        job = jobs[0] if jobs else None
    assert order == ["running", "interactive", "stream", "stream", "batch"]


def test_deadline_while_waiting(rig):
    busy(rig, deadline_ms=3_600_000)
    rig.ask(segment(id="late", deadline_ms=1), TINY)
    due = rig.broker.next_event()
    rig.broker.tick(due)
    (reply,) = rig.replies()
    assert error(reply, "deadline_exceeded").id == "late"
    assert "waited" in reply.message
    assert (rig.waiting(), rig.arena.used) == (0, SLOT)
    assert rig.jobs() == []


def test_deadline_while_the_model_is_being_loaded_says_so(rig):
    rig.ask(segment(id="first", deadline_ms=1), TINY)
    rig.broker.tick(rig.broker.next_event())
    (reply,) = rig.replies()
    assert "while the model was being loaded" in error(reply, "deadline_exceeded").message


def test_deadline_while_running_is_told_to_the_worker_and_its_answer_dropped(rig):
    job = busy(rig, deadline_ms=100)
    rig.broker.tick(time.monotonic() + 0.5)
    (reply,) = rig.replies()
    assert "worked" in error(reply, "deadline_exceeded").message
    assert rig.launcher.worker.told() == [{"type": "cancel", "job": job["job"]}]
    assert rig.arena.used == SLOT  # the worker may still look at the pixels
    rig.finish(job)
    assert rig.replies() == []
    assert rig.arena.used == 0


def test_every_request_is_answered_once_when_the_worker_dies(rig):
    busy(rig)
    rig.ask(segment(id="waiting"), TINY)
    rig.launcher.worker.die("ended by signal 9")
    rig.read()
    (reply,) = rig.replies()
    assert error(reply, "worker_died").id == "running"
    rig.broker.tick(time.monotonic() + 1)
    rig.launcher.worker.tell(type="ready", batch=1)
    rig.read()
    rig.finish(rig.jobs()[0])
    assert [reply.id for reply in rig.replies()] == ["waiting"]
    assert rig.arena.used == 0


def test_requests_for_a_model_that_fails_to_load(rig):
    rig.ask(segment(id="first"), TINY)
    rig.ask(segment(id="second"), TINY)
    rig.launcher.worker.tell(type="failed", code="model_unavailable", message="No weights.")
    rig.read()
    first, second = rig.replies()
    assert (error(first, "model_unavailable").id, error(second, "model_unavailable").id) == ("first", "second")
    assert "No weights." in first.message
    error(rig.ask(segment(id="third"), TINY), "model_unavailable")
    assert (rig.arena.used, rig.waiting()) == (0, 0)


def test_cancel_matches_the_own_connection_first(rig):
    busy(rig)
    for route in (b"a", b"b"):
        rig.ask(segment(id="same"), TINY, route=route)
    assert rig.ask(Cancel(target="same"), route=b"b").cancelled == 1
    (route, reply, _), _ = rig.sent
    assert (route, reply.id) == (b"b", "same")
    assert rig.ask(Cancel(target="same"), route=b"c").cancelled == 1
    assert rig.ask(Cancel(target="same"), route=b"a").cancelled == 0
    assert rig.waiting() == 0


def two_devices(make):
    rig = make(card("echo", devices=("cuda:0", "cuda:1")))
    rig.ask(segment(), TINY)
    rig.ready()
    one, two = rig.launcher.started
    (job,) = rig.jobs(one)
    rig.finish(job, one)
    rig.replies()
    return rig, one, two


def test_an_image_goes_to_the_worker_that_holds_its_embedding(make):
    rig, one, two = two_devices(make)
    rig.ask(segment(keep=True), TINY)
    (job,) = rig.jobs(one)
    rig.finish(job, one)
    (reply,) = rig.replies()
    rig.ask(segment(id="other"), TINY)
    (other,) = rig.jobs(one)
    rig.ask(segment(image=Image(image_id=reply.image_id), id="pinned"))
    assert rig.jobs(two) == []
    rig.ask(segment(id="free"), TINY)
    assert [job["meta"]["id"] for job in rig.jobs(two)] == ["free"]
    rig.finish(other, one)
    assert [job["meta"]["id"] for job in rig.jobs(one)] == ["pinned"]


@pytest.mark.parametrize("how", ["dies", "out of memory", "hangs"])
def test_jobs_that_wait_for_a_worker_that_ends_go_to_another_at_once(make, how):
    rig, one, two = two_devices(make)
    rig.ask(segment(keep=True), TINY)
    rig.finish(rig.jobs(one)[0], one)
    (reply,) = rig.replies()
    rig.ask(segment(id="other", deadline_ms=1000), TINY)
    (other,) = rig.jobs(one)
    rig.ask(segment(image=Image(image_id=reply.image_id), id="pinned", deadline_ms=3_600_000))
    if how == "dies":
        one.die()
        rig.read()
    elif how == "hangs":
        now = time.monotonic()
        two.tell(type="beat", rss=0, cache=[0, 0, 0, 0, 0])
        rig.read()
        rig.broker.tick(now + 4)
    else:
        rig.fail(other, one, "out_of_memory")
    assert [job["meta"]["id"] for job in rig.jobs(two)] == ["pinned"]


def test_ping_describe_stats(rig):
    rig.broker.about.endpoints, rig.broker.about.publish_endpoints = ["tcp://x:1"], ["tcp://x:2"]
    pong = rig.ask(Ping(id="p"))
    assert (pong.id, pong.node, pong.endpoints, pong.publish_endpoints) == (
        "p",
        rig.broker.about.name,
        ["tcp://x:1"],
        ["tcp://x:2"],
    )
    models = {model.name: model for model in rig.ask(Describe()).models}
    assert (models["echo"].default, models["missing"].default) == (True, False)
    assert (models["missing"].ready, models["missing"].missing) == (False, "Run this.")
    assert "logits" not in models["echo"].encodings
    stats = rig.ask(Stats())
    assert (stats.received, stats.rejected, stats.models, stats.workers, stats.shm_used_bytes) == (3, 0, [], [], 0)
    assert stats.rss_bytes > 1_000_000


def test_statistics_of_a_model(rig):
    rig.finish(busy(rig))
    rig.fail(busy_again(rig))
    rig.ask(segment(), TINY)
    error(rig.ask(segment(image=raw(width=6)), TINY), "invalid_image")
    (model,) = rig.ask(Stats()).models
    assert (model.answered, model.errors, model.running) == (1, {"internal": 1, "invalid_image": 1}, 1)


def busy_again(rig):
    rig.ask(segment(), TINY)
    (job,) = rig.jobs()
    return job


def test_replies_that_cannot_be_delivered_are_counted(rig):
    job = busy(rig)
    rig.deliverable = False
    rig.finish(job)
    rig.deliverable = True
    assert rig.ask(Stats()).unanswerable == 1
    assert rig.arena.used == 0


# -- publishing --------------------------------------------------------------------------------------------------------


def subscribe(rig, prefix):
    for message in rig.publisher.subscription(b"\x01" + prefix.encode()):
        rig._publish(message)


def test_nothing_is_made_for_nobody(rig):
    job = busy(rig, publish="masks/front")
    assert [output["topic"] for output in job["outputs"]] == [""]
    rig.finish(job)
    assert rig.published == []
    subscribe(rig, "masks/")
    ((topic, plain, _),) = rig.published
    assert (topic, plain["topic"], plain["retained"]) == ("masks/front", "masks/front", True)


def test_outputs_are_what_subscribers_want(rig):
    subscribe(rig, "masks/")
    subscribe(rig, "png:masks/")
    job = busy(rig, publish="masks/front", encodings=["bits"])
    assert [(output["topic"], list(output["encodings"])) for output in job["outputs"]] == [
        ("", ["bits"]), ("masks/front", ["bits"]), ("png:masks/front", ["png"])
    ]  # fmt: skip
    rig.finish(job)
    assert [(topic, plain["encodings"]) for topic, plain, _ in rig.published] == [
        ("masks/front", ["bits"]), ("png:masks/front", ["png"])
    ]  # fmt: skip
    assert {stats.topic: stats.published for stats in rig.ask(Stats()).topics} == {
        "masks/front": 1,
        "png:masks/front": 1,
    }


@pytest.mark.parametrize(("has_logits", "count"), [(False, 1), (True, 2)])
def test_an_encoding_the_model_cannot_answer_in_is_not_published(make, has_logits, count):
    rig = make(card("echo", has_logits=has_logits))
    subscribe(rig, "logits:masks/front")
    assert len(busy(rig, publish="masks/front")["outputs"]) == count


def test_who_subscribes_while_the_model_works_gets_the_message(rig):
    job = busy(rig, publish="masks/front", seq=3)
    subscribe(rig, "masks/front")
    assert rig.published == []
    rig.finish(job, seq=3)
    ((topic, plain, _),) = rig.published
    assert (topic, plain["seq"], plain["published"], plain.get("retained")) == ("masks/front", 3, job["job"], None)
    assert "id" not in plain
    assert {stats.topic: stats.published for stats in rig.ask(Stats()).topics} == {"masks/front": 1}


@pytest.mark.parametrize("how", ["fail", "cancel"])
def test_what_fails_is_not_published(rig, how):
    subscribe(rig, "")
    job = busy(rig, publish="masks/front")
    if how == "cancel":
        rig.ask(Cancel(target="running"))
        rig.finish(job)
    else:
        rig.fail(job)
    subscribe(rig, "masks")
    assert rig.published == []


# -- the end -----------------------------------------------------------------------------------------------------------


def test_stop_answers_what_waits_and_lets_the_rest_finish(rig):
    job = busy(rig)
    rig.ask(segment(id="waiting"), TINY)
    rig.broker.begin_stop()
    (reply,) = rig.replies()
    assert error(reply, "shutting_down").id == "waiting"
    error(rig.ask(segment(id="new"), TINY), "shutting_down")
    assert isinstance(rig.ask(Ping()), replies.Pong)
    rig.replies()
    assert not rig.broker.is_idle
    rig.finish(job)
    assert rig.broker.is_idle
    assert [reply.id for reply in rig.replies()] == ["running"]
    assert rig.jobs() == []
    assert rig.arena.used == 0


def test_abandon_answers_the_rest(rig):
    busy(rig)
    rig.broker.begin_stop()
    rig.broker.abandon()
    (reply,) = rig.replies()
    assert error(reply, "shutting_down").id == "running"
    assert rig.broker.is_idle
    assert rig.arena.used == 0


@pytest.mark.parametrize("batch", [1, 4])
def test_any_order_of_events_answers_every_request_once(make, batch):
    """Requests, answers, errors, deaths, cancellations and deadlines in an order that only the seed knows."""
    seed = 987
    print(f"seed {seed}")
    chance = random.Random(seed)
    rig = make(card("echo", devices=("a", "b")), queue_length=8, backoff_s=0.001, backoff_most_s=0.001)
    now, asked, kept = time.monotonic(), 0, []
    at: dict[int, dict] = {}  # worker → the job it has
    for _ in range(3000):
        act = chance.choices(["ask", "finish", "fail", "die", "cancel", "late", "oom"], [8, 8, 1, 0.4, 1, 0.3, 0.3])[0]
        for handle in rig.engine.workers("echo"):
            worker = next((w for w in rig.launcher.started if w.body is handle._body), None)
            if handle.state == "starting":
                worker.tell(type="ready", batch=batch)
                rig.read()
            if worker is not None and handle.state == "busy":
                jobs = rig.jobs(worker)
                if jobs:
                    at[handle.spec.number] = (worker, jobs[-1])
        doing = [entry for number, entry in at.items() if rig.engine.workers("echo")[number - 1].state == "busy"]
        if act == "ask":
            asked += 1
            image = Image(image_id=chance.choice(kept)) if kept and chance.random() < 0.5 else raw()
            rig.ask(
                segment(
                    id=str(asked), image=image, keep=chance.random() < 0.3, lane=chance.choice(["batch", "stream"])
                ),
                *([TINY] if image.image_id is None else []),
            )
        elif act in {"finish", "fail", "die", "oom"} and doing:
            worker, job = chance.choice(doing)
            if act == "finish":
                ahead = [other["job"] for other in job.get("ahead", [])]
                rig.finish(job, worker, control={"ahead": chance.sample(ahead, chance.randint(0, len(ahead)))})
            elif act == "die":
                worker.die()
                rig.read()
            else:
                rig.fail(job, worker, "out_of_memory" if act == "oom" else "internal")
        elif act == "cancel":
            rig.ask(Cancel(target=str(chance.randint(max(1, asked - 10), asked + 1)), id="cancel"))
        elif act == "late":
            rig.broker.tick(now + 31)
        rig.broker.tick(time.monotonic())
        kept = [reply.image_id for _, reply, _ in rig.sent if getattr(reply, "image_id", None)][-5:]
    rig.broker.begin_stop()
    rig.broker.abandon()
    outcomes = Counter(getattr(reply, "code", "done") for _, reply, _ in rig.sent)
    assert {"done", "internal", "worker_died", "out_of_memory", "cancelled", "deadline_exceeded", "busy"} <= set(
        outcomes
    )
    answers = Counter(reply.id for reply in rig.replies() if reply.id != "cancel")
    assert set(answers) == {str(number) for number in range(1, asked + 1)}
    assert set(answers.values()) == {1}
    while rig.broker._images.evict_oldest():
        pass
    assert (rig.arena.used, rig.waiting()) == (0, 0)


# -- shared memory -----------------------------------------------------------------------------------------------------


def shared(lease, index=0, generation=2, **fields):
    image = prompts.Image(slot=prompts.Slot(lease=lease, index=index, generation=generation))
    return requests.Segment(id="s", image=image, **fields)


@pytest.fixture
def leased(rig):
    reply = rig.ask(requests.Lease(id="l", slots=3, slot_bytes=100))
    mapped = Mapped(reply.path)
    mapped.name = reply.lease
    mapped.write(0, bytes(75), "rgb8", 5, 5)
    yield mapped
    mapped.close()


def test_peers_of_other_machines_get_no_shared_memory(rig):
    message = [bytes(frame) for frame in frames.encode(requests.Lease(id="l", slots=1, slot_bytes=1))]
    rig.broker.receive(b"far", message, lambda: False)
    ((_, reply, _),) = rig.sent
    assert (reply.code, reply.id) == ("no_shared_memory", "l")


@pytest.mark.parametrize(
    ("failure", "code", "words"),
    [(OSError(28, "No space left on device"), "busy", "No space left"), (ValueError("odd"), "internal", "log")],
)
def test_a_lease_that_cannot_be_made_is_answered_and_nothing_stays_counted(rig, monkeypatch, failure, code, words):
    def fail(*_):
        raise failure

    monkeypatch.setattr("maskbus.node.leases.SharedFile", fail)
    for _ in range(3):
        reply = rig.ask(requests.Lease(id="l", slots=64, slot_bytes=3 << 20))
        assert reply.code == code
        assert words in reply.message
    assert rig.ask(requests.Stats()).leases == 0


def test_leases_are_counted(rig, leased):
    statistics = rig.ask(requests.Stats())
    assert (statistics.leases, statistics.leased_bytes) == (1, len(leased.memory))
    rig.ask(requests.Return(lease=leased.name))
    assert rig.ask(requests.Stats()).leases == 0


def test_a_slot_is_read_from_the_request_to_the_reply(rig, leased):
    rig.ask(shared(leased.name, result=prompts.Slot(lease=leased.name, index=1, generation=0)))
    rig.ready()
    (job,) = rig.jobs()
    assert job["image"]["offset"] == leased.header.offset(0)
    assert job["image"]["nbytes"] == 75
    assert leased.entry(0).state == layout.READING
    assert leased.entry(1).state == layout.ANSWERING
    seen = []
    rig.broker._send = lambda route, message: seen.append((leased.entry(0), leased.entry(1))) or True
    rig.finish(job, control={"result": [33, None]})
    ((image, result),) = seen  # as it was when the reply went out
    assert (image.state, image.generation) == (layout.WRITTEN, 2)
    assert (result.state, result.generation, result.length) == (layout.ANSWERED, 2, 33)


@pytest.mark.parametrize("how", ["fail", "cancel while queued", "deadline"])
def test_a_request_that_fails_gives_its_slots_back(rig, leased, how):
    request = shared(leased.name, deadline_ms=5, result=prompts.Slot(lease=leased.name, index=1, generation=0))
    rig.ask(request)
    if how == "fail":
        rig.ready()
        rig.fail(*rig.jobs())
    elif how == "deadline":
        rig.broker.tick(time.monotonic() + 1)
    else:
        rig.ask(requests.Cancel(id="c", target="s"))
    assert isinstance(rig.sent[-1][1] if how != "cancel while queued" else rig.sent[-2][1], replies.Error)
    assert (leased.entry(0).state, leased.entry(1)) == (layout.WRITTEN, layout.Entry(generation=2))


def test_a_last_value_holds_its_own_bytes(rig, leased):
    rig.ask(shared(leased.name, publish="t", result=prompts.Slot(lease=leased.name, index=1, generation=0)))
    rig.ready()
    (job,) = rig.jobs()
    assert [output["topic"] for output in job["outputs"]] == ["", "t"]
    assert job["outputs"][1]["encodings"] == job["outputs"][0]["encodings"]


def test_leases_end_with_their_clients(rig):
    reply = rig.ask(requests.Lease(id="l", slots=1, slot_bytes=100))
    mapped = Mapped(reply.path)
    now = time.monotonic()
    rig.broker.tick(now + 1)
    mapped.close()
    assert rig.broker.next_event() <= now + 1.5
    rig.broker.tick(now + 2)
    assert rig.ask(requests.Return(lease=reply.lease)).code == "unknown_lease"
