"""The local engine: worker processes on this machine, one a model and device."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Protocol

from maskbus import directories
from maskbus.config import Config
from maskbus.engine import threads
from maskbus.engine.catalogue import Catalogue
from maskbus.engine.launch import Launcher, WorkerSpec
from maskbus.engine.worker_handle import Patience, WorkerEvents, WorkerHandle
from maskbus.scheduler import Job
from maskbus_wire.replies import WorkerStats


class Engine(Protocol):
    """Where workers live. What is above knows models and jobs, and nothing of processes or machines."""

    def start(self, model: str, now: float) -> None:
        """Bring up the workers of a model, if they are not."""

    def workers(self, model: str) -> list[WorkerHandle]:
        """Return the workers of a model."""

    def cancel(self, job: Job, now: float) -> None:
        """Tell whoever works at `job` that nobody waits for it."""

    def end_tracker(self, model: str, session: str) -> None:
        """Have the workers of a model forget what they follow for a stream that has ended."""

    def tick(self, now: float) -> None:
        """Do what is due: restart, end what hangs."""

    def next_event(self) -> float | None:
        """Return when `tick` is due next, monotonic seconds."""

    def stats(self) -> list[WorkerStats]:
        """Describe the workers that have been started."""

    def stop(self, until: float) -> None:
        """End all workers; those that still live at `until` (monotonic seconds) by force."""


class LocalEngine:
    """Implement `Engine` with processes of this machine."""

    def __init__(
        self, config: Config, catalogue: Catalogue, launcher: Launcher, slots: Path, events: WorkerEvents
    ) -> None:
        hello = {
            "type": "hello",
            "slots": str(slots),
            "weights_dir": str(directories.weights(config.weights_dir)),
            "embedding_bytes": config.embedding_bytes,
            "embedding_ttl_s": config.embedding_ttl_s,
            "heartbeat_s": config.heartbeat_s,
            "tracker_bytes": config.tracker_bytes,
            "max_pixels": config.max_pixels,
        }
        patience = Patience(
            heartbeat=config.heartbeat_timeout_s,
            load=config.load_timeout_s,
            grace=config.hang_grace_s,
            backoff=config.backoff_s,
            backoff_most=config.backoff_most_s,
        )
        self._preloaded = preloaded(config, catalogue)
        numbers = iter(range(1, 1 << 30))
        self._handles: Mapping[str, list[WorkerHandle]] = {
            card.name: [
                WorkerHandle(
                    WorkerSpec(next(numbers), card.name, card.target, device, card.threads, card.options),
                    launcher,
                    hello,
                    patience,
                    events,
                    partial(self._plan_threads, card.name) if _is_cpu(device) else lambda: 0,
                )
                for device in card.devices
            ]
            for card in catalogue.cards.values()
        }

    def start(self, model: str, now: float) -> None:
        """Bring up the workers of a model, if they are not."""
        for handle in self._handles[model]:
            if handle.state == "stopped":
                handle.start(now)

    def start_preloaded(self, now: float) -> None:
        """Bring up the workers that are to be there from the beginning."""
        for model in self._preloaded:
            self.start(model, now)

    def workers(self, model: str) -> list[WorkerHandle]:
        """Return the workers of a model."""
        return self._handles[model]

    def cancel(self, job: Job, now: float) -> None:
        """Tell whoever works at `job` that nobody waits for it."""
        for handle in self._handles[job.model]:
            handle.cancel(job, now)

    def end_tracker(self, model: str, session: str) -> None:
        """Have the workers of a model forget what they follow for a stream that has ended."""
        for handle in self._handles[model]:
            handle.end_tracker(session)

    def tick(self, now: float) -> None:
        """Do what is due: restart, end what hangs."""
        for handle in self._all():
            handle.tick(now)

    def next_event(self) -> float | None:
        """Return when `tick` is due next, monotonic seconds."""
        return min((event for handle in self._all() if (event := handle.next_event()) is not None), default=None)

    def stats(self) -> list[WorkerStats]:
        """Describe the workers that have been started."""
        return [stats for handle in self._all() if (stats := handle.stats()).state != "stopped"]

    def stop(self, until: float) -> None:
        """End all workers; those that still live at `until` (monotonic seconds) by force."""
        for handle in self._all():
            handle.stop()
        for handle in self._all():
            handle.reap(until)

    def _plan_threads(self, model: str) -> int:
        """Return the threads of a CPU worker of `model` that is about to start.

        It shares the cores with those that are there already, those that start with the node, and its own model's.
        """
        together = [
            handle
            for handle in self._all()
            if _is_cpu(handle.spec.device)
            and (handle.state != "stopped" or handle.spec.model in {model, *self._preloaded})
        ]
        return threads.share(len(together))

    def _all(self) -> Iterator[WorkerHandle]:
        for handles in self._handles.values():
            yield from handles


def preloaded(config: Config, catalogue: Catalogue) -> list[str]:
    """Return the models whose workers start with the node."""
    names = [config.default_model] if config.preload is None else config.preload
    return [name for name in names if name in catalogue.cards and catalogue.cards[name].ready]


def _is_cpu(device: str) -> bool:
    return device.partition(":")[0] == "cpu"
