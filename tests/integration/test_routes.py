"""Routes over real sockets and worker processes: what fails, hangs or is slow is left behind, and somebody answers."""

import pytest
import zmq

from maskbus_wire.prompts import Prompt
from maskbus_wire.requests import Describe, Route, Stats, StreamClose, StreamOpen
from support.nodes import live_node
from support.peer import TINY, segment
from support.subscriber import Subscriber
from support.waiting import until

WAY = ["failing", "echo"]
POINT = Prompt(points=[(2, 2)])


@pytest.fixture(scope="module")
def node():
    with live_node(
        models=["echo", "failing", "grabcut"],
        route={"way": {"models": WAY}, "slow": {"models": WAY, "share": 0.1}},
        breaker_failures=2,
        breaker_pause_s=0.5,
        hang_grace_s=0.2,
        backoff_s=0.05,
    ) as node:
        yield node


@pytest.fixture
def peer(node):
    with node.peer() as peer:
        yield peer


def ask(peer, model="way", **fields):
    return peer.ask(segment(model, prompt=fields.pop("prompt", POINT), **fields), TINY)


def codes(reply):
    return [(one.model, one.code) for one in reply.tried]


def test_the_first_model_answers(peer):
    reply = ask(peer)
    assert reply.model == "failing"
    assert codes(reply) == []
    assert reply.masks[0].area == 9


HOW = {
    "raises": ({"raise": "no luck"}, "internal"),
    "dies": ({"die": True}, "worker_died"),
    "exits": ({"exit": True}, "worker_died"),
    "answers nonsense": ({"shape": True}, "internal"),
}


@pytest.mark.parametrize(("options", "code"), HOW.values(), ids=HOW)
def test_the_next_model_answers_when_one(peer, options, code):
    reply = ask(peer, options=options)
    assert reply.model == "echo"
    assert codes(reply) == [("failing", code)]
    assert reply.masks[0].area == 9
    wait_until_it_is_let_in_again(peer)


@pytest.mark.parametrize("options", [{"work": 60}, {"hang": 60}], ids=["works", "hangs"])
def test_a_model_that_takes_more_than_its_share_is_left_behind(peer, options):
    ask(peer)  # its worker is there
    reply = ask(peer, "slow", options=options, deadline_ms=10_000)
    assert reply.model == "echo"
    assert codes(reply) == [("failing", "deadline_exceeded")]
    assert reply.tried[0].ms >= 900
    wait_until_it_is_let_in_again(peer)


def test_a_model_that_keeps_failing_is_left_out_for_a_while(peer):
    for _ in range(2):
        assert codes(ask(peer, options={"raise": "no luck"})) == [("failing", "internal")]
    reply = ask(peer)
    assert codes(reply) == [("failing", "left_out")]
    assert reply.model == "echo"
    (stats,) = [one for one in peer.ask(Stats()).models if one.name == "failing"]
    assert stats.left_out_s > 0
    wait_until_it_is_let_in_again(peer)


def test_an_own_list_goes_before_the_configured_ones(peer):
    reply = ask(peer, "", route=Route(models=["nobody", "echo"]))
    assert reply.model == "echo"
    assert codes(reply) == [("nobody", "unknown_model")]


def test_nothing_found_is_a_reason_to_ask_the_next(peer):
    reply = ask(peer, "", route=Route(models=["echo", "grabcut"]), prompt=Prompt(points=[(2, 2)], labels=[0]))
    # echo answers an empty mask, which is nothing; grabcut cannot do with background alone.
    assert codes(reply) == [("grabcut", "invalid_value")]
    assert (reply.model, reply.masks[0].area) == ("echo", 0)
    reply = ask(peer, "", route=Route(models=["echo", "failing"]), prompt=Prompt())
    assert codes(reply) == [("failing", "nothing_found")]
    assert (reply.model, reply.masks) == ("echo", [])


def test_all_that_can_go_wrong_is_told_where_nobody_answers(peer):
    reply = ask(peer, "", route=Route(models=["nobody", "failing"]), options={"raise": "no luck"})
    assert reply.code == "internal"
    assert codes(reply) == [("nobody", "unknown_model"), ("failing", "internal")]
    wait_until_it_is_let_in_again(peer)


def test_auto_is_there_without_being_configured(peer):
    assert "auto" in {route.name for route in peer.ask(Describe()).routes}
    reply = ask(peer, "auto")
    assert reply.model == "grabcut"
    assert ("mobile-sam", "unknown_model") in codes(reply)


def test_a_rep_sockets_client_gets_one_answer(node):
    with node.peer(zmq.REQ) as peer:
        for options in ({}, {"raise": "no luck"}, {}):
            assert ask(peer, options=options).masks
    with node.peer() as peer:
        wait_until_it_is_let_in_again(peer)


def test_only_the_answer_is_published_and_is_the_topics_last_value(node, peer):
    def ask_twice(topic, options):
        route = Route(models=["echo", "failing"])
        for prompt in (Prompt(points=[(2, 2)], labels=[0]), POINT):  # echo finds nothing, and then something
            reply = ask(peer, "", route=route, prompt=prompt, publish=topic, options=options)
            assert reply.model == "echo"
            assert codes(reply) == ([] if prompt is POINT else [("failing", "internal")])

    with Subscriber(node.context, node.topics) as early, Subscriber(node.context, node.topics) as late:
        early.subscribe_and_settle(peer, "way/a")
        ask_twice("way/a", {"raise": "no luck"})
        first, second = early.receive()[1], early.receive()[1]
        assert [(one.model, one.masks[0].area, one.retained) for one in (first, second)] == [
            ("echo", 0, False),
            ("echo", 9, False),
        ]
        assert 0 < first.published < second.published
        assert early.quiet()
        ask_twice("way/b", {"raise": "no luck"})  # nobody listens yet
        for topic in ("way/a", "way/b"):
            ((_, last, _),) = late.subscribe_and_settle(peer, topic)
            assert (last.topic, last.model, last.masks[0].area, last.retained) == (topic, "echo", 9, True)
            assert last.published >= second.published
    wait_until_it_is_let_in_again(peer)


def test_a_stream_gets_a_model_of_the_route(peer):
    reply = peer.ask(StreamOpen(stream="cam", model="auto", prompt=POINT))
    assert reply.model == "grabcut"
    peer.ask(StreamClose(stream="cam"))


def wait_until_it_is_let_in_again(peer):
    """Ask until failing has answered through the route: it is left out for half a second at most."""
    until(lambda: ask(peer).model == "failing", "failing answers again")
