"""One simulated camera that sends to a node, and the masks that come back."""

from __future__ import annotations

import math
import threading
import time
from typing import Any

from maskbus.cli.simulate_figures import Ages, Figures, Recent
from maskbus.cli.stream_counts import CountSum
from maskbus.simulator import overlap
from maskbus.simulator.camera import SimulatedCamera
from maskbus.simulator.pace import Pace
from maskbus_client.errors import ClientClosed, DeadlineExceeded, MaskbusError
from maskbus_client.masks import Mask
from maskbus_client.results import Result
from maskbus_client.sync import Client
from maskbus_wire.replies import StreamCounts

_FAILURES = 5
"""So many errors and not one result: nothing will come of the rest either."""
_PATIENCE_S = 2.0
_COMPARED_EVERY_S = 0.2
"""Comparing costs a few milliseconds, and must not take the time that the cameras need."""
_SMALLEST_SHARE = 0.002
"""Of the picture. Of what is hidden but for less, nobody could say where it is."""
_OBJECT = 1


class CameraRun:
    """Send at a steady rate in a thread of its own, until told to end."""

    def __init__(
        self,
        client: Client,
        name: str,
        camera: SimulatedCamera,
        rate: float,
        ending: threading.Event,
        *,
        track: bool,
        lead: float = 0.0,
        stamp_offset: float = 0.0,
        vanish: float | None = None,
        expects_errors: bool = False,
        settings: dict[str, Any],
    ) -> None:
        """Open the stream. Errors as `Client.stream`.

        Args:
            client: Of the node.
            name: The stream's.
            camera: What is sent.
            rate: Frames a second.
            ending: Set when all cameras are to end, also by one that cannot go on.
            track: Whether the first object is followed.
            lead: Seconds until the first frame: cameras do not all take their pictures at once.
            stamp_offset: Seconds that the camera's clock is ahead.
            vanish: Seconds that it is silent for, now and then.
            expects_errors: Whether frames are wrong on purpose.
            settings: Further arguments of `Client.stream`.
        """
        self.name = name
        self._client = client
        self.failure: Exception | None = None
        self.unfinished = ""
        """Why the node could not be asked in the end what became of the frames, one sentence."""
        self._camera = camera
        self._rate = rate
        self._ending = ending
        self._track = track
        self._lead = lead
        self._offset_ns = round(stamp_offset * 1e9)
        self._vanish = vanish
        self._expects_errors = expects_errors
        point = camera.scene.view(0.0).inside(_OBJECT)
        self._point = point or (0.0, 0.0)
        prompt: dict[str, Any] = {"points": self._point}
        self.stream = client.stream(name, **({"objects": {_OBJECT: prompt}} if track else prompt), **settings)
        self._pace: Pace | None = None
        self._due = 0
        self._begun: int | None = None
        """The first frame in which anything moves: that after the first result, as objects are shown by where they are
        at the beginning."""
        self._heard = False
        self._results = 0
        self._counts = CountSum()
        self._ages = Ages()
        self._rates = Recent(), Recent()
        self._compared = 0
        self._overlap = 0.0
        self._compare_at = 0.0
        self._thread = threading.Thread(target=self._run, name=f"maskbus camera {name}", daemon=True)

    @property
    def is_settled(self) -> bool:
        """Tell whether all results that the node has counted are here."""
        return self._results >= self._counts.answered

    def start(self) -> None:
        """Begin to send."""
        self._thread.start()

    def end(self) -> None:
        """Wait until it has ended, which `ending` has told it to; or, if it was never begun, close its stream."""
        if self._thread.ident is None:
            self._close()
        else:
            self._thread.join()

    def take(self, result: Result) -> None:
        """Take one of its results."""
        if result.reply.retained or result.seq is None:
            return  # about a frame of another run
        self._heard = True
        self._results += 1
        self._counts.see(result.counts or StreamCounts())
        if result.stamp is not None:
            self._ages.add((time.time_ns() + self._offset_ns - result.stamp) / 1e6)
        if time.monotonic() >= self._compare_at:
            self._compare_at = time.monotonic() + _COMPARED_EVERY_S
            self._compare(result, result.seq)

    def figures(self) -> Figures:
        """Return how it is doing."""
        stream = self.stream
        mine = {"not sent": stream.dropped, "node restarted": stream.lost}
        sent, results = self._rates
        return Figures(
            name=self.name,
            due=self._due,
            late=self._pace.skipped if self._pace is not None else 0,
            sent=stream.sent,
            results=self._results,
            dropped={**self._counts.dropped, **{cause: count for cause, count in mine.items() if count}},
            errors=stream.errors,
            reopened=stream.reopened,
            age_ms=self._ages.median(),
            compared=self._compared,
            iou=self._overlap / self._compared if self._compared else None,
            rate_sent=sent.rate(stream.sent),
            rate_results=results.rate(self._results),
        )

    def _run(self) -> None:
        try:
            self._pace = Pace(self._rate, lead=self._lead, wait=self._ending.wait)
            for number in self._pace.numbers():
                self._due = number + 1
                if self._vanish and number / self._rate // self._vanish % 2:
                    continue
                self._send(number)
                error = self.stream.last_error
                if self.stream.errors >= _FAILURES and not self._heard and not self._expects_errors and error:
                    raise error
        except ClientClosed:
            return
        except Exception as error:
            self.failure = error
            self._ending.set()
        finally:
            self._close()

    def _send(self, number: int) -> None:
        if self._heard and self._begun is None:
            self._begun = number
        frame = self._camera.frame(number, tick=self._tick(number))
        try:
            self.stream.send(frame, seq=number, stamp=time.time_ns() + self._offset_ns, timeout=_PATIENCE_S)
        except DeadlineExceeded:
            # The node is away, or the model is slow: a camera goes on, and misses frames.
            return

    def _tick(self, number: int) -> int:
        return 0 if self._begun is None else max(0, number - self._begun + 1)

    def _close(self) -> None:
        try:
            # Closing waits for as long as a model may take: not for a node that is gone.
            self._client.ping(deadline=_PATIENCE_S)
            self._counts.finish(self.stream.close())
        except MaskbusError as error:
            self.unfinished = str(error)  # what is known of the stream is what its last result said

    def _compare(self, result: Result, number: int) -> None:
        truth = self._camera.truth(number, tick=self._tick(number))
        if truth.labels.shape != (result.height, result.width):
            return
        wanted = _OBJECT
        if not self._track:
            x, y = math.floor(self._point[0]), math.floor(self._point[1])
            inside = y < result.height and x < result.width
            wanted = int(truth.labels[y, x]) if inside else 0
        mask = truth.mask(wanted)
        if wanted == 0 or mask.sum() < _SMALLEST_SHARE * mask.size:
            return
        found = self._answer(result)
        self._overlap += 0.0 if found is None else overlap.iou(found.to_array(), mask)
        self._compared += 1

    def _answer(self, result: Result) -> Mask | None:
        if self._track:
            return next((mask for mask in result if mask.object_id == _OBJECT), None)
        return max(result, key=lambda mask: mask.predicted_iou, default=None)
