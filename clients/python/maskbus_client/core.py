"""The rules by which one request becomes one answer: tries, probes, back-off, deadlines. No socket, no clock.

A call cannot hang: every wait ends at its deadline at the latest. What happens before that:

- **No answer for a while** (`patience`): the client asks, over the same connection, whether the node is there. If it
  is, and is the same run, the request is being worked on: it is waited for and NOT sent again. If the node does not
  answer either, or is another run than the one that got the request, that goes out again over a fresh connection.
- **The reply was lost though the node is well**: once a third of the deadline has passed, the probe is `stats`. A node
  that twice in a row has nothing queued and nothing running does not have the request either; it is sent again.
- **`progress`** of the request is as good as an answer to a probe: somebody works on it.
- **A code of `RETRYABLE`**: the same request again after a short, jittered pause.
- **Nobody there**: a node this client has never heard of counts as unreachable after `connect_timeout`. One that has
  answered before may be restarting and is given until the deadline, but no longer than `restart_timeout`: a call that
  may take minutes is probed to its end.

All operations may be sent twice without harm, except `cancel`: its second answer would say that nothing was there to
cancel. It is sent once. All tries of a request have one id, so an answer to any of them is the answer.
"""

from __future__ import annotations

import dataclasses
import math
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, TypeVar, cast

from msgspec.structs import replace

from maskbus_client.errors import (
    Cancelled,
    DeadlineExceeded,
    NodeError,
    NodeUnreachable,
    ProtocolError,
    error_of,
)
from maskbus_client.link import Arrival, Garbage, Link, new_id
from maskbus_client.steps import Connect, Flow, Send, Wait
from maskbus_wire import replies, requests
from maskbus_wire.errors import RETRYABLE, WireError
from maskbus_wire.frames import Buffer, decode_reply, encode
from maskbus_wire.limits import DEFAULT_LIMITS

R = TypeVar("R", bound=replies.Reply)


@dataclass(frozen=True)
class Policy:
    """How long to wait for what, in seconds."""

    deadline: float = 30.0
    """For a whole call, where the call names none."""
    everything_deadline: float = 600.0
    """The same, for `everything`."""
    retries: int = 2
    """How often a request may be sent again."""
    connect_timeout: float = 5.0
    """How long a node that was never heard may be silent."""
    patience: float = 1.0
    """Silence after which the node is asked whether it is there; a fifth of the deadline if that is less."""
    probe_timeout: float = 2.0
    """How long it may take to answer that; a fifth of the deadline if that is less."""
    restart_timeout: float = 30.0
    """How long a node that was heard may be silent, asked or not, before it counts as gone."""
    back_off: float = 0.1
    """First pause after a retryable error; doubled each time, and jittered by half."""
    upload_rate: float = 4e6
    """Bytes a second that the slowest link is believed to carry: what is still under way is not lost."""

    def with_deadline(self, seconds: float | None) -> Policy:
        """Return the policy of a client that names a deadline for all its calls, or none. ValueError if it is none."""
        if seconds is None:
            return self
        checked = check_deadline(seconds)
        return dataclasses.replace(self, deadline=checked, everything_deadline=checked)


@dataclass
class Peer:
    """What the calls of one client share."""

    endpoint: str
    policy: Policy
    clock: Callable[[], float] = time.monotonic
    """Seconds; never goes back."""
    heard: bool = False
    """Whether the node has ever answered this client."""
    tells_progress: bool = True
    """Whether replies can come before the answer."""
    cancelled: dict[str, bool] = field(default_factory=dict)
    """Id of each call under way → whether it has been cancelled from here."""


class Incoming(NamedTuple):
    """A reply and the bytes that belong to it."""

    reply: replies.AnyReply
    attachments: Sequence[Buffer]
    shared: memoryview | None = None
    """Where bytes of the reply are that came in shared memory."""


class _Lost(Exception):
    """No answer will come over this connection."""


def check_deadline(seconds: float) -> float:
    """Return a deadline that the wire can carry. ValueError if it is none."""
    most = DEFAULT_LIMITS.deadline_ms / 1000
    if not 0 < seconds <= most:  # also what NaN fails
        raise ValueError(f"A deadline is more than 0 and at most {most:g} seconds, not {seconds!r}.")
    return float(seconds)


def expect(incoming: Incoming, kind: type[R]) -> R:
    """Return the reply if it is of this kind. ProtocolError if not."""
    if type(incoming.reply) is not kind:
        raise ProtocolError(f"The node answered with a {type(incoming.reply).__name__} where {kind.__name__} was due.")
    return incoming.reply


def converse(
    peer: Peer,
    request: requests.AnyRequest,
    attachments: Sequence[Buffer] = (),
    *,
    deadline: float | None = None,
    copy: bool = True,
    once: bool = False,
    progress: Callable[[replies.Progress], None] | None = None,
) -> Flow[Incoming]:
    """Send a request and end in its answer.

    Args:
        peer: What this client's calls share.
        request: With its id.
        attachments: Bytes that go with it.
        deadline: Seconds for all tries together; None: the client's.
        copy: Whether the attachments' memory may change before the call is over.
        once: Whether it is not sent again, come what may.
        progress: What is called with each `progress` of the request. What it raises ends the call, once the request has
            been cancelled.

    Raises:
        NodeError: what the node answered, or DeadlineExceeded.
        NodeUnreachable: if nobody answered at all.
        ProtocolError: if the answer is not one.
    """
    conversation = _Conversation(peer, request, attachments, deadline, copy, once, progress)
    peer.cancelled[request.id] = False
    try:
        return (yield from conversation.run())
    finally:
        peer.cancelled.pop(request.id, None)


class _Conversation:
    def __init__(
        self,
        peer: Peer,
        request: requests.AnyRequest,
        attachments: Sequence[Buffer],
        deadline: float | None,
        copy: bool,
        once: bool,
        progress: Callable[[replies.Progress], None] | None,
    ) -> None:
        policy = peer.policy
        self._peer = peer
        self._clock = peer.clock
        self._request = request
        self._attachments = attachments
        self._copy = copy
        self._progress = progress
        self._total = policy.deadline if deadline is None else deadline
        self._begin = self._clock()
        self._end = self._begin + self._total
        self._tries = 1 if once or isinstance(request, requests.Cancel) else 1 + policy.retries
        size = sum(memoryview(attachment).nbytes for attachment in attachments) if attachments else 0
        upload = min(size / policy.upload_rate, self._total / 4)
        self._patience = min(policy.patience, self._total / 5) + upload
        self._probe_timeout = min(policy.probe_timeout, self._total / 5)
        self._silence = policy.restart_timeout + upload
        self._takes_time = isinstance(request, (requests.Work, requests.StreamUpdate))
        """Whether a model may be at work on it, so that silence alone is no reason to send it again."""
        self._watches = self._takes_time and self._total > self._silence
        """Whether the node is probed even when the request may not be sent again."""
        self._garbage: Garbage | None = None
        self._heard = False
        self._received = 0
        self._last_received = 0
        self._last_heard = self._begin

    def run(self) -> Flow[Incoming]:
        link = yield from self._renew(None)
        while True:
            if not link.greeted:
                yield Send(link.greet(), "")
            works = isinstance(self._request, requests.Work)
            yield Send(self._frames(), self._request.id, copy=self._copy, work=works)
            self._tries -= 1
            try:
                return (yield from self._listen(link))
            except NodeError as error:
                pause = self._pause(error)
                if pause is None:
                    raise
                early = yield from self._rest(pause)
                if early is not None:
                    return early
                if error.code == "shutting_down":
                    link = yield from self._renew(link)
            except _Lost:
                link = yield from self._renew(link)
            if self._peer.cancelled.get(self._request.id):
                raise Cancelled("The request was cancelled between two tries.", request_id=self._request.id)

    def _renew(self, link: Link | None) -> Flow[Link]:
        fresh = cast(Link, (yield Connect(instead_of=link)))
        self._received = self._last_received = fresh.received
        return fresh

    def _frames(self) -> list[Buffer]:
        request = self._request
        if isinstance(request, requests.Work):
            left = max(1, math.ceil((self._end - self._clock()) * 1000))
            request = replace(request, deadline_ms=min(left, DEFAULT_LIMITS.deadline_ms))
        return encode(request, self._attachments)

    def _listen(self, link: Link) -> Flow[Incoming]:
        """Wait for the answer to what was sent over `link`; _Lost if none will come that way."""
        quiet = self._clock() + self._patience
        probe = ""
        idle = 0
        while True:
            self._note(link)
            until = self._end
            if self._tries or self._watches:
                until = min(until, quiet)
            if not self._peer.heard:
                until = min(until, self._begin + self._peer.policy.connect_timeout)
            arrival = yield Wait(until)
            if isinstance(arrival, Arrival):
                self._note(link)
                if self._is_answer(arrival):
                    return self._read(arrival)
                if arrival.id == self._request.id:
                    yield from self._tell(arrival)
                    probe, idle = "", 0
                    quiet = self._clock() + self._patience
                if probe and arrival.id == probe:
                    idle = idle + 1 if _has_nothing(arrival) else 0
                    if self._tries and (arrival.plain.get("node", link.run) != link.run or idle == 2):
                        raise _Lost
                    probe = ""
                    quiet = self._clock() + self._patience
                self._check_time(link, self._clock())  # messages to others must not hold this one up
            elif isinstance(arrival, Garbage):
                self._garbage = arrival
                self._check_time(link, self._clock())
            else:
                now = self._clock()
                self._check_time(link, now)
                if now < quiet or not (self._tries or self._watches):
                    continue
                if probe or not self._takes_time:
                    self._check_garbage()
                    if self._tries:
                        raise _Lost
                probe = new_id()
                late = now - self._begin > self._total / 3
                yield Send(encode(requests.Stats(id=probe) if late else requests.Ping(id=probe)), probe)
                quiet = now + self._probe_timeout

    def _note(self, link: Link) -> None:
        """Notice that the node has been heard since the call began."""
        if link.received != self._received:
            self._heard = self._peer.heard = True
        if link.received != self._last_received:
            self._last_received, self._last_heard = link.received, self._clock()

    def _check_garbage(self) -> None:
        if self._garbage and not self._heard:
            raise ProtocolError(f"What answers at {self._peer.endpoint} is no maskbus node: {self._garbage.reason}")

    def _check_time(self, link: Link, now: float) -> None:
        """Raise what is true once a wait was in vain: too late, nobody there, or somebody who talks nonsense."""
        self._note(link)
        over = now >= self._end
        if not self._heard and (
            over or (not self._peer.heard and now >= self._begin + self._peer.policy.connect_timeout)
        ):
            self._check_garbage()
            raise NodeUnreachable(
                f"Nobody answered at {self._peer.endpoint} within {now - self._begin:.1f} s. Start a node with "
                f"`maskbus serve`, or name the right endpoint (as an argument, or in MASKBUS_ENDPOINT)."
            )
        if self._watches and now >= self._last_heard + self._silence:
            raise NodeUnreachable(
                f"The node at {self._peer.endpoint} has been silent for {now - self._last_heard:.0f} s: it has ended, "
                "or cannot be reached any more. Start it again with `maskbus serve`."
            )
        if over:
            raise DeadlineExceeded(f"The node did not answer within {self._total:g} s.", request_id=self._request.id)

    def _is_answer(self, arrival: Arrival) -> bool:
        kind = arrival.plain.get("reply")
        # A node that could not even read a request's id answers without one.
        return kind != "progress" if arrival.id == self._request.id else not arrival.id and kind == "error"

    def _tell(self, arrival: Arrival) -> Flow[None]:
        """Hand on how far the request is, if anybody wants to know."""
        if self._progress is None:
            return
        try:
            reply = _decode(arrival)
            assert isinstance(reply, replies.Progress)
            self._progress(reply)
        except Exception:
            yield Send(encode(requests.Cancel(id=new_id(), target=self._request.id)), "", farewell=True)
            raise

    def _read(self, arrival: Arrival) -> Incoming:
        reply = _decode(arrival)
        if isinstance(reply, replies.Error):
            raise error_of(reply)
        return Incoming(reply, arrival.attachments)

    def _pause(self, error: NodeError) -> float | None:
        """Return for how long to pause before the next try; None if there is to be none."""
        if error.code not in RETRYABLE or not self._tries:
            return None
        done = self._peer.policy.retries - self._tries
        pause = self._peer.policy.back_off * float(2**done) * random.uniform(0.5, 1.5)
        return pause if self._clock() + pause < self._end else None

    def _rest(self, pause: float) -> Flow[Incoming | None]:
        """Pause; an answer that comes in the meantime (to an earlier try) ends it."""
        until = self._clock() + pause
        while self._clock() < until:
            arrival = yield Wait(until)
            if isinstance(arrival, Arrival) and self._is_answer(arrival) and arrival.plain.get("reply") != "error":
                return self._read(arrival)
        return None


def _decode(arrival: Arrival) -> replies.AnyReply:
    try:
        return decode_reply(arrival.plain)
    except WireError as error:
        raise ProtocolError(f"The node's reply breaks the wire contract: {error.message} ({error.path})") from None


def _has_nothing(arrival: Arrival) -> bool:
    """Say whether this is the `stats` of a node in which no request waits or runs."""
    if arrival.plain.get("reply") != "stats":
        return False
    try:
        statistics = decode_reply(arrival.plain)
    except WireError:
        return False
    return isinstance(statistics, replies.Statistics) and not any(
        model.running or any(model.queued.values()) for model in statistics.models
    )
