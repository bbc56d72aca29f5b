"""Routes: which model is asked next, and what is answered in the end."""

import base64
import time

import pytest

from maskbus.node import trials
from maskbus.results import MemoryStore
from maskbus_wire import prompts, replies, requests
from maskbus_wire import shared_layout as layout
from maskbus_wire.prompts import MaskPrompt, Prompt
from support.peer import TINY, segment
from support.rig import card
from support.shared import Mapped

A, B, C = "first", "second", "third"
ROUTE = {"route": {"way": {"models": [A, B, C]}}, "breaker_failures": 2, "breaker_pause_s": 1000.0}


@pytest.fixture
def rig(make):
    return make(card(A), card(B), card(C), **ROUTE)


def ask(rig, model="way", **fields):
    return rig.ask(segment(model, **fields), TINY)


def worker_of(rig, model):
    """Return the worker of a model, ready."""
    launcher = rig.launcher
    (worker,) = [one for one, spec in zip(launcher.started, launcher.specs, strict=True) if spec.model == model]
    worker.tell(type="ready", batch=1)
    rig.read()
    return worker


def job_of(rig, model):
    worker = worker_of(rig, model)
    (job,) = rig.jobs(worker)
    assert job["model"] == model
    return job, worker


def codes(reply):
    return [(one.model, one.code) for one in reply.tried]


def test_the_first_model_answers_if_it_can(rig):
    assert ask(rig, id="1") is None
    job, worker = job_of(rig, A)
    rig.finish(job, worker, {"best": 0.9})
    (reply,) = rig.replies()
    assert (reply.id, reply.model, reply.tried) == ("1", A, [])


def test_the_next_one_is_tried_after_an_error(rig):
    ask(rig)
    rig.fail(*job_of(rig, A), code="internal")
    job, worker = job_of(rig, B)
    rig.finish(job, worker, {"best": 0.9})
    (reply,) = rig.replies()
    assert reply.model == B
    assert codes(reply) == [(A, "internal")]
    assert reply.tried[0].message == "Sorry."


def test_an_empty_answer_is_not_good_enough_and_a_weak_one_only_where_it_is_asked_for(rig):
    ask(rig, route=requests.Route(min_predicted_iou=0.5))
    job, worker = job_of(rig, A)
    rig.finish(job, worker, {"best": None})
    job, worker = job_of(rig, B)
    rig.finish(job, worker, {"best": 0.4})
    job, worker = job_of(rig, C)
    rig.finish(job, worker, {"best": 0.6})
    (reply,) = rig.replies()
    assert reply.model == C
    assert codes(reply) == [(A, "nothing_found"), (B, "nothing_found")]


def test_the_best_of_what_came_is_answered_if_none_is_good_enough(rig):
    ask(rig, route=requests.Route(min_predicted_iou=0.9))
    job, worker = job_of(rig, A)
    rig.finish(job, worker, {"best": 0.4})
    job, worker = job_of(rig, B)
    rig.finish(job, worker, {"best": 0.7})
    rig.fail(*job_of(rig, C), code="out_of_memory")
    (reply,) = rig.replies()
    assert isinstance(reply, replies.Masks)
    assert reply.model == B
    assert codes(reply) == [(A, "nothing_found"), (C, "out_of_memory")]
    assert reply.notes == [
        "No answer was good enough; this is the best of them. Its best mask has a predicted IoU of 0.700, not 0.9."
    ]
    assert rig.arena.used == 0


def test_where_all_fail_the_last_error_is_answered_with_all_of_them(rig):
    ask(rig)
    rig.fail(*job_of(rig, A), code="worker_died")
    rig.fail(*job_of(rig, B), code="internal")
    rig.fail(*job_of(rig, C), code="unsupported_prompt")
    (reply,) = rig.replies()
    assert reply.code == "internal"  # not that of the one that never tried
    assert codes(reply) == [(A, "worker_died"), (B, "internal"), (C, "unsupported_prompt")]
    assert all(name in reply.message for name in (A, B, C))
    assert rig.arena.used == 0


def test_what_is_not_there_is_passed_over_at_once(make):
    rig = make(card(A, ready=False, missing="Pull it."), card(B, prompts=frozenset({"text"})), card(C), **ROUTE)
    ask(rig, prompt=Prompt(points=[(1, 1)]), route=requests.Route(models=["nobody", A, B, C]), model="")
    job, worker = job_of(rig, C)
    rig.finish(job, worker, {"best": 1.0})
    (reply,) = rig.replies()
    assert codes(reply) == [("nobody", "unknown_model"), (A, "model_unavailable"), (B, "unsupported_prompt")]


def test_what_is_wrong_with_the_request_itself_is_answered_at_once(rig):
    reply = ask(rig, prompt=Prompt(points=[(500, 500)]))
    assert (reply.code, reply.path) == ("invalid_value", "prompt.points[0]")
    assert rig.launcher.started == []
    assert rig.arena.used == 0


def test_an_error_of_the_request_that_a_model_finds_ends_the_search(rig):
    ask(rig)
    rig.fail(*job_of(rig, A), code="invalid_value")
    (reply,) = rig.replies()
    assert reply.code == "invalid_value"
    assert codes(reply) == [(A, "invalid_value")]


def test_what_one_model_could_do_with_is_not_wrong_in_itself(rig):
    ask(rig)
    job, worker = job_of(rig, A)
    rig.finish(job, worker, {"best": None})
    rig.fail(*job_of(rig, B), code="invalid_value")
    (reply,) = rig.replies()
    assert reply.model == A
    assert codes(reply) == [(B, "invalid_value")]
    assert rig.arena.used == 0


def test_each_model_has_its_share_of_the_time(rig):
    ask(rig, deadline_ms=9000)
    job, _ = job_of(rig, A)
    assert job["deadline"] - time.monotonic() == pytest.approx(3, abs=0.5)
    rig.tick(job["deadline"] + 0.001)
    second, worker = job_of(rig, B)
    assert second["deadline"] == pytest.approx(job["deadline"] + 4.5, abs=3.5)
    assert second["received"] == job["received"]
    rig.finish(second, worker, {"best": 1.0})
    (reply,) = rig.replies()
    assert codes(reply) == [(A, "deadline_exceeded")]


def test_the_late_answer_of_a_model_that_was_given_up_is_not_sent(rig):
    ask(rig, deadline_ms=9000)
    job, worker = job_of(rig, A)
    rig.tick(job["deadline"] + 0.001)
    rig.finish(job, worker, {"best": 1.0})
    assert rig.replies() == []
    second, worker = job_of(rig, B)
    rig.finish(second, worker, {"best": 1.0})
    assert [reply.model for reply in rig.replies()] == [B]
    assert rig.arena.used == 0


def test_a_share_can_be_given(rig):
    ask(rig, deadline_ms=9000, route=requests.Route(share=0.1))
    job, _ = job_of(rig, A)
    assert job["deadline"] - time.monotonic() == pytest.approx(0.9, abs=0.5)


def test_a_model_that_keeps_failing_is_left_out_and_then_given_one_request(make):
    rig = make(card(A), card(B), **{**ROUTE, "route": {"way": {"models": [A, B]}}, "breaker_pause_s": 30.0})
    for _ in range(2):
        ask(rig)
        rig.fail(*job_of(rig, A), code="internal")
        job, worker = job_of(rig, B)
        rig.finish(job, worker, {"best": 1.0})
    rig.replies()
    ask(rig)
    job, worker = job_of(rig, B)
    rig.finish(job, worker, {"best": 1.0})
    (reply,) = rig.replies()
    assert codes(reply) == [(A, "left_out")]
    (stats,) = [one for one in rig.ask(requests.Stats()).models if one.name == A]
    assert 0 < stats.left_out_s <= 30
    rig.replies()
    breaker = rig.broker._routes._breakers[A]
    breaker._until = time.monotonic()  # the pause is over
    ask(rig, id="a")
    ask(rig, id="b")  # only one of them may try
    job, worker = job_of(rig, A)
    rig.finish(job, worker, {"best": 1.0})
    ask(rig, id="c")
    (again,) = rig.jobs(worker)
    assert again["meta"]["id"] == "c"
    assert rig.replies()[0].model == A


def test_a_cancelled_request_is_not_tried_again(rig):
    ask(rig, id="me")
    job, worker = job_of(rig, A)
    rig.ask(requests.Cancel(id="c", target="me"))
    answers = {reply.id: reply for reply in rig.replies()}
    assert answers["me"].code == "cancelled"
    rig.fail(job, worker, code="cancelled")
    assert len(rig.launcher.started) == 1
    assert rig.arena.used == 0


def test_embed_needs_no_mask(rig):
    rig.ask(requests.Embed(image=segment().image, model="way"), TINY)
    job, worker = job_of(rig, A)
    rig.finish(job, worker)
    (reply,) = rig.replies()
    assert (reply.model, reply.tried) == (A, [])


def test_an_image_is_kept_by_the_model_that_answers(rig):
    ask(rig, keep=True)
    rig.fail(*job_of(rig, A))
    job, worker = job_of(rig, B)
    rig.finish(job, worker, {"best": 1.0})
    (reply,) = rig.replies()
    assert reply.image_id
    ask(rig, model=B, image=requests.Image(image_id=reply.image_id))
    (again,) = rig.jobs(worker)
    assert again["image"]["key"] == reply.image_id


def test_only_what_is_answered_is_published(rig):
    ask(rig, publish="masks/a", route=requests.Route(min_predicted_iou=0.5))
    job, worker = job_of(rig, A)
    rig.finish(job, worker, {"best": 0.1})
    assert rig.published == []
    job, worker = job_of(rig, B)
    rig.finish(job, worker, {"best": 0.9})
    assert [plain["model"] for _, plain, _ in rig.published] in ([], [B])


def test_the_node_that_stops_answers_at_once(rig):
    ask(rig)
    rig.broker.begin_stop()
    (reply,) = rig.replies()
    assert reply.code == "shutting_down"
    assert len(rig.launcher.started) == 1


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({"model": A, "route": requests.Route(share=0.5)}, "model"),
        ({"model": "way", "route": requests.Route(models=[A])}, "model"),
        ({"route": requests.Route(models=[A, A])}, "route.models[1]"),
        ({"route": requests.Route(models=[""])}, "route.models[0]"),
        ({"route": requests.Route(share=0.0)}, "route.share"),
        ({"route": requests.Route(share=float("nan"))}, "route.share"),
        ({"route": requests.Route(min_predicted_iou=1.1)}, "route.min_predicted_iou"),
    ],
)
def test_a_request_that_contradicts_itself_is_refused(rig, fields, path):
    reply = ask(rig, **fields)
    assert (reply.code, reply.path) == ("invalid_value", path)


def test_routes_are_described(rig):
    found = {one.name: one for one in rig.ask(requests.Describe()).routes}
    assert found["way"].models == [A, B, C]
    assert found["auto"].models[0] == "fastsam"


def test_a_stream_gets_the_first_model_that_is_ready(make):
    rig = make(card(A, ready=False, missing="Pull it."), card(B), **ROUTE)
    reply = rig.ask(requests.StreamOpen(stream="cam", model="way", prompt=Prompt(points=[(1, 1)])))
    assert (reply.stream, reply.model) == ("cam", B)
    reply = rig.ask(requests.StreamOpen(stream="dog", model="way", prompt=Prompt(text=["a dog"])))
    assert reply.code == "model_unavailable"
    assert all(name in reply.message for name in (A, B, C))


def test_a_stream_gets_no_model_that_cannot_be_loaded(rig):
    ask(rig, model=A)
    rig.launcher.worker.tell(type="failed", code="invalid_value", message="Its table is wrong.")
    rig.read()
    assert [reply.code for reply in rig.replies()] == ["model_unavailable"]  # it is not the request that is wrong
    reply = rig.ask(requests.StreamOpen(stream="cam", model="way", prompt=Prompt(points=[(1, 1)])))
    assert reply.model == B


def test_a_node_that_stops_begins_with_no_other_model(rig):
    ask(rig)
    job, worker = job_of(rig, A)
    rig.broker.begin_stop()
    assert rig.replies() == []
    rig.fail(job, worker)
    (reply,) = rig.replies()
    assert reply.code == "shutting_down"
    assert codes(reply) == [(A, "internal")]
    assert len(rig.launcher.started) == 1
    assert rig.broker.is_idle
    assert rig.arena.used == 0


@pytest.mark.parametrize("when", ["it waits", "it runs", "it is given up"])
def test_a_node_that_stops_answers_the_best_it_has(rig, when):
    ask(rig, id="first")
    ask(rig, id="second", route=requests.Route(min_predicted_iou=0.9))
    first, worker = job_of(rig, A)
    rig.finish(first, worker, {"best": 1.0})
    (second,) = rig.jobs(worker)
    rig.replies()
    if when == "it runs":
        rig.broker.begin_stop()
        rig.finish(second, worker, {"best": 0.5})
    else:
        rig.finish(second, worker, {"best": 0.5})
        assert rig.replies() == []
        if when == "it is given up":
            job_of(rig, B)
        rig.broker.begin_stop()
        rig.broker.abandon()
    (reply,) = rig.replies()
    assert (reply.id, reply.model) == ("second", A)
    assert reply.notes[0].startswith("No answer was good enough")
    assert rig.arena.used == 0


@pytest.fixture
def opened(make):
    """A rig whose first model has been left out, and may now be tried by one request."""
    settings = {**ROUTE, "route": {"way": {"models": [A, B]}}, "breaker_pause_s": 30.0}
    rig = make(card(A), card(B), **settings, store=MemoryStore(1 << 20))
    ask(rig, model=A)
    job, worker = job_of(rig, A)
    rig.finish(job, worker, {"best": 1.0})
    for _ in range(2):
        ask(rig, model=A, fresh=True)
        rig.fail(rig.jobs(worker)[0], worker)
    rig.breaker = rig.broker._routes._breakers[A]
    assert not rig.breaker.may_try(time.monotonic())
    rig.breaker._until = time.monotonic()
    rig.replies()
    return rig


def test_a_try_that_the_cache_answers_is_none(opened):
    ask(opened)
    assert opened.breaker.may_try(time.monotonic())
    job, worker = job_of(opened, B)
    opened.finish(job, worker, {"best": None})
    (reply,) = opened.replies()
    assert (reply.model, reply.reused, codes(reply)) == (A, True, [(B, "nothing_found")])
    assert opened.arena.used == 0


def test_a_try_that_is_cancelled_is_none(opened):
    ask(opened, id="me", fresh=True)
    assert not opened.breaker.may_try(time.monotonic())
    opened.ask(requests.Cancel(target="me"))
    assert opened.breaker.may_try(time.monotonic())


def test_a_try_that_is_over_before_the_model_is_loaded_again_is_none(opened):
    (worker,) = opened.launcher.started
    ask(opened, model=A, fresh=True, id="x")
    worker.die()
    opened.read()
    handle = opened.engine.workers(A)[0]
    opened.launcher.refuse = OSError(12, "no memory")
    opened.engine.tick(time.monotonic() + 2.0)
    assert handle.failure
    opened.launcher.refuse = None
    opened.breaker._until = time.monotonic()
    opened.replies()
    ask(opened, fresh=True)
    job, worker = job_of(opened, B)
    opened.finish(job, worker, {"best": 1.0})
    (reply,) = opened.replies()
    assert codes(reply) == [(A, "model_unavailable")]
    assert opened.breaker.may_try(time.monotonic())


def test_a_model_that_is_always_too_slow_is_left_out_though_it_answers_in_the_end(make):
    rig = make(card(A), card(B), card(C), **ROUTE, deadline_ms=3000)
    for _ in range(2):
        ask(rig)
        job, worker = job_of(rig, A)
        rig.tick(job["deadline"] + 0.001)
        rig.finish(job, worker, {"best": 1.0})
        job, worker = job_of(rig, B)
        rig.finish(job, worker, {"best": 1.0})
    rig.replies()
    ask(rig)
    job, worker = job_of(rig, B)
    rig.finish(job, worker, {"best": 1.0})
    assert codes(rig.replies()[0]) == [(A, "left_out")]


def test_the_same_memory_goes_from_model_to_model(rig):
    mask = TINY[:, :, 0] * 0
    prompt = Prompt(mask=MaskPrompt(encoding="raw", attachment=1))
    rig.ask(segment("way", prompt=prompt, keep=True), TINY, mask)
    first, worker = job_of(rig, A)
    rig.fail(first, worker)
    second, worker = job_of(rig, B)
    assert second["image"] == first["image"]
    assert len(rig.arena._leased) == 2  # it and the prompt
    rig.finish(second, worker, {"best": 1.0})
    (reply,) = rig.replies()
    assert reply.image_id == first["image"]["key"]
    rig.ask(requests.Release(image_id=reply.image_id))
    assert rig.arena.used == 0


def test_a_kept_image_that_goes_meanwhile_is_there_for_the_next_model(rig):
    ask(rig, model=C, keep=True)
    job, worker = job_of(rig, C)
    rig.finish(job, worker, {"best": 1.0})
    (reply,) = rig.replies()
    rig.ask(segment("way", image=requests.Image(image_id=reply.image_id)))
    first, worker = job_of(rig, A)
    rig.ask(requests.Release(image_id=reply.image_id))
    rig.replies()
    rig.fail(first, worker)
    job, worker = job_of(rig, B)
    assert job["image"]["slot"] == first["image"]["slot"]
    rig.finish(job, worker, {"best": 1.0})
    assert [one.model for one in rig.replies()] == [B]
    assert rig.arena.used == 0


def test_a_slot_is_the_nodes_until_the_last_model_is_done_with_it(rig):
    lease = rig.ask(requests.Lease(slots=1, slot_bytes=4096))
    mapped = Mapped(lease.path)
    try:
        generation = mapped.write(0, TINY.tobytes(), "rgb8", 5, 4)
        image = requests.Image(slot=prompts.Slot(lease=lease.lease, index=0, generation=generation))
        rig.replies()
        rig.ask(segment("way", image=image, id="me", route=requests.Route(min_predicted_iou=0.9)))
        first, worker = job_of(rig, A)
        rig.finish(first, worker, {"best": 0.5})
        job, worker = job_of(rig, B)
        assert job["image"] == first["image"]
        assert mapped.entry(0).state == layout.READING
        seen = []
        send = rig.broker._send
        rig.broker._send = lambda route, message: seen.append(mapped.entry(0).state) or send(route, message)
        rig.fail(job, worker)
        rig.fail(*job_of(rig, C))
        assert seen == [layout.WRITTEN]
        assert rig.replies()[0].model == A
    finally:
        mapped.close()


def test_answers_that_wait_for_better_ones_are_bounded(rig, monkeypatch):
    monkeypatch.setattr(trials, "_MOST_HELD", 0)
    ask(rig, route=requests.Route(min_predicted_iou=0.9))
    job, worker = job_of(rig, A)
    rig.finish(job, worker, {"best": 0.5})
    (reply,) = rig.replies()
    assert reply.model == A
    assert rig.broker._trials._held == 0
    assert rig.arena.used == 0


def test_an_answer_that_waits_for_a_better_one_holds_no_other_image(rig):
    ask(rig, id="first", route=requests.Route(min_predicted_iou=0.9))
    lease = rig.ask(requests.Lease(slots=1, slot_bytes=4096))
    mapped = Mapped(lease.path)
    try:
        generation = mapped.write(0, TINY.tobytes(), "rgb8", 5, 4)
        image = requests.Image(slot=prompts.Slot(lease=lease.lease, index=0, generation=generation))
        ask(rig, id="before", model=A)
        rig.ask(segment(A, image=image, id="me"))
        (worker,) = rig.launcher.started
        worker.tell(type="ready", batch=3)
        rig.read()
        (first,) = rig.jobs(worker)
        assert len(first["ahead"]) == 2  # mine is embedded along with it
        rig.finish(first, worker, {"best": 0.5, "ahead": [one["job"] for one in first["ahead"]]})
        for _ in range(2):
            (job,) = rig.jobs(worker)
            rig.finish(job, worker, {"best": 1.0})
        assert "me" in [reply.id for reply in rig.replies()]
        assert mapped.entry(0).state == layout.WRITTEN
    finally:
        mapped.close()


@pytest.mark.parametrize("how", ["attached", "inline", "base64", "shared with the prompt"])
def test_the_bytes_of_an_image_are_not_held_twice(rig, how):
    pixels, attachments = TINY[:, :, 0].tobytes(), []
    image = {"encoding": "mono8", "width": 5, "height": 4}
    prompt = Prompt(points=[(1, 1)])
    if how == "inline":
        image["data"] = pixels
    elif how == "base64":
        image["base64"] = base64.b64encode(pixels).decode()
    else:
        image["attachment"], attachments = 0, [pixels]
    if how == "shared with the prompt":
        prompt = Prompt(mask=MaskPrompt(encoding="raw", attachment=0))
    rig.ask(segment("way", image=requests.Image(**image), prompt=prompt), *attachments)
    for model in (A, B):
        job, worker = job_of(rig, model)
        rig.fail(job, worker)
        slot = next(slot for slot in rig.arena._leased if slot.name == job["image"]["slot"])
        assert bytes(slot.view) == pixels
    asked = next(iter(rig.broker._running.values()), None) or next(iter(rig.broker._queues[C]))
    content = asked.trial.content
    held = [*content.attachments, content.request.image.data or b"", content.request.image.base64 or ""]
    assert any(held) == (how == "shared with the prompt")
    job, worker = job_of(rig, C)
    rig.finish(job, worker, {"best": 1.0})
    assert [reply.model for reply in rig.replies()] == [C]
    assert rig.arena.used == 0


def test_a_route_may_be_the_default(make):
    rig = make(card(A), card(B), **{**ROUTE, "default_model": "way"})
    ask(rig, model="")
    rig.fail(*job_of(rig, A))
    job, worker = job_of(rig, B)
    rig.finish(job, worker, {"best": 1.0})
    assert codes(rig.replies()[0]) == [(A, "internal")]
    reply = rig.ask(requests.StreamOpen(stream="cam", prompt=Prompt(points=[(1, 1)])))
    assert reply.model == A
