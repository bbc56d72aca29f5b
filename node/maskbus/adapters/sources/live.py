"""Sources that do not wait: a thread takes what comes, and keeps the newest of each camera."""

from __future__ import annotations

import threading
from abc import abstractmethod
from collections.abc import Iterator

from maskbus.adapters.sources.source import Captured, Source, SourceFailed, Tell

MOST_CAMERAS = 32
"""Of one source. More names than that are no cameras."""
_SLICE = 0.1


class LiveSource(Source):
    """Keep one frame a camera: whoever takes them too slowly gets the newest, and the others are counted.

    The thread always reads on, so no device's buffer fills with old frames and no sender waits.
    """

    live = True

    def __init__(self, tell: Tell) -> None:
        super().__init__()
        self._tell = tell
        self._waiting: dict[str, Captured] = {}
        self._known: set[str] = set()
        self._changed = threading.Condition()
        self._ending = threading.Event()
        self._failure: SourceFailed | None = None
        self._thread: threading.Thread | None = None

    @abstractmethod
    def _read(self) -> None:
        """Hand each frame to `_put` until `_ending` is set. Runs in the thread. SourceFailed ends the source."""

    @abstractmethod
    def _release(self) -> None:
        """Give back what the thread has used. It has ended, or was never begun."""

    def frames(self) -> Iterator[Captured]:
        """Yield the newest frame of one camera after the other, until `close`."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name=f"maskbus source {self.name}", daemon=True)
            self._thread.start()
        while True:
            with self._changed:
                while not self._waiting and not self._ending.is_set():
                    self._changed.wait(_SLICE)  # a wait without end would not be interrupted everywhere
                if self._failure is not None:
                    raise self._failure
                if self._ending.is_set():
                    return
                # The one that has waited longest: no camera keeps another from its turn.
                frame = self._waiting.pop(next(iter(self._waiting)))
            yield frame

    def close(self) -> None:
        """End it; an iteration in another thread ends too."""
        self._end(None)
        if self._thread is not None:
            self._thread.join()
        self._release()

    def _put(self, frame: Captured) -> bool:
        """Take a frame; return False for one of a camera too many."""
        with self._changed:
            if frame.camera not in self._known:
                if len(self._known) >= MOST_CAMERAS:
                    return False
                self._known.add(frame.camera)
            self.skipped += frame.camera in self._waiting
            # In the place of the older one, so that its turn stays the same.
            self._waiting[frame.camera] = frame
            self._changed.notify()
        return True

    def _end(self, failure: SourceFailed | None) -> None:
        with self._changed:
            self._failure = self._failure or failure
            self._ending.set()
            self._changed.notify_all()

    def _run(self) -> None:
        failure: SourceFailed | None = None
        try:
            self._read()
        except SourceFailed as error:
            failure = error
        finally:
            self._end(failure)  # whatever has happened: nobody waits for a thread that has ended
