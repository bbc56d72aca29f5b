"""Routes, kept answers and direct requests in any order, with whatever can go wrong: one answer each, nothing left."""

import random
import time
from collections import Counter

import pytest

from maskbus.config import AUTO
from maskbus.node import trials
from maskbus.results import MemoryStore
from maskbus_wire import prompts, replies, requests
from maskbus_wire import shared_layout as layout
from maskbus_wire.prompts import Image, MaskPrompt, Prompt
from support.peer import TINY, raw, segment
from support.rig import Rig, card
from support.shared import Mapped

SEEDS = range(30)
STEPS = 150
A, B, C, D = "first", "second", "third", "fourth"
WAYS = {
    "way": {"models": [A, B, C]},
    "strict": {"models": [B, A], "min_predicted_iou": 0.6, "share": 0.3},
    "one": {"models": [C]},
    B: {"models": [A]},  # never meant: there is a model of this name
}
CODES = ["internal", "out_of_memory", "invalid_value", "unsupported_prompt", "deadline_exceeded", "cancelled"]
SLOTS = 4


class Clock:
    """Stands still until it is told otherwise."""

    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


class Late(MemoryStore):
    """Answers some lookups at once and others when it is told to."""

    def __init__(self, chance):
        super().__init__(1 << 20)
        self.chance = chance
        self.waiting = []

    def lookup(self, key, then):
        if self.chance.random() < 0.5:
            super().lookup(key, then)
        else:
            self.waiting.append((key, then))

    def answer(self):
        """Answer one of those that wait."""
        key, then = self.waiting.pop(self.chance.randrange(len(self.waiting)))
        if self.chance.random() < 0.3:
            then(None)  # the store's own patience was over
        else:
            super().lookup(key, then)


class Walk:
    """One node, and what happens to it."""

    def __init__(self, directory, seed, clock):
        self.chance = random.Random(seed)
        self.clock = clock
        self.store = Late(self.chance)
        self.rig = Rig(
            directory,
            card(A, devices=("cpu:0", "cpu:1"), has_logits=True),
            card(B),
            card(C, cache_results=False),
            card(D, cache_embeddings=False),
            card("missing", ready=False, missing="Pull it."),
            store=self.store,
            queue_length=3,
            image_bytes=self.chance.choice([1 << 20, 64 << 20]),
            route=WAYS,
            breaker_failures=2,
            breaker_pause_s=3.0,
            deadline_ms=20_000,
            kept_bytes=200_000,
            hang_grace_s=1.0,
            heartbeat_timeout_s=1e6,
            load_timeout_s=60.0,
        )
        self.requests = {}
        self.jobs = []
        """What the workers are at: job and worker."""
        self.answers = Counter()
        self.last = {}
        self.kept = []
        lease = self.rig.ask(requests.Lease(slots=SLOTS, slot_bytes=4096))
        self.lease, self.mapped = lease.lease, Mapped(lease.path)
        self.using = {}
        """Slot → the request it belongs to."""
        self.embedded = {model: {} for model in (A, B, C, D)}

    # -- what may happen -----------------------------------------------------------------------------------------------

    def ask(self):
        chance, number = self.chance, len(self.requests)
        fields = {"id": f"r{number}", "model": chance.choice(["way", "way", "strict", "one", "auto", A, B, ""])}
        if chance.random() < 0.3:
            names = chance.sample([A, B, C, D, "missing", "nobody"], chance.randint(0, 4))
            iou, share = chance.choice([None, 0.0, 0.5, 1.0]), chance.choice([None, 0.01, 1.0])
            fields["route"] = requests.Route(models=names, min_predicted_iou=iou, share=share)
            if names:
                fields["model"] = ""
        if chance.random() < 0.5:
            fields["deadline_ms"] = chance.choice([1, 500, 5000, 60_000])
        fields["lane"] = chance.choice(["interactive", "interactive", "stream", "batch"])
        attachments = [TINY.tobytes() if chance.random() < 0.7 else chance.randbytes(60)]
        image = raw()
        used = []
        where = chance.random()
        if where < 0.15 and self.kept:
            image, attachments = Image(image_id=chance.choice(self.kept)), []
        elif where < 0.4 and (free := self.free_slot()) is not None:
            generation = self.mapped.write(free, TINY.tobytes(), "rgb8", 5, 4)
            image, attachments = Image(slot=prompts.Slot(lease=self.lease, index=free, generation=generation)), []
            used.append(free)
        kind = chance.random()
        if kind < 0.15:
            request = requests.Embed(image=image, **fields)
        elif kind < 0.3:
            request = requests.Everything(
                image=image, progress=chance.random() < 0.5, keep=chance.random() < 0.2, **fields
            )
        else:
            fields["prompt"] = chance.choice([Prompt(points=[(1, 1)]), Prompt(points=[(900, 1)]), Prompt(text=["cat"])])
            if chance.random() < 0.7:
                fields["prompt"] = Prompt(points=[(1, 1)])
            elif attachments and chance.random() < 0.5:
                fields["prompt"] = Prompt(mask=MaskPrompt(encoding="raw", attachment=1))
                attachments.append(bytes(20))
            if chance.random() < 0.2:
                fields["publish"] = "masks/a"
            if chance.random() < 0.2 and (free := self.free_slot(used)) is not None:
                generation = self.mapped.entry(free).generation
                self.mapped.set_entry(free, state=layout.FREE, owner=layout.NOBODY, generation=generation)
                fields["result"] = prompts.Slot(lease=self.lease, index=free, generation=generation)
                used.append(free)
            fields["fresh"] = chance.random() < 0.2
            fields["encodings"] = ["logits"] if chance.random() < 0.1 else ["rle"]
            request = segment(image=image, keep=chance.random() < 0.2, **fields)
        self.requests[request.id] = request
        for index in used:
            self.using[index] = request.id
        self.rig.ask(request, *attachments, route=number % 3)

    def free_slot(self, besides=()):
        slots = [one for one in range(SLOTS) if one not in besides and self.using.get(one) is None]
        return self.chance.choice(slots) if slots else None

    def cancel(self):
        if self.requests:
            name = self.chance.choice(list(self.requests)[-6:])
            self.rig.ask(requests.Cancel(id="cancel", target=name), route=self.chance.randrange(3))

    def ready(self):
        """Have a worker say that its model is loaded, or that it cannot be."""
        workers = [one for handle in self.handles("starting") if (one := self.worker(handle)) is not None]
        if workers:
            worker = self.chance.choice(workers)
            if self.chance.random() < 0.15:
                worker.tell(type="failed", code="model_unavailable", message="No weights.")
            else:
                worker.tell(type="ready", batch=self.chance.choice([1, 1, 3]), weights=self.chance.choice("ab"))

    def work(self):
        """Have a worker answer, fail, or tell how far it is."""
        self.collect()
        self.jobs = [one for one in self.jobs if one[1].body.how is None]
        if not self.jobs:
            return
        at = self.chance.randrange(len(self.jobs))
        job, worker = self.jobs[at]
        how = self.chance.random()
        if how < 0.1 and job.get("progress"):
            self.rig.proceed(job, worker, done=1, total=2, found=0)
            return
        del self.jobs[at]
        if how < 0.6:
            control = {"ahead": [one["job"] for one in job.get("ahead", [])][: self.chance.randint(0, 2)]}
            if job["op"] != "embed":
                control["best"] = self.chance.choice([None, 0.1, 0.5, 0.7, 1.0])
            if job.get("result"):
                control["result"] = [16, None]
            self.rig.finish(job, worker, control)
        elif how < 0.9:
            self.rig.fail(job, worker, self.chance.choice(CODES))
        else:
            worker.die()
            self.jobs = [one for one in self.jobs if one[1] is not worker]

    def late(self):
        if self.store.waiting:
            self.store.answer()

    def wait(self):
        self.clock.now += self.chance.choice([0.001, 0.3, 2.0, 10.0])
        self.rig.tick(self.clock.now)

    def lose(self):
        """Let go of an image that is kept, or of all connections for a moment."""
        if self.kept and self.chance.random() < 0.5:
            self.rig.ask(requests.Release(image_id=self.kept.pop()))

    def stream(self):
        """Open a stream, or send a frame of one, or close it."""
        name, how = self.chance.choice(["front", "back"]), self.chance.random()
        if how < 0.2:
            model = self.chance.choice(["way", "strict", "one", A])
            self.rig.ask(requests.StreamOpen(stream=name, model=model, prompt=Prompt(points=[(1, 1)])))
        elif how < 0.9:
            self.rig.ask(requests.StreamFrame(stream=name, image=raw()), TINY)
        else:
            self.rig.ask(requests.StreamClose(stream=name))

    # -- looking on ----------------------------------------------------------------------------------------------------

    def handles(self, *states):
        return [one for many in self.rig.engine._handles.values() for one in many if one.state in states]

    def worker(self, handle):
        return next(
            (
                worker
                for worker, spec in zip(self.rig.launcher.started, self.rig.launcher.specs, strict=True)
                if spec.number == handle.spec.number and worker.body is handle._body
            ),
            None,
        )

    def collect(self):
        for worker in self.rig.launcher.started:
            if worker.body.how is None:
                try:
                    self.jobs += [(job, worker) for job in self.rig.jobs(worker)]
                except Exception:  # its line is closed
                    continue

    def look(self):
        """Take in what was sent, and see that it is right."""
        self.rig.read()
        sent, self.rig.sent = self.rig.sent, []
        for route, reply, _ in sent:
            if isinstance(reply, (replies.Progress, replies.Cancelled, replies.Leased, replies.Released)):
                continue
            if reply.id not in self.requests:
                continue
            self.answers[reply.id] += 1
            assert self.answers[reply.id] == 1, reply
            assert route == int(reply.id[1:]) % 3
            request = self.requests[reply.id]
            self.check(request, reply)
            for index, name in self.using.items():
                if name == reply.id:
                    self.using[index] = None
                    state = self.mapped.entry(index).state
                    jobs = [*self.rig.broker._running.values(), *self.rig.broker._looking.values()]
                    jobs += [one for job in jobs for one in job.ahead]
                    late = any(job.answered and job.envelope.id == reply.id for job in jobs)
                    if state in (layout.READING, layout.ANSWERING):
                        assert late, (reply, state)
                        self.using[index] = "a job that nobody waits for"
            if getattr(reply, "image_id", None) and reply.image_id not in self.kept:
                self.kept.append(reply.image_id)
        for index, name in self.using.items():
            if name == "a job that nobody waits for" and self.mapped.entry(index).state not in (
                layout.READING,
                layout.ANSWERING,
            ):
                self.using[index] = None

    def check(self, request, reply):
        tried = [one.model for one in reply.tried] if hasattr(reply, "tried") else []
        assert len(set(tried)) == len(tried), reply
        models = self.models(request)
        assert [one for one in models if one in tried] == tried, (models, reply)
        assert all(one.ms >= 0 and one.message for one in reply.tried) if tried else True
        if isinstance(reply, replies.Error):
            self.last[reply.code] = reply
            if models and reply.code not in {
                "cancelled",
                "invalid_value",
                "unknown_image",
                "image_expired",
                "shutting_down",
            }:
                assert reply.code == "deadline_exceeded" or tried == models or "shutting_down" in reply.code, reply
            return
        if models:
            assert reply.model in models
            assert reply.model not in tried
            before = models[: models.index(reply.model)]
            assert tried[: len(before)] == before, (models, reply)
            best = [note for note in getattr(reply, "notes", []) if note.startswith("No answer was good enough")]
            assert len(best) <= 1
            assert best or tried == before, reply
        else:
            assert not tried
            assert not request.model or reply.model == request.model

    def models(self, request):
        if request.route is not None:
            return request.route.models or WAYS.get(request.model, {}).get("models") or AUTO.models
        if request.model in (A, B, C, D, ""):
            return []
        return self.models(requests.Embed(image=request.image, model=request.model, route=requests.Route()))


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(time, "monotonic", clock)
    return clock


@pytest.mark.parametrize("seed", SEEDS)
def test_whatever_happens_everybody_is_answered_once_and_nothing_is_left(tmp_path, clock, seed, monkeypatch):
    print(f"seed {seed}")
    monkeypatch.setattr(trials, "_MOST_HELD", 300 if seed % 4 == 1 else 1 << 20)
    walk = Walk(tmp_path, seed, clock)
    rig, chance = walk.rig, walk.chance
    acts = [walk.ask] * 5 + [walk.work] * 5 + [walk.ready] * 3 + [walk.late] * 2
    acts += [walk.wait, walk.cancel, walk.lose, walk.stream]
    try:
        for _ in range(STEPS):
            chance.choice(acts)()
            walk.look()
        if seed % 3 == 0:
            rig.broker.begin_stop()
            walk.look()
            for _ in range(chance.randint(0, 5)):
                walk.work()
                walk.look()
            rig.broker.abandon()
            walk.look()
        else:
            for name in ("front", "back"):
                rig.ask(requests.StreamClose(stream=name))
            for _ in range(400):
                walk.late()
                walk.ready()
                walk.work()
                walk.look()
            clock.now += 100.0
            rig.tick(clock.now)
            walk.look()
            clock.now += 100.0
            rig.tick(clock.now)
        while walk.store.waiting:
            walk.store.answer()
        walk.look()
        assert walk.answers == Counter(dict.fromkeys(walk.requests, 1))
        assert rig.waiting() == 0
        assert not rig.broker._looking
        assert not rig.broker._running
        assert rig.broker._trials._held == 0
        while rig.broker._images.evict_oldest():
            pass
        assert rig.arena.used == 0
        assert all(walk.mapped.entry(one).state not in (layout.READING, layout.ANSWERING) for one in range(SLOTS))
        lease = rig.leases._leases[walk.lease]
        assert lease._users == 0
        assert all(breaker._trying is None for breaker in rig.broker._routes._breakers.values())
    finally:
        walk.mapped.close()
        rig.close()
