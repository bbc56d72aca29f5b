"""`maskbus stream`: a video, a camera or what others send, frame by frame to a node, and its masks to files."""

from __future__ import annotations

import argparse
import contextlib
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

from maskbus.adapters.sources import find
from maskbus.adapters.sources.source import Captured, Source, SourceFailed
from maskbus.cli import some_node, stream_counts, stream_names, stream_progress, stream_prompt
from maskbus.cli.entry import INTERRUPTED
from maskbus.cli.failure import CommandFailed
from maskbus.cli.stream_run import StreamRun
from maskbus.cli.stream_targets import Targets
from maskbus_client.sync import Client


def run(arguments: argparse.Namespace) -> int:
    """Send all frames, write the files, say what became of them.

    Returns 1 if a frame that should not have been left out was, or the node forgot the stream meanwhile.
    """
    wanted = stream_prompt.prompt(arguments)
    if arguments.name is not None:
        stream_names.check(arguments.name)
    try:
        source = find.find(arguments.source, _tell, swap=not arguments.as_sent)
    except SourceFailed as failure:
        raise CommandFailed(str(failure)) from None
    with source:
        wanted |= stream_prompt.flow(arguments, default="newest" if source.live else "every")
        with (
            Targets.of(arguments, source) as targets,
            some_node.client(arguments.endpoint, arguments.model) as (client, _, _),
        ):
            session = Session(client, arguments, source, targets, {"model": arguments.model, **wanted})
            interrupted = session.run()
        return report(session, source, targets, interrupted=interrupted)


class Session:
    """The streams of one source: one for each camera that it has."""

    def __init__(
        self,
        client: Client,
        arguments: argparse.Namespace,
        source: Source,
        targets: Targets,
        settings: dict[str, Any],
    ) -> None:
        self._client = client
        self._name: str | None = arguments.name
        self._seconds: float | None = arguments.seconds
        self._source = source
        self._targets = targets
        self._settings = settings
        self.keeps_all: bool = settings["policy"] == "every"
        self.runs: dict[str, StreamRun] = {}

    def run(self) -> bool:
        """Send frames until the source ends, the time is over, or Ctrl-C; return whether it was that.

        Raises:
            CommandFailed, MaskbusError, OSError: if there is no going on. What was written by then is whole.
        """
        interrupted = False
        timer = threading.Timer(self._seconds, self._source.close) if self._seconds else None
        try:
            with stream_progress.shown(self._source.name, self._source.count, self._look) as tick:
                if timer is not None:
                    timer.start()
                try:
                    for frame in self._paced():
                        self._of(frame).send(frame)
                        tick()
                except KeyboardInterrupt:
                    # The usual way out for a camera. What is under way is finished; a second Ctrl-C ends that too.
                    interrupted = True
                except SourceFailed as failure:
                    raise CommandFailed(str(failure)) from None
                finally:
                    if timer is not None:
                        timer.cancel()
                for one in self.runs.values():
                    one.finish()
        finally:
            for one in self.runs.values():
                one.close()
        return interrupted

    def _of(self, frame: Captured) -> StreamRun:
        """Return the stream of a frame's camera, opened with its first frame."""
        found = self.runs.get(frame.camera)
        if found is None:
            name = stream_names.name_of(
                self._name, self._source.name, frame.camera, {one.name for one in self.runs.values()}
            )
            try:
                found = StreamRun(
                    self._client,
                    name,
                    self._targets,
                    keeps_all=self.keeps_all,
                    settings={"color": frame.color, **self._settings},
                )
            except ValueError as error:  # what the client checks before anything is sent
                raise CommandFailed(str(error)) from None
            self.runs[frame.camera] = found
            print(f"{name}: frames go to {found.model}", flush=True)
        return found

    def _paced(self) -> Iterator[Captured]:
        """Yield the frames; those of a file at its own speed, where some may be left out."""
        frames = self._source.frames()
        if self.keeps_all or self._source.live or self._source.rate is None:
            yield from frames
            return
        begin = 0.0
        for number, frame in enumerate(frames):
            left = begin + number / self._source.rate - time.monotonic()
            if number and left > 0:
                time.sleep(left)
            yield frame
            if number == 0:
                # The clock begins once the model is there: a short film would be over before.
                self._of(frame).wait_for_first()
                begin = time.monotonic()

    def _look(self) -> tuple[int, str]:
        frames = sum(one.frames for one in self.runs.values())
        results = sum(one.results for one in self.runs.values())
        dropped = self._source.skipped + sum(sum(one.dropped.values()) for one in self.runs.values())
        streams = f"{len(self.runs)} cameras, " if len(self.runs) > 1 else ""
        return frames, f"{streams}{frames} frames, {results} with masks, {dropped} dropped"


def report(session: Session, source: Source, targets: Targets, *, interrupted: bool) -> int:
    """Print what became of the frames, and return the exit code."""
    unfit = interrupted and not source.live
    for one in session.runs.values():
        dropped = one.dropped
        print(stream_counts.line(one.name, one.frames, one.masks, dropped))
        if one.reopened:
            print(f"maskbus: {one.name}: the node had forgotten the stream {one.reopened} times.", file=sys.stderr)
        if one.unpainted and targets.wants_pixels:
            print(f"maskbus: {one.name}: {one.unpainted} results came too late to be painted.", file=sys.stderr)
        unfit |= bool(one.reopened) or (session.keeps_all and bool(dropped))
    if not session.runs:
        print("No frame came.")
        unfit = True
    if source.skipped:
        print(f"{source.skipped} frames were not sent: newer ones were there.")
    if source.unreadable:
        print(f"{source.unreadable} frames could not be read.")
    for path in targets.written:
        print(f"written: {path}")
    if interrupted and not source.live:
        return INTERRUPTED
    return int(unfit or (not source.live and bool(source.unreadable)))


def _tell(sentence: str) -> None:
    with contextlib.suppress(OSError, ValueError):
        print(f"maskbus: {sentence}", file=sys.stderr, flush=True)
