"""One question about one picture, and all that is known of its answer."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from maskbus.cli import text_ranking
from maskbus.cli.failure import CommandFailed
from maskbus.cli.text_ranking import Ranking
from maskbus_client.errors import MaskbusError
from maskbus_client.results import Result
from maskbus_client.sync import Client


@dataclass(frozen=True)
class Answer:
    """What a node has answered."""

    result: Result
    ranking: Ranking | None
    """What a text was compared with; None where there was no text, or the model says nothing of it."""
    endpoint: str
    """The node."""
    round_trip_ms: float
    """How long the answer took, without the ranking."""


def ask(client: Client, image: bytes, asked: Mapping[str, Any]) -> Answer:
    """Ask, and where it is about text, have all ranked that was looked at.

    Args:
        client: Of the node.
        image: The picture's file.
        asked: Arguments of `Client.segment`.

    Raises:
        MaskbusError: as `Client.segment`.
        CommandFailed: for what the client does not send.
    """
    try:
        begin = time.perf_counter()
        result = client.segment(image, **asked)
        round_trip_ms = (time.perf_counter() - begin) * 1e3
        ranking = text_ranking.rank(client, image, result, asked) if asked.get("text") else None
    except MaskbusError:  # some of which are ValueErrors too
        raise
    except ValueError as error:  # what the client checks before anything is sent
        raise CommandFailed(str(error)) from None
    return Answer(result, ranking, client.endpoint, round_trip_ms)
