"""Routes: which models are meant, and which are left out."""

import pytest

from maskbus.config import AUTO, Config, RouteConfig
from maskbus.node.routes import Plan, Routes
from maskbus.scheduler import Job
from maskbus_wire.errors import WireError
from maskbus_wire.frames import Envelope
from maskbus_wire.requests import Embed, Route
from support.peer import raw

WAY = RouteConfig(models=["a", "b"], min_predicted_iou=0.5, share=0.25)
PLAN = Plan(("a", "b"), 0.5, 0.25)


def routes(**named):
    config = Config(route=named or {"way": WAY}, breaker_failures=2, breaker_pause_s=10.0)
    return Routes(config, {"a": None, "b": None})


def asked(model="", route=None):
    return routes().plan(model, Embed(image=raw(), model=model, route=route))


_numbers = iter(range(1000))


def job(model="a", *, own_deadline=False):
    return Job(next(_numbers), None, Envelope(), model, "interactive", 0.0, 0.0, {}, own_deadline=own_deadline)


@pytest.mark.parametrize("model", ["", "a", "nobody"])
def test_one_model_is_no_route(model):
    assert asked(model) is None


def test_a_route_is_meant_by_its_name():
    assert asked("way") == PLAN
    assert asked("auto") == Plan(tuple(AUTO.models), 0.0, None)


def test_a_request_brings_what_it_wants_otherwise():
    assert asked("way", Route()) == PLAN
    assert asked("way", Route(share=1.0)) == Plan(("a", "b"), 0.5, 1.0)
    assert asked("way", Route(min_predicted_iou=0.0)) == Plan(("a", "b"), 0.0, 0.25)
    assert asked("", Route(models=["x"])) == Plan(("x",), 0.0, None)
    assert asked("", Route(share=0.5)) == Plan(tuple(AUTO.models), 0.0, 0.5)


@pytest.mark.parametrize(
    ("model", "route"), [("a", Route(share=0.5)), ("nobody", Route()), ("way", Route(models=["a"]))]
)
def test_a_contradiction_is_refused(model, route):
    with pytest.raises(WireError) as caught:
        asked(model, route)
    assert (caught.value.code, caught.value.path) == ("invalid_value", "model")


def test_of_a_model_and_a_route_of_one_name_the_model_is_meant():
    both = routes(a=WAY, way=WAY)
    assert both.plan("a") is None
    assert [one.name for one in both.describe()] == ["auto", "way"]
    with pytest.raises(WireError, match="there is auto, way"):
        both.plan("a", Embed(image=raw(), model="a", route=Route()))


def test_a_model_called_auto_leaves_the_models_of_the_route_to_those_who_name_none():
    named = Routes(Config(), {"auto": None})
    assert named.plan("auto") is None
    assert named.plan("", Embed(image=raw(), route=Route(share=0.5))).models == tuple(AUTO.models)


@pytest.mark.parametrize(
    ("code", "own_deadline", "counts"),
    [
        ("internal", True, True),
        ("worker_died", False, True),
        ("out_of_memory", False, True),
        ("model_unavailable", False, True),
        ("deadline_exceeded", False, True),
        ("deadline_exceeded", True, False),
        ("cancelled", False, False),
        ("invalid_value", False, False),
        ("unsupported_prompt", False, False),
        ("busy", False, False),
    ],
)
def test_what_counts_against_a_model(code, own_deadline, counts):
    some = routes()
    for _ in range(2):
        assert not some.left_out("a", 0.0)
        some.failed(job(own_deadline=own_deadline), code, 0.0)
    assert bool(some.left_out("a", 0.0)) == counts
    assert some.seconds_left_out("a", 4.0) == (6.0 if counts else 0.0)
    assert not some.left_out("b", 0.0)


def test_one_job_counts_once_and_its_late_answer_makes_nothing_good():
    some, slow, hung = routes(), job(), job()
    some.failed(slow, "deadline_exceeded", 0.0)
    some.succeeded(slow)  # too late
    assert not some.left_out("a", 0.0)
    some.failed(hung, "deadline_exceeded", 0.0)
    assert some.left_out("a", 0.0)
    some.succeeded(job())
    some.failed(slow, "worker_died", 0.0)
    some.failed(hung, "worker_died", 0.0)
    assert not some.left_out("a", 0.0)


def test_the_one_that_tries_is_not_taken_for_another():
    some = routes()
    for _ in range(2):
        some.failed(job(), "internal", 0.0)
    trying = job()
    some.begin(trying)
    assert some.left_out("a", 20.0) == "It is on trial."
    some.failed(job(), "cancelled", 20.0)
    assert some.left_out("a", 20.0)
    some.came_to_nothing(trying)
    assert not some.left_out("a", 20.0)


def test_a_stream_gets_the_first_model_that_says_yes():
    some = routes()

    def ask(model):
        if model == "a":
            raise WireError("busy", "Too many.")
        return model

    assert some.first(PLAN, ask, 0.0) == "b"
    for _ in range(2):
        some.failed(job("b"), "internal", 0.0)
    with pytest.raises(WireError, match=r"a: Too many; b: It has failed too often") as caught:
        some.first(PLAN, ask, 0.0)
    assert caught.value.code == "model_unavailable"


def test_a_stream_that_is_wrong_in_itself_is_refused_at_once():
    def ask(model):
        raise WireError("invalid_value", "No.", "prompt")

    with pytest.raises(WireError) as caught:
        routes().first(PLAN, ask, 0.0)
    assert caught.value.code == "invalid_value"
