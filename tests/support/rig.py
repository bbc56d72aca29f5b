"""A broker with everything but sockets and processes: frames go in and come out, workers do what they are told."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import msgspec

from maskbus.config import Config
from maskbus.engine.arena import Arena
from maskbus.engine.catalogue import Card, Catalogue
from maskbus.engine.local import LocalEngine
from maskbus.node.broker import Broker
from maskbus.node.leases import Leases
from maskbus.node.publisher import Publisher
from maskbus.results import ResultStore
from maskbus_wire import frames, header, replies
from maskbus_wire.limits import DEFAULT_LIMITS
from maskbus_wire.replies import AnyReply
from support.workers import FakeLauncher, FakeWorker


def card(name: str, **fields: Any) -> Card:
    defaults = {"target": f"module:{name}", "title": name, "licence": "MIT", "weights": "none needed"}
    defaults |= {"ready": True, "missing": "", "multimask": False, "has_logits": False}
    defaults["prompts"] = frozenset({"points", "boxes", "mask", "none"})
    return Card(name=name, **{**defaults, **fields})


class Rig:
    def __init__(self, directory: Path, *cards: Card, store: ResultStore | None = None, **settings: Any) -> None:
        cards = cards or (card("echo"),)
        config = msgspec.convert({"default_model": cards[0].name, **settings}, Config)
        catalogue = Catalogue({card.name: card for card in cards})
        self.sent: list[tuple[Any, AnyReply, list[bytes]]] = []
        self.published: list[tuple[str, dict[str, Any], list[bytes]]] = []
        self.deliverable = True
        self.arena = Arena(directory, config.image_bytes)
        self.publisher = Publisher(config.topic_bytes)
        self.leases = Leases(directory, config.leased_bytes, config.leased_bytes_per_client)
        self.broker = Broker(
            config,
            catalogue,
            self.arena,
            self.leases,
            self.publisher,
            self._send,
            self._publish,
            self._run_aside,
            store,
        )
        self.launcher = FakeLauncher()
        self.engine = LocalEngine(config, catalogue, self.launcher, directory, self)
        self.broker.use(self.engine)

    def close(self) -> None:
        self.engine.stop(0.0)
        self.launcher.close()
        self.leases.close()
        self.arena.close()

    @staticmethod
    def _run_aside(work: Any, then: Any) -> None:
        try:
            outcome = work()
        except Exception as error:
            outcome = error
        then(outcome)

    def _send(self, route: Any, message: Any) -> bool:
        if self.deliverable:
            plain, _ = frames.open_header([bytes(frame) for frame in message])
            self.sent.append((route, frames.decode_reply(plain), [bytes(frame) for frame in message[1:]]))
        return self.deliverable

    def _publish(self, message: Any) -> None:
        topic, head, *attachments = (bytes(frame) for frame in message)
        self.published.append((topic.decode(), header.unpack(head, DEFAULT_LIMITS), attachments))

    def opened(self, handle: Any) -> None: ...

    def closing(self, handle: Any) -> None:
        self.broker.closing(handle)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.broker, name)  # the other events

    # -- what a test does ----------------------------------------------------------------------------------------------

    def ask(self, request: Any, *attachments: Any, route: Any = b"a") -> AnyReply | None:
        """Give the broker a request; return its answer if there is one at once."""
        before = len(self.sent)
        self.broker.receive(route, [bytes(frame) for frame in frames.encode(request, attachments)])
        return self.sent[-1][1] if len(self.sent) > before else None

    def replies(self) -> list[AnyReply]:
        taken, self.sent = self.sent, []
        return [reply for _, reply, _ in taken]

    def read(self) -> None:
        for card in self.engine._handles.values():
            for handle in card:
                handle.read(time.monotonic())

    def ready(self, batch: int = 1) -> None:
        """Have all workers that were started say that they are ready, and how many images they embed at once."""
        for worker in self.launcher.started:
            worker.tell(type="ready", batch=batch)
        self.read()

    def jobs(self, worker: FakeWorker | None = None) -> list[dict[str, Any]]:
        """Return the jobs that a worker, or the last one, has been given since."""
        return [message for message in (worker or self.launcher.worker).told() if message["type"] == "job"]

    def finish(
        self,
        job: dict[str, Any],
        worker: FakeWorker | None = None,
        control: dict[str, Any] | None = None,
        **fields: Any,
    ) -> None:
        """Answer a job as a worker would, without masks."""
        payload, layout = [], []
        for output in job.get("outputs", [{"topic": ""}]):
            if job["op"] == "embed":
                reply = replies.Embedded(model=job["model"], width=1, height=1, id=job["meta"]["id"], **fields)
            else:
                own = job["op"] == "everything" and not output["topic"]
                reply = (replies.FoundMasks if own else replies.Masks)(
                    model=job["model"],
                    width=1,
                    height=1,
                    id=job["meta"]["id"],
                    image_id=(job["image"] or {}).get("key") or None,
                    masks=[],
                    encodings=list(output["encodings"]),
                    **fields,
                )
            payload += frames.encode(reply)
            layout.append([output["topic"], 1])
        message = {"type": "done", "job": job["job"], "outputs": layout, "ahead": [], **(control or {})}
        (worker or self.launcher.worker).tell(*payload, **message)
        self.read()

    def proceed(self, job: dict[str, Any], worker: FakeWorker | None = None, **fields: Any) -> None:
        """Say how far a job is as a worker would."""
        payload = frames.encode(replies.Progress(id=job["meta"]["id"], **fields))
        (worker or self.launcher.worker).tell(*payload, type="progress", job=job["job"])
        self.read()

    def fail(self, job: dict[str, Any], worker: FakeWorker | None = None, code: str = "internal") -> None:
        (worker or self.launcher.worker).tell(type="error", job=job["job"], code=code, message="Sorry.", path="")
        self.read()

    def waiting(self) -> int:
        return sum(map(len, self.broker._queues.values()))
