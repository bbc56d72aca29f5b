"""A long random walk: streams, frames, changes, failing and dying workers, in any order; and what must always hold."""

from __future__ import annotations

import random
import time
from collections import Counter, defaultdict

import pytest

from maskbus.worker.channel import ChannelClosed
from maskbus_wire import frames, replies, requests
from maskbus_wire.prompts import MaskPrompt, Prompt
from support.peer import TINY, raw, segment
from support.rig import card

NAMES = ("a", "b", "c", "d")


class Walk:
    def __init__(self, rig, seed):
        self.rig = rig
        self.chance = random.Random(seed)
        self.jobs: dict = {}
        """What each worker is at."""
        self.seq = 0
        self.asked: set[str] = set()
        self.answered: Counter[str] = Counter()
        self.last: dict[str, int] = defaultdict(lambda: -1)
        self.following: dict[str, set[int]] = {}
        """What the workers follow, by session."""
        self.seen: Counter[str] = Counter()
        """What was told, by its kind."""

    @property
    def table(self):
        return self.rig.broker._streams

    def id(self):
        self.seq += 1
        name = f"q{self.seq}"
        self.asked.add(name)
        return name

    def step(self):
        kinds = {"frame": 20, "finish": 20, "fail": 1, "update": 3, "open": 0.8, "close": 0.3, "ready": 3, "die": 0.3}
        kinds |= {"late": 0.4, "request": 1, "watch": 0.5, "idle": 0.1, "cancel": 0.3}
        kind = self.chance.choices(list(kinds), list(kinds.values()))[0]
        getattr(self, kind)()
        self.take_jobs()
        self.check()

    # -- what may happen -----------------------------------------------------------------------------------------------

    def open(self):
        policy = self.chance.choice(["newest", "every", "sample"])
        name = self.chance.choice(NAMES)
        track = self.chance.random() < 0.5
        self.rig.ask(
            requests.StreamOpen(
                id=self.id(),
                stream=name,
                policy=policy,
                max_fps=self.chance.choice([1.0, 1000.0]) if policy == "sample" else None,
                max_waiting=self.chance.randrange(1, 5),
                max_age_ms=self.chance.choice([None, 1, 60_000]),
                always=self.chance.random() < 0.8,
                track=track,
                objects=self.objects() if track else [],
                prompt=Prompt() if track else self.chance.choice([Prompt(), Prompt(points=[(1, 1)])]),
                deadline_ms=self.chance.choice([None, 1000]),
            )
        )
        self.last.pop(name, None)

    def objects(self):
        def one():
            kind = self.chance.randrange(15)
            if kind == 0:
                return Prompt(points=[(90, 1)])  # outside
            if kind == 1:
                return Prompt(mask=MaskPrompt(encoding="raw", data=bytes(self.chance.choice([20, 5, 300]))))
            return Prompt(points=[(1, 1)])

        numbers = self.chance.sample(range(5), self.chance.choice([0, 1, 2]))
        return [requests.TrackedObject(object_id=number, prompt=one()) for number in numbers]

    def frame(self):
        self.seq += 1
        image = self.chance.choice([*[raw()] * 20, raw(width=6), raw(width=6, step=1), raw(attachment=3)])
        request = requests.StreamFrame(
            stream=self.chance.choice(NAMES),
            seq=self.seq,
            image=image,
            stamp=self.chance.choice([None, 0]),
            ack=self.chance.random() < 0.2,
        )
        message = [bytes(part) for part in frames.encode(request, [TINY])]
        listens = self.chance.random() < 0.8
        self.rig.broker.receive(b"camera", message, listens=lambda: listens)

    def update(self):
        name = self.chance.choice(NAMES)
        stream = self.table._streams.get(name)
        fields = {}
        if stream is not None and stream.settings.track:
            fields = {
                "objects": self.objects(),
                "remove": self.chance.sample(range(5), self.chance.choice([0, 0, 1, 2])),
            }
        elif self.chance.random() < 0.5:
            fields = {"prompt": Prompt(boxes=[(0, 0, 2, 2)])}
        if self.chance.random() < 0.3:
            fields |= {"max_age_ms": self.chance.choice([0, 50]), "always": self.chance.random() < 0.5}
        self.rig.ask(requests.StreamUpdate(id=self.id(), stream=name, **fields), route=b"person")

    def close(self):
        self.rig.ask(requests.StreamClose(id=self.id(), stream=self.chance.choice(NAMES)))

    def request(self):
        self.rig.ask(segment(id=self.id(), lane=self.chance.choice(["interactive", "stream", "batch"])), TINY)

    def cancel(self):
        self.rig.ask(requests.Cancel(id=self.id(), target=f"q{self.seq - self.chance.randrange(4)}"))

    def watch(self):
        self.rig.publisher.subscription(
            self.chance.choice([b"\x01masks/a", b"\x00masks/a", b"\x01masks/", b"\x00masks/"])
        )

    def ready(self):
        now = time.monotonic()
        for handle in self.rig.engine._handles["echo"]:
            if handle.state == "backing-off":
                handle.tick(now + 1000)
        for worker in self.rig.launcher.started:
            if worker not in self.jobs and worker.body.how is None:
                worker.tell(type="ready", batch=self.chance.choice([1, 3]))
                self.jobs[worker] = None
        self.rig.read()

    def working(self):
        found = [worker for worker, job in self.jobs.items() if job is not None]
        return self.chance.choice(found) if found else None

    def finish(self):
        if (worker := self.working()) is None:
            return
        job, self.jobs[worker] = self.jobs[worker], None
        ahead = [other["job"] for other in job.get("ahead", []) if self.chance.random() < 0.8]
        following = []
        if job["op"] == "track":
            there = self.following[job["session"]] = set() if job["begin"] else self.following.get(job["session"])
            if there is None or not set(job["remove"]) <= there | {one["object_id"] for one in job["objects"]}:
                self.jobs[worker] = job
                self.fail_with(worker, "worker_died" if there is None else "invalid_value")
                return
            there |= {one["object_id"] for one in job["objects"]}
            there -= set(job["remove"])
            following = sorted(there)
        self.rig.finish(job, worker, {"objects": following, "ahead": ahead}, seq=job["meta"].get("seq"))

    def fail_with(self, worker, code):
        job, self.jobs[worker] = self.jobs[worker], None
        self.rig.fail(job, worker, code)

    def fail(self):
        if (worker := self.working()) is not None:
            self.fail_with(worker, self.chance.choice(["internal", "invalid_value", "too_large"]))

    def die(self):
        alive = list(self.jobs)
        if alive:
            worker = self.chance.choice(alive)
            del self.jobs[worker]
            worker.die()
            self.rig.read()
            self.following.clear()  # any session may have been its own; those of others begin anew all the same

    def late(self):
        """The deadline of what is being worked on passes."""
        if (worker := self.working()) is not None:
            self.rig.broker.tick(self.jobs[worker]["deadline"] + 0.001)
            self.take_jobs()

    def idle(self):
        for stream in self.table._streams.values():
            if self.chance.random() < 0.3:
                stream.last_frame -= 1000
        self.table._look_at = self.table._look_at and 0.0
        self.rig.broker.tick(time.monotonic())

    # -- what must hold ------------------------------------------------------------------------------------------------

    def take_jobs(self):
        self.rig.broker.tick(time.monotonic())
        for worker in list(self.jobs):
            try:
                told = worker.told()
            except ChannelClosed:  # the node has ended it: it hung
                del self.jobs[worker]
                self.following.clear()
                continue
            for message in told:
                if message["type"] == "job":
                    assert self.jobs[worker] is None, "a second job at once"
                    self.jobs[worker] = message

    def check(self):
        for _, reply, _ in self.rig.sent:
            self.seen[reply.code if isinstance(reply, replies.Error) else type(reply).__name__] += 1
            if reply.id in self.asked:
                self.answered[reply.id] += 1
        self.rig.sent.clear()
        assert set(self.answered.values()) <= {1}
        for topic, plain, _ in self.rig.published:
            name = topic.split("/")[1]
            self.seen["published"] += 1
            assert name in self.table._streams, "something is published for a stream that is not there"
            if plain.get("seq") is not None:
                assert plain["seq"] >= self.last[name], "a result comes after a later one"
                self.last[name] = plain["seq"]
        self.rig.published.clear()
        waiting = 0
        for stream in self.table._streams.values():
            counts = stream.counts()
            assert counts.received == counts.answered + sum(counts.dropped.values()) + stream.under_way
            assert stream.busy == (stream.job is not None)
            if stream.rules.policy == "every":
                assert stream.under_way <= stream.rules.max_waiting
            turns = self.table._line(stream)
            assert (stream.has_waiting and not stream.busy) == (stream in turns._line or stream in turns._resting)
            waiting += stream.waiting_bytes
        assert self.table._waiting_bytes == waiting
        if any(job is None for job in self.jobs.values()):
            now = time.monotonic()
            for turns in self.table._turns.values():
                # A worker that has nothing to do leaves only what is bound to another.
                assert all(stream.worker is not None for stream in turns), "a frame waits though a worker is idle"
                assert all(stream.rests_until > now - 0.5 for stream in turns._resting)

    def end(self):
        for name in NAMES:
            self.rig.ask(requests.StreamClose(stream=name))
        self.ready()
        for _ in range(200):
            self.take_jobs()
            if self.working() is None:
                break
            self.finish()
        self.check()
        assert (len(self.table._streams), self.table._waiting_bytes) == (0, 0)
        assert [len(turns) for turns in self.table._turns.values()] == [0]
        assert self.rig.arena.used == 0
        assert self.rig.waiting() == 0
        assert self.rig.broker._running == {}
        assert self.rig.publisher.stats() == []
        assert set(self.answered) == self.asked


@pytest.mark.parametrize("number", range(10))
def test_whatever_happens(make, number):
    seed = 1000 + number
    print(f"seed {seed}")
    devices = ("cpu", "cpu:1") if number % 2 else ("cpu",)
    rig = make(card("echo", tracks=True, devices=devices), stream_bytes=600, queue_length=8, heartbeat_timeout_s=1e6)
    walk = Walk(rig, seed)
    for _name in range(2):
        walk.open()
    for _ in range(400):
        walk.step()
    walk.end()
    assert walk.seen["published"]
    assert walk.seen["StreamUpdated"]
