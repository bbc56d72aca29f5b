"""One camera's frames on their way to a node, and its masks on their way back."""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from collections import OrderedDict
from typing import Any

from maskbus.adapters.sources.source import Captured
from maskbus.cli.failure import CommandFailed
from maskbus.cli.stream_counts import CountSum
from maskbus.cli.stream_targets import Targets
from maskbus_client.errors import ClientClosed, DeadlineExceeded, MaskbusError, NodeError
from maskbus_client.results import Result
from maskbus_client.sync import Client
from maskbus_wire.replies import StreamCounts

_MOST_WAITING = 24
"""Frames of a file that have been sent and whose masks have not been written."""
_MOST_BYTES = 512 * 1024 * 1024
"""Of a camera's frames that wait for their masks, to be painted over."""
_CONNECTING_S = 5.0
_LOOK_S = 1.0
_SLICE_S = 0.1
_STRAGGLING_S = 2.0
"""For results that have been published and are not here yet."""
_FAILURES = 5
"""So many errors and not one result: nothing will come of the rest either."""
_MOST_NOTES = 10


class StreamRun:
    """Send frames, and hand their masks to the targets, in a thread of its own."""

    def __init__(
        self, client: Client, name: str, targets: Targets, *, keeps_all: bool, settings: dict[str, Any]
    ) -> None:
        """Open the stream, and wait until its results will be heard.

        Args:
            client: Of the node.
            name: The stream's.
            targets: What is made of the results.
            keeps_all: Whether frames wait rather than being dropped.
            settings: Arguments of `Client.stream`.

        Raises:
            MaskbusError, ValueError: as `Client.stream`.
            CommandFailed: if results cannot be received.
        """
        self.name = name
        self.frames = 0
        self.masks = 0
        self.results = 0
        self._client = client
        self._targets = targets
        self._keeps_all = keeps_all
        # Before the first frame nobody can subscribe to what it will be, so the node shall not wait for that.
        self._stream = client.stream(name, always=True, shared_memory=True, **settings)
        self._waiting: OrderedDict[int, Captured | None] = OrderedDict()
        self._nbytes = 0
        self._lost = 0
        self._unpainted = 0
        self._counts = CountSum()
        self._notes: set[str] = set()
        self._failure: Exception | None = None
        self._changed = threading.Condition()
        self._subscription = self._stream.results(newest=False)
        self._thread = threading.Thread(target=self._collect, name=f"maskbus results {name}", daemon=True)
        try:
            self._wait_until_heard()
        except BaseException:
            self._subscription.close()
            raise
        self._thread.start()

    @property
    def model(self) -> str:
        """Which model the stream has; of a route, the one that was ready."""
        return self._stream.model

    @property
    def dropped(self) -> dict[str, int]:
        """Frames without masks, by cause: those of the node, and those of this side."""
        mine = {"not sent": self._stream.dropped, "node restarted": self._stream.lost, "result lost": self._lost}
        return {**self._counts.dropped, **{cause: count for cause, count in mine.items() if count}}

    @property
    def reopened(self) -> int:
        """How often the node had forgotten the stream."""
        return self._stream.reopened

    @property
    def unpainted(self) -> int:
        """Results whose frame had to be given up before they came."""
        return self._unpainted

    def send(self, frame: Captured) -> None:
        """Send the next frame; where frames wait, wait until there is room.

        Raises:
            MaskbusError: if the node is gone, or none of the first frames is of any use to it.
            CommandFailed, OSError: if the results cannot be written.
        """
        number = self.frames
        if self._keeps_all:
            self._make_room(_MOST_WAITING - 1)
        self._raise_failure()
        self.frames += 1
        with self._changed:
            self._keep(number, frame)
        sent = self._send(number, frame)
        if not sent:
            with self._changed:
                self._forget(number)
        if self._stream.errors >= _FAILURES and not self.results and self._stream.last_error is not None:
            raise self._stream.last_error

    def wait_for_first(self) -> None:
        """Wait until the model has looked at the first frame, or failed at it. Errors as `send`."""
        asked = time.monotonic()
        with self._changed:
            while not self.results and self._failure is None:
                self._changed.wait(_SLICE_S)
                with contextlib.suppress(NodeError):
                    self._stream.check()
                if self._stream.errors:
                    return
                if time.monotonic() - asked > _LOOK_S:
                    asked = time.monotonic()
                    self._stream.info()  # is it there at all?
        self._raise_failure()

    def finish(self) -> None:
        """End the stream once all that was sent is done with, and all results are written. Errors as `send`."""
        if self._keeps_all:
            self._make_room(0)
        try:
            # Closing waits for as long as a model may take: not for a node that is gone.
            self._client.ping(deadline=_CONNECTING_S)
            self._counts.finish(self._stream.close())
            self._wait_for_stragglers()
        finally:
            self.close()
        self._raise_failure()
        # A file's frames either were dropped for a reason that is known, or should have come back.
        self._lost = max(0, self._counts.answered - self.results)

    def close(self) -> None:
        """Give everything back, however far it is."""
        self._subscription.close()
        if self._thread.is_alive():
            self._thread.join()

    def _send(self, number: int, frame: Captured) -> bool:
        while True:
            try:
                return self._stream.send(frame.image, stamp=frame.stamp, seq=number, timeout=10 * _LOOK_S)
            except DeadlineExceeded:
                # A model may take its time. That the node is still there is what counts.
                self._stream.info()
                self._raise_failure()
            except ValueError as error:
                raise CommandFailed(f"{self.name}: frame {number}: {error}") from None

    def _keep(self, number: int, frame: Captured) -> None:
        """Remember a frame for when its masks come. Called with the lock held."""
        wanted = frame if self._targets.wants_pixels else Captured(b"", name=frame.name, camera=frame.camera)
        self._waiting[number] = wanted
        self._nbytes += _nbytes(wanted)
        for old, held in self._waiting.items():
            if self._nbytes <= _MOST_BYTES or old == number:
                break
            self._nbytes -= _nbytes(held)
            self._waiting[old] = None

    def _forget(self, number: int) -> Captured | None:
        held = self._waiting.pop(number, None)
        self._nbytes -= _nbytes(held)
        return held

    def _make_room(self, most: int) -> None:
        """Wait until no more than so many frames are without their masks, of those that will get any."""
        since = time.monotonic()
        while True:
            with self._changed:
                before = len(self._waiting)
                if before <= most or self._failure is not None:
                    return
                self._changed.wait(_SLICE_S)
                if len(self._waiting) < before:
                    since = time.monotonic()
                    continue
            if time.monotonic() - since > _LOOK_S:
                since = time.monotonic()
                if self._stream.info().under_way == 0:
                    self._wait_quietly(before)
                    with self._changed:
                        if len(self._waiting) == before:
                            self._waiting.clear()
                            self._nbytes = 0

    def _wait_quietly(self, before: int) -> None:
        end = time.monotonic() + _STRAGGLING_S
        with self._changed:
            self._changed.wait_for(lambda: len(self._waiting) < before, timeout=end - time.monotonic())

    def _wait_for_stragglers(self) -> None:
        with self._changed:
            self._changed.wait_for(
                lambda: self.results >= self._counts.answered or self._failure is not None, timeout=_STRAGGLING_S
            )

    def _wait_until_heard(self) -> None:
        end = time.monotonic() + _CONNECTING_S
        while not self._stream.watched:
            if time.monotonic() > end:
                raise CommandFailed("The node answers, but what it publishes does not come through: is its port open?")
            time.sleep(_SLICE_S / 10)

    def _collect(self) -> None:
        """Read results until the subscription is closed. Runs in the thread."""
        while True:
            try:
                result = next(self._subscription)
            except (StopIteration, ClientClosed):
                return
            except MaskbusError as error:
                self._note(str(error))
                continue
            # What was published before this began is about frames of another run.
            if result.reply.retained or result.seq is None:
                continue
            try:
                self._take(result, result.seq)
            except Exception as error:
                with self._changed:
                    self._failure = error
                    self._changed.notify_all()
                return

    def _take(self, result: Result, number: int) -> None:
        with self._changed:
            for older in [seq for seq in self._waiting if seq < number]:
                self._forget(older)
            frame = self._forget(number)
        self._targets.write(self.name, number, frame, result)
        for note in result.notes:
            self._note(note)
        with self._changed:
            self.results += 1
            self.masks += sum(1 for mask in result if mask.area)
            self._unpainted += frame is None
            self._counts.see(result.counts or StreamCounts())
            self._changed.notify_all()

    def _note(self, text: str) -> None:
        """Say what the node did otherwise than asked, once."""
        if text not in self._notes and len(self._notes) < _MOST_NOTES:
            self._notes.add(text)
            print(f"maskbus: {self.name}: {text}", file=sys.stderr)

    def _raise_failure(self) -> None:
        if self._failure is not None:
            raise self._failure


def _nbytes(frame: Captured | None) -> int:
    if frame is None:
        return 0
    return len(frame.image) if isinstance(frame.image, bytes) else frame.image.nbytes
