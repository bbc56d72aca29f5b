"""What clicks become, and what is refused before the node is asked."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from maskbus.adapters.viewer import commands
from maskbus.adapters.viewer.guard import is_here
from maskbus.adapters.viewer.prompting import Prompter
from maskbus_client.errors import InvalidValue, MaskbusError
from maskbus_wire.prompts import Prompt
from maskbus_wire.replies import StreamInfo, StreamUpdated


class Node:
    """Answers every change, or refuses the next one."""

    def __init__(self) -> None:
        self.asked: list[Any] = []
        self.refuse: MaskbusError | None = None

    async def ask(self, request: Any, kind: Any, patience: float) -> StreamUpdated:
        await asyncio.sleep(0)
        if self.refuse is not None:
            refusal, self.refuse = self.refuse, None
            raise refusal
        self.asked.append(request)
        return StreamUpdated(stream=request.stream, seq=7)


@pytest.fixture
def node():
    return Node()


@pytest.fixture
def prompter(node):
    return Prompter(node)


PLAIN = StreamInfo(stream="s", model="m", topic="masks/s/m", policy="newest")
TRACKING = StreamInfo(stream="s", model="m", topic="masks/s/m", policy="newest", track=True, object_ids=[1])


def obey(prompter, *given, info=PLAIN, needs_prompt=False):
    async def all_of_them():
        return [await prompter.obey(one, info, needs_prompt=needs_prompt) for one in given]

    return asyncio.run(all_of_them())


def point(x, y, label=1, number=None):
    return commands.Point(stream="s", x=x, y=y, label=label, object=number)


def test_clicks_add_up_and_a_box_takes_the_place_of_the_last(node, prompter):
    obey(
        prompter,
        point(1, 2),
        commands.Box(stream="s", box=(0, 0, 5, 5)),
        point(3, 4, 0),
        commands.Box(stream="s", box=(1, 1, 6, 6)),
    )
    wanted = Prompt(points=[(1, 2), (3, 4)], labels=[1, 0], boxes=[(1, 1, 6, 6)])
    assert node.asked[-1].prompt == wanted
    assert prompter.shown("s") == [
        {"point": (1, 2), "label": 1},
        {"point": (3, 4), "label": 0},
        {"box": (1, 1, 6, 6)},
    ]


def test_clicks_are_taken_back_one_by_one_and_all_at_once(node, prompter):
    obey(prompter, point(1, 1), point(2, 2), point(3, 3), commands.Back(stream="s"))
    assert node.asked[-1].prompt.points == [(1, 1), (2, 2)]
    obey(prompter, commands.Clear(stream="s"))
    assert node.asked[-1].prompt == Prompt()
    assert obey(prompter, commands.Back(stream="s")) == ["There are no clicks to take back."]


def test_a_model_that_needs_a_prompt_keeps_its_last_one(node, prompter):
    obey(prompter, point(1, 1))
    (said,) = obey(prompter, commands.Clear(stream="s"), needs_prompt=True)
    assert "keeps the last one" in said
    assert len(node.asked) == 1
    obey(prompter, point(2, 2), needs_prompt=True)
    assert node.asked[-1].prompt.points == [(2, 2)]


def test_a_click_that_the_node_refuses_is_no_part_of_the_next_prompt(node, prompter):
    obey(prompter, point(1, 1))
    node.refuse = InvalidValue("It lies outside.")
    with pytest.raises(InvalidValue):
        obey(prompter, point(999, 1))
    obey(prompter, point(2, 2))
    assert node.asked[-1].prompt.points == [(1, 1), (2, 2)]


def test_two_clicks_at_a_time_do_not_take_each_others_place(node, prompter):
    async def both():
        await asyncio.gather(*(prompter.obey(point(i, i), PLAIN, needs_prompt=False) for i in range(5)))

    asyncio.run(both())
    assert len(node.asked[-1].prompt.points) == 5


def test_a_stream_that_begins_anew_knows_no_clicks(node, prompter):
    obey(prompter, point(1, 1))
    prompter.forget("s")
    assert prompter.shown("s") == []
    obey(prompter, point(2, 2))
    assert node.asked[-1].prompt.points == [(2, 2)]


def test_objects_are_added_corrected_and_removed(node, prompter):
    said = obey(prompter, point(1, 1, number=1), point(2, 2, 0, number=3), info=TRACKING)
    assert said == ["Object 1 is followed as shown in frame 7.", "Object 3 is followed as shown in frame 7."]
    (one,) = node.asked[-1].objects
    assert (one.object_id, one.prompt) == (3, Prompt(points=[(2, 2)], labels=[0]))
    assert node.asked[-1].prompt is None
    obey(prompter, commands.Remove(stream="s", object=1), info=TRACKING)
    assert node.asked[-1].remove == [1]
    assert prompter.shown("s") == []


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        '{"do":"shout"}',
        '{"do":"point","stream":"s","x":"1","y":2}',
        '{"do":"point","stream":"s","x":1,"y":2,"label":2}',
        '{"do":"point","stream":"","x":1,"y":2}',
        '{"do":"point","stream":"s","x":1,"y":2,"object":-1}',
        '{"do":"point","stream":"s","x":1,"y":2,"extra":1}',
        '{"do":"box","stream":"s","box":[1,2,3]}',
        '{"do":"show","streams":{"s":0}}',
        '{"do":"remove","stream":"s"}',
        '{"do":"ack"' + " " * commands.MOST_BYTES + "}",
    ],
)
def test_what_is_no_command_is_refused(text):
    with pytest.raises(ValueError, match=r"."):
        commands.read(text)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.1:7712", "localhost:1", "LOCALHOST", "[::1]:7712", "[::1]"])
def test_names_of_this_machine(host):
    assert is_here(host)


@pytest.mark.parametrize(
    "host", ["", "evil.example", "127.0.0.1.evil.example:7712", "localhost.evil.example", "127.0.0.1:x", "::1", ":7712"]
)
def test_names_of_others(host):
    assert not is_here(host)
