"""Questions that a node may have answered before, and a model that counts what it is asked."""

from __future__ import annotations

from typing import Any

import numpy as np

from maskbus.interfaces import Handler, Masks, ModelInfo
from maskbus_wire import replies
from maskbus_wire.prompts import Prompt
from maskbus_wire.requests import Segment, Stats
from support.models import Grey
from support.peer import TINY, Peer, raw


class Counting(Handler):
    """Answer the pixels that are brighter than at the first point, and count the decodes."""

    info = ModelInfo(title="Counting", prompts=frozenset({"none", "points"}), licence="MIT", multimask=True)
    decodes = 0

    def embed(self, images, job):
        return [Grey(image.rgb[:, :, 0].copy()) for image in images]

    def decode(self, embedding, prompt, options, job):
        type(self).decodes += 1
        grey = embedding.pixels
        level = grey[tuple(prompt.points[0].astype(int)[::-1])] if len(prompt.points) else 10
        ones = np.ones(1, np.float32)
        return Masks((grey > level)[None], ones, ones)


def question(**fields: Any) -> Segment:
    return Segment(**{"image": raw(), "model": "counting", "prompt": Prompt(points=[(1.5, 1.5)]), **fields})


def ask(peer: Peer, request: Any, pixels: np.ndarray = TINY) -> tuple[replies.Masks, list[bytes]]:
    """Return the masks that a request is answered, and the attachments."""
    peer.send(request, pixels)
    reply, attachments = peer.receive()
    assert isinstance(reply, replies.Masks), reply
    return reply, attachments


def stats(peer: Peer) -> replies.Statistics:
    reply = peer.ask(Stats())
    assert isinstance(reply, replies.Statistics)
    return reply


def cache(peer: Peer) -> replies.CacheStats:
    told = stats(peer).cache
    assert told is not None
    return told
