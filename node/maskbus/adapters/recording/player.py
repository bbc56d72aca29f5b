"""Publish a recording again, at the pace it was recorded at, or another."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from types import TracebackType

import zmq

from maskbus.adapters.recording.pace import Pace
from maskbus.adapters.recording.recording import Recorded

_WAITING = 64
"""Messages that wait for one subscriber; one that does not keep up loses what comes then, as from a node."""
_SETTLE_MS = 200
"""How long after a subscription another may come that belongs with it."""
_LINGER_MS = 5_000


@dataclass
class Played:
    """What was published."""

    topics: dict[str, int] = field(default_factory=dict)
    """Messages by topic."""

    @property
    def messages(self) -> int:
        """All of them."""
        return sum(self.topics.values())


class Player:
    """Be the topics of a node. A context manager; what subscribers have not read in a while is lost to them."""

    def __init__(self, bind: str, *, wait_for_slow: bool = False) -> None:
        """Listen.

        Args:
            bind: Where, such as tcp://127.0.0.1:*.
            wait_for_slow: Whether a subscriber that does not keep up holds the replay up, instead of losing messages.

        Raises:
            zmq.ZMQError: if that cannot be.
        """
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._socket = self._context.socket(zmq.XPUB)
        try:
            self._socket.setsockopt(zmq.LINGER, _LINGER_MS)
            self._socket.setsockopt(zmq.SNDHWM, _WAITING)
            self._socket.setsockopt(zmq.MAXMSGSIZE, 1 << 16)
            if wait_for_slow:
                self._socket.setsockopt(zmq.XPUB_NODROP, 1)
            self._socket.bind(bind)
        except BaseException:
            self._context.destroy(linger=0)
            raise
        self.endpoint = self._socket.getsockopt_string(zmq.LAST_ENDPOINT)
        """Where it listens."""
        self.played = Played()
        self._subscriptions: set[bytes] = set()

    def __enter__(self) -> Player:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # What is under way still arrives, unless somebody wants this to end.
        self._socket.close(linger=_LINGER_MS if kind is None else 0)
        self._context.term()

    def wait_for_subscriber(self) -> None:
        """Return once somebody has subscribed to something, and to what else they subscribe to at once."""
        self._take_subscriptions(None)
        self._take_subscriptions(_SETTLE_MS)

    def play(self, messages: Iterable[Recorded], rate: float, *, wait: bool = True) -> None:
        """Publish messages.

        Args:
            messages: In the order of their times.
            rate: How many times as fast as they came; 0: as fast as it goes.
            wait: Whether, at rate 0, to wait while nobody subscribes: it would all be over at once.
        """
        pace = Pace(rate)
        for message in messages:
            moment = pace.moment(message.log_time)
            if moment is not None:
                self._sleep_until(moment)
            elif wait and not self._is_subscribed():
                self.wait_for_subscriber()
            self._socket.send_multipart(list(message.frames))
            self.played.topics[message.topic] = self.played.topics.get(message.topic, 0) + 1

    def _sleep_until(self, moment: float) -> None:
        while (left := moment - time.monotonic()) > 0:
            self._take_subscriptions(math.ceil(left * 1000), once=True)

    def _take_subscriptions(self, milliseconds: int | None, *, once: bool = False) -> None:
        """Read messages of subscribers until none has come for so long; None: until the first has."""
        while self._socket.poll(milliseconds):
            self._note(self._socket.recv())
            if once or milliseconds is None:
                return

    def _is_subscribed(self) -> bool:
        self._take_subscriptions(0)
        return bool(self._subscriptions)

    def _note(self, message: bytes) -> None:
        """Take in that somebody subscribes to something, or nobody does any more."""
        if message[:1] == b"\1":
            self._subscriptions.add(message[1:])
        else:
            self._subscriptions.discard(message[1:])
