"""A model that goes wrong in the way it is asked to: for tests of what happens then."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from maskbus.handlers.echo import EchoHandler
from maskbus.handlers.echo_tracker import EchoTracker
from maskbus.interfaces import (
    Availability,
    DecodeOptions,
    Embedding,
    Handler,
    Image,
    Job,
    LoadContext,
    Masks,
    ModelInfo,
    ModelUnavailable,
    Prompt,
    Tracked,
    Tracker,
    TrackerOptions,
)

_STEP = 0.02


class FailingHandler(Handler):
    """Fail in `embed` or `decode`, as the model's configuration or the request's `options` say.

    Options of a request, for `decode`:
        raise: A text; raised as a RuntimeError.
        die: True ends the process with SIGKILL.
        exit: True ends the process with exit code 3.
        hang: Seconds to compute without ever looking up.
        work: Seconds to compute, looking up every 20 ms whether the job is still wanted.
        allocate: Bytes to allocate and touch.
        shape: True answers masks of a wrong shape.
        at: For a tracker, to which all these apply: which of its frames is the only one that it fails at, from 0.
    Options in the model's configuration:
        embed: A table of the same, for every embed.
        load: A text; loading fails with it.
        load_die: True ends the process while it loads.
        unavailable: A text; the model says so before it is loaded.

    Without any it answers as echo does.
    """

    info = ModelInfo(
        title="Failing: raises, hangs or dies on demand; for fault tests",
        prompts=frozenset({"points", "boxes", "mask", "none"}),
        licence="Apache-2.0",
        tracks=True,
        offered=False,
        cache_results=False,
    )

    def __init__(self, context: LoadContext) -> None:
        super().__init__(context)
        self._echo = EchoHandler(context)
        if "load" in context.options:
            raise ModelUnavailable(str(context.options["load"]))
        if "load_die" in context.options:
            os.kill(os.getpid(), signal.SIGTERM if os.name == "nt" else signal.SIGKILL)

    @classmethod
    def availability(cls, context: LoadContext) -> Availability:
        """Be missing whatever the configuration says."""
        missing = str(context.options.get("unavailable", ""))
        return Availability(ready=not missing, missing=missing)

    def embed(self, images: Sequence[Image], job: Job) -> Sequence[Embedding]:
        """Fail as the configuration says, or embed as echo does."""
        _fail(self.context.options.get("embed", {}), job)
        return self._echo.embed(images, job)

    def decode(self, embedding: Embedding, prompt: Prompt, options: DecodeOptions, job: Job) -> Masks:
        """Fail as the request says, or decode as echo does."""
        _fail(options.extra, job)
        if options.extra.get("shape"):
            none = np.zeros((1,), np.float32)
            return Masks(np.zeros((1, 1, 1), np.bool_), none, none)
        return self._echo.decode(embedding, prompt, options, job)

    def tracker(self, options: TrackerOptions) -> Tracker:
        """Begin to follow as echo does, and fail as the options say."""
        return _FailingTracker(options)


class _FailingTracker(EchoTracker):
    def __init__(self, options: TrackerOptions) -> None:
        super().__init__(options)
        self._how = options.extra
        self._calls = 0

    def advance(self, image: Image, job: Any) -> Tracked:
        """Fail, or count the frame."""
        call = self._calls
        self._calls += 1
        if self._how.get("at", call) == call:
            _fail(dict(self._how), job)
            if self._how.get("shape"):
                tracked = super().advance(image, job)
                return replace(tracked, masks=np.zeros((len(tracked.object_ids), 1, 1), np.bool_))
        return super().advance(image, job)


def _fail(how: object, job: Job) -> None:
    if not isinstance(how, dict):
        return
    if "raise" in how:
        raise RuntimeError(str(how["raise"]))
    if how.get("die"):
        os.kill(os.getpid(), signal.SIGTERM if os.name == "nt" else signal.SIGKILL)
    if how.get("exit"):
        os._exit(3)
    if "hang" in how:
        time.sleep(float(how["hang"]))
    if "work" in how:
        end = time.monotonic() + float(how["work"])
        while time.monotonic() < end:
            job.check()
            time.sleep(_STEP)
    if "allocate" in how:
        np.ones(int(how["allocate"]), np.uint8)
