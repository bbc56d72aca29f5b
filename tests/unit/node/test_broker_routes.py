"""Routes: which model is asked next, and what is answered in the end."""

import time

import pytest

from maskbus_wire import replies, requests
from maskbus_wire.prompts import Prompt
from support.peer import TINY, segment
from support.rig import card

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
