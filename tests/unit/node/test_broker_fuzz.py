"""Whatever comes in, the broker answers it, once, and keeps nothing of what it refused."""

from __future__ import annotations

import copy
import random

import msgpack
import numpy as np
import pytest

from maskbus_wire import frames, replies, rle
from maskbus_wire.prompts import Image, LogitsPrompt, MaskPrompt, Prompt
from maskbus_wire.requests import Cancel, Describe, Embed, Ping, Release, Stats
from support.peer import TINY, raw, segment
from support.rig import Rig, card

SEED = 31415
PIXELS = TINY.tobytes()
KINDS = frozenset({"points", "boxes", "mask", "logits", "text", "none"})

VALID = [
    (
        segment(prompt=Prompt(points=[(1, 1)], labels=[1]), options={"a": [1, {"b": 2.5}]}, publish="t", id="x"),
        [PIXELS],
    ),
    (segment(prompt=Prompt(boxes=[(0, 0, 2, 2), (1, 1, 3, 3)]), encodings=["rle", "png"], deadline_ms=1000), [PIXELS]),
    (segment(prompt=Prompt(mask=MaskPrompt(encoding="raw", attachment=1)), keep=True), [PIXELS, bytes(20)]),
    (segment(prompt=Prompt(mask=MaskPrompt(encoding="rle", counts=rle.encode(np.ones((4, 5), bool))))), [PIXELS]),
    (
        segment(prompt=Prompt(logits=LogitsPrompt(shape=(1, 2), data=bytes(8)), text=["a"], negative_text=["b"])),
        [PIXELS],
    ),
    (segment(image=Image(encoding="png", base64="iVBORw0KGgo="), stamp=1, frame_id="f", stream="s", seq=2), []),
    (segment(image=Image(image_id="none")), []),
    (Embed(image=raw(step=20), model="echo", lane="batch"), [PIXELS + bytes(15)]),
    (Release(image_id="none"), []),
    (Cancel(target="x"), []),
    (Describe(), []),
    (Ping(), []),
    (Stats(), []),
]

STRANGE = [
    None, True, False, 0, 1, -1, 2**31, 2**63 - 1, 2**64 - 1, -(2**63), 0.0, -0.5, 1e308, float("nan"), float("inf"),
    "", "x", "ä" * 300, "\0", "data:,", "data:image/png;base64,", b"", b"\xff" * 9, [], [None], [[]], [[[]]], {},
    {"x": 1}, [1, 2], [[1, 2]], [[1, 2, 3, 4]], [["a", "b"]], ["rle"], ["logits"], "rgb8", "jpeg", [0.5] * 100,
    {"attachment": 0}, {"data": b"x", "encoding": "png"}, {"shape": [1, 1], "attachment": 0},
    {"shape": [0, -1], "data": b""},
]  # fmt: skip


def places(value, path=()):
    yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield from places(item, (*path, key))


def change(chance, plain):
    """Replace, remove or add something somewhere."""
    changed = copy.deepcopy(plain)
    for _ in range(chance.choice([1, 1, 1, 2, 4])):
        path = chance.choice([path for path in places(changed) if path] or [()])
        if not path:
            return changed
        holder = changed
        for key in path[:-1]:
            holder = holder[key]
        act = chance.random()
        if act < 0.7:
            holder[path[-1]] = copy.deepcopy(chance.choice(STRANGE))
        elif act < 0.85:
            del holder[path[-1]]
        elif isinstance(holder, dict):
            holder[chance.choice(["x", "image_id", "step", "width", "mask", "base64", "keep"])] = chance.choice(STRANGE)
        else:
            holder.append(copy.deepcopy(chance.choice(STRANGE)))
    return changed


def damage(chance, data):
    data = bytearray(data)
    for _ in range(chance.randint(0, 4)):
        if not data:
            break
        at = chance.randrange(len(data))
        chance.choice(
            [
                lambda at=at: data.__setitem__(at, chance.randrange(256)),
                lambda at=at: data.__delitem__(at),
                lambda at=at: data.insert(at, chance.randrange(256)),
                lambda at=at: data.__delitem__(slice(at, None)),
            ]
        )()
    return bytes(data)


@pytest.fixture
def rig(tmp_path):
    made = Rig(tmp_path, card("echo", prompts=KINDS, has_logits=True), queue_length=4)
    yield made
    made.close()


@pytest.mark.parametrize("how", ["fields", "bytes", "attachments"])
def test_anything_is_answered(rig, how):
    print(f"seed {SEED}")
    chance = random.Random(SEED)
    outcomes = set()
    for number in range(2500):
        request, attachments = chance.choice(VALID)
        head = bytes(frames.encode(request)[0])
        if how == "fields":
            head = msgpack.packb(change(chance, msgpack.unpackb(head)))
        elif how == "bytes":
            head = damage(chance, head)
        else:
            attachments = [damage(chance, part) for part in attachments] + [b"more"] * chance.randint(0, 2)
        before = len(rig.sent)
        rig.broker.receive(number, [head, *attachments])
        own = [reply for route, reply, _ in rig.sent[before:] if route == number]
        accepted = [job for queue in rig.broker._queues.values() for job in queue if job.route == number]
        assert len(own) + len(accepted) == 1, (head, attachments)
        outcomes |= {getattr(reply, "code", "answer") for reply in own} | {"accepted" for _ in accepted}
        for queue in rig.broker._queues.values():
            for job in queue.drain():
                job.answered = True
                job.finish()
        assert rig.arena.used == 0, (head, attachments)
    assert "internal" not in outcomes
    assert {"accepted", "answer", "invalid_image"} <= outcomes
    assert isinstance(rig.ask(Ping()), replies.Pong)
