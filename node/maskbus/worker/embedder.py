"""From the picture of a job to its embedding: out of the cache, or made, and with it those of jobs that wait.

Where the requester limits the size, it is the embedding of the picture as it is shown, and kept as such.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from maskbus.everything.shortage import is_shortage
from maskbus.interfaces import DeadlinePassed, Embedding, Handler, Image, Job, JobAborted
from maskbus.worker.channel import ChannelClosed
from maskbus.worker.clock import Clock
from maskbus.worker.embedding_cache import EmbeddingCache
from maskbus.worker.pictures import Pictures
from maskbus.worker.shown_size import ShownSize
from maskbus_wire.errors import WireError

log = logging.getLogger(__name__)


@dataclass
class Embedded:
    """The embedding of a job's picture."""

    embedding: Embedding
    cached: bool
    """Whether it was there already."""
    open_image: Callable[[], Image]
    """Returns the picture itself; decodes it at most once."""
    open_shown: Callable[[], Image]
    """Returns the picture as the model is shown it."""
    shown: ShownSize | None
    """In what size it is shown; None: in its own."""
    ahead: list[int]
    """Numbers of the waiting jobs whose embeddings are there now."""


@dataclass
class _Waiting:
    """A picture that is embedded before its job's turn."""

    picture: Mapping[str, Any]
    digest: bytes
    image: Image
    once: bool
    """Whether it is a frame of a stream."""


@dataclass
class _Opened:
    """A job's picture, opened when it is needed."""

    pictures: Pictures
    picture: Mapping[str, Any]
    size: ShownSize | None
    digest: bytes
    """Of the picture as it is shown."""
    clock: Clock

    @cached_property
    def image(self) -> Image:
        image, milliseconds = self.pictures.open(self.picture, b"" if self.size else self.digest)
        self.clock.decode_image_ms += milliseconds
        return image

    @cached_property
    def shown(self) -> Image:
        return self.image if self.size is None else self.size.image(self.image, self.digest)


class Embedder:
    """Embed pictures with one handler and one cache."""

    def __init__(self, handler: Handler, pictures: Pictures, cache: EmbeddingCache) -> None:
        self._handler = handler
        self._pictures = pictures
        self._cache = cache
        self._keeps = handler.info.cache_embeddings
        self._most = handler.batch if self._keeps else 1
        self._nbytes = 0
        """Of the largest embedding so far."""
        self._passing: set[bytes] = set()
        """Digests of what is in the cache for frames of streams alone."""

    def embed(self, message: Mapping[str, Any], job: Job, clock: Clock) -> Embedded:
        """Return the embedding of a job's picture.

        Args:
            message: What the node says of the job: `image`, `max_side`, and the same of jobs that wait under `ahead`.
            job: As for a handler.
            clock: Takes the times.

        Raises:
            WireError: `invalid_image` if the picture is damaged.
            JobAborted: if the job has been cancelled or is too late.
        """
        picture = message["image"]
        # A frame of a stream is never asked for again. Its embedding would only push out those that are; but it may be
        # there, made along with another, and goes then.
        once = message.get("once", False)
        keeps = self._keeps and not (once and self._most == 1)
        self._pictures.check(picture)
        shown = _shown_size(message)
        digest = self._digest(picture, shown) if keeps else b""
        opened = _Opened(self._pictures, picture, shown, digest, clock)
        embedding = self._cache.get(digest) if keeps else None
        if digest in self._passing:
            self._passing.discard(digest)
            if once:
                self._cache.discard(digest)
        cached = embedding is not None
        if job.remaining() <= 0:
            raise DeadlinePassed("The deadline passed before the worker could begin.")
        ahead: list[int] = []
        if embedding is None:
            opened.image  # noqa: B018 — its time is counted apart
            waiting, digests = self._open_waiting(message, digest, clock)
            with clock.stage("embed_ms"):
                embedding, *others = self._make(opened.shown, waiting, job)
            self._nbytes = max(self._nbytes, int(embedding.nbytes))
            for other, made in zip(waiting, others, strict=False):  # none, where the job's own was made alone
                with contextlib.suppress(WireError):
                    self._pictures.confirm(other.picture)
                    self._cache.put(other.digest, made)
                    if other.once:
                        # What went otherwise, or was never asked for, need not be remembered any more.
                        self._passing = {key for key in self._passing if key in self._cache} | {other.digest}
            self._pictures.confirm(picture)  # before anything of it is kept
            if keeps and not once:
                self._cache.put(digest, embedding)
            if keeps:
                job.check()
            ahead = [number for number, key in digests.items() if key in self._cache]
        return Embedded(embedding, cached, lambda: opened.image, lambda: opened.shown, shown, ahead)

    def _digest(self, picture: Mapping[str, Any], shown: ShownSize | None) -> bytes:
        """Return the digest of a picture as it is shown."""
        digest = self._pictures.digest(picture)
        return digest if shown is None else shown.digest(digest)

    def _open_waiting(
        self, message: Mapping[str, Any], digest: bytes, clock: Clock
    ) -> tuple[list[_Waiting], dict[int, bytes]]:
        """Open as many pictures of waiting jobs as can be embedded along with one of `digest`.

        Return them, and the digests of all that have been looked at, by the numbers of their jobs.

        They take half of the cache at most: what is embedded ahead must be there when its turn comes. How much they
        take is known from what has been embedded before.
        """
        room = self._cache.capacity // 2 // self._nbytes if self._nbytes else 0
        waiting: dict[bytes, _Waiting] = {}
        digests: dict[int, bytes] = {}
        for other in message.get("ahead", ()):
            if len(waiting) >= min(self._most - 1, room):
                break
            picture = other["image"]
            try:
                self._pictures.check(picture)
                shown = _shown_size(other)
                key = self._digest(picture, shown)
                if key != digest and key not in waiting and key not in self._cache:
                    image = _Opened(self._pictures, picture, shown, key, clock).shown
                    waiting[key] = _Waiting(picture, key, image, other.get("once", False))
                digests[other["job"]] = key
            except Exception as error:  # it is told what is wrong when its turn comes
                log.debug("A waiting picture is left out: %s", error)
        return list(waiting.values()), digests

    def _make(self, image: Image, waiting: Sequence[_Waiting], job: Job) -> Sequence[Embedding]:
        """Return the embedding of a picture, and those of the others unless they are what it fails for."""
        images = [image, *(other.image for other in waiting)]
        try:
            made = self._handler.embed(images, job)
        except (JobAborted, ChannelClosed):
            raise
        except Exception as error:
            if not waiting:
                raise
            log.warning("Embedding %d pictures at once failed: %s", len(images), error)
            if is_shortage(error):
                self._most = max(1, len(images) // 2)
            images = images[:1]
            made = self._handler.embed(images, job)
        if len(made) != len(images):
            raise ValueError(f"The handler made {len(made)} embeddings of {len(images)} images.")
        return made


def _shown_size(message: Mapping[str, Any]) -> ShownSize | None:
    picture = message["image"]
    return ShownSize.of(picture["height"], picture["width"], message.get("max_side", 0))
