"""The rules by which frames go out over a stream's own connection, and what comes back there. No socket, no thread.

Frames have no answers, so a frame that is sent is gone. What the node has to say comes unasked, and is looked at before
the next frame goes out: credit, errors about earlier frames, and that it knows nothing of the stream (any more). In
that case `stream.open` goes out again over the same connection; frames may follow at once, as messages arrive in their
order.

A producer that waits for credit might wait for ever, should the node have been restarted or the connection have broken
meanwhile. After a second of silence it asks how the stream is doing. The answer comes after all that was sent before,
so that its numbers are exact.
"""

from __future__ import annotations

import itertools
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple, cast

from msgspec.structs import replace

from maskbus_client import image_input
from maskbus_client.arguments import check, check_type
from maskbus_client.core import Peer, check_deadline
from maskbus_client.errors import MaskbusError, ProtocolError, UnknownLease, UnknownStream, error_of
from maskbus_client.image_input import ImageSource, PreparedImage
from maskbus_client.link import Arrival, Garbage, Link, new_id
from maskbus_client.steps import Flow
from maskbus_wire import prompts, replies, requests
from maskbus_wire.errors import WireError
from maskbus_wire.frames import Buffer, decode_reply, encode

if TYPE_CHECKING:
    from maskbus_client.image_input import Color, Sendable
    from maskbus_client.lease import Lease
    from maskbus_client.shared_image import SharedImage
    from maskbus_client.stream_slots import StreamSlots

_SILENCE = 1.0
"""Seconds without a word after which a producer that waits asks how the stream is doing."""
_AGAIN = 2.0
"""Seconds after which it asks again."""
_OPENING = 5.0
"""Seconds after which a `stream.open` without an answer is sent again: the connection broke, or nobody is there."""
_PAUSE = 1.0
"""Seconds after which one that was refused is sent again."""
_UNHEARD = 2.0
"""Seconds after which a frame in a slot is believed to be lost, where the node did not say that it has it. If it was
but late, the node finds that the slot has been written to since, and refuses it."""
_SLOTS = 4
"""One to write to, one on its way, one that waits, one that is looked at."""
_FRAME_ID = "frame-"


class NewFrame(NamedTuple):
    """A frame as the caller gave it."""

    image: PreparedImage
    shared: SharedImage | None
    """The image, if the caller put it into shared memory."""
    request: requests.StreamFrame


class Outgoing(NamedTuple):
    """A frame that is ready to be sent."""

    frames: list[Buffer]
    copy: bool
    number: int
    """0 where no answer is asked for."""
    lease: Lease | None
    settle: Callable[[], None]
    """To be called when the node has it, or it came to nothing."""


class Errand(NamedTuple):
    """Something else that is to be sent first, and what to do once it has been."""

    frames: list[Buffer]
    sent: Callable[[], None]


class _Unheard(NamedTuple):
    number: int
    at: float
    lease: Lease | None
    settle: Callable[[], None]


class FrameSender:
    """Know what may be sent, count what was, and read what comes back. Used by one thread at a time."""

    def __init__(
        self,
        peer: Peer,
        request: requests.StreamOpen,
        opened: replies.StreamOpened,
        *,
        color: Color = "rgb",
        shared_memory: bool = False,
    ) -> None:
        """Begin with a stream that has just been opened.

        Args:
            peer: What the client's calls share.
            request: What it was opened with.
            opened: The answer.
            color: What the channels of arrays mean.
            shared_memory: Whether frames go through slots where the node gives some.
        """
        self.peer = peer
        self.name = request.stream
        self.sent = self.dropped = self.lost = self.errors = self.reopened = 0
        self.last_error: MaskbusError | None = None
        self._color: Color = color
        # Objects are prompted once: whoever gave them may have removed or corrected them since.
        self._standing = replace(request, objects=[])
        self._every = request.policy == "every"
        self._slots: StreamSlots | None = None
        if shared_memory:
            from maskbus_client.stream_slots import StreamSlots

            self._slots = StreamSlots(peer, request.max_waiting + 1 if self._every else _SLOTS)
        self._link = Link()
        self._numbers = itertools.count()
        self._answered = itertools.count(1)
        self._unheard: deque[_Unheard] = deque()
        self._unchecked: MaskbusError | None = None
        self._draining = False
        self._asked = ""
        """Id of the question how the stream is doing; empty where none is under way."""
        self._since_asked = 0
        """Frames that were sent after it."""
        self._opening = ""
        """Id of the `stream.open` that is under way."""
        self._is_open = True
        self._due = 0.0
        """When a stream that is not open is opened again."""
        self._begin(opened)

    @property
    def is_hurried(self) -> bool:
        """Tell whether a frame that cannot be sent at once is dropped."""
        return not self._every

    @property
    def has_credit(self) -> bool:
        """Tell whether a frame may be sent now."""
        if not self._every:
            return True
        return self._is_open and (self.limit is None or self._since < self.limit)

    @property
    def is_settled(self) -> bool:
        """Tell whether the node has all that was sent, and with `every` is done with it; `drain` finds out."""
        if self._slots is not None and self._slots.are_asked_for:
            return False  # what comes too late would be nobody's
        if not self._is_open:
            return True  # nothing is there that would become of anything
        if self._every and self.limit is not None:
            return self.limit >= self._since + self._standing.max_waiting
        return self._draining and not self._asked

    def patience(self, timeout: float | None) -> float:
        """Return for how many seconds a frame may wait for its credit. ValueError if that is no time-out."""
        return self.peer.policy.deadline if timeout is None else check_deadline(timeout)

    def take(self, image: Sendable, stamp: int | None, frame_id: str | None, seq: int | None) -> NewFrame:
        """Return a frame as it is to be sent, with its number and time.

        Raises:
            TypeError, ValueError, OSError: for what cannot be sent.
        """
        check_type("stamp", stamp, int)
        check_type("frame_id", frame_id, str)
        check_type("seq", seq, int)
        sent = image_input.prepare(image, self._color)
        request = requests.StreamFrame(
            stream=self.name,
            image=sent.image,
            stamp=time.time_ns() if stamp is None else stamp,
            frame_id=frame_id,
            seq=seq,
        )
        check(request, len(sent.attachments))
        counted = next(self._numbers)
        if seq is None:
            request = replace(request, seq=counted)
        shared = cast("SharedImage", image) if isinstance(image, ImageSource) else None
        return NewFrame(sent, shared, request)

    def errand(self) -> Errand | None:
        """Return what is to be sent ahead of the next frame, if anything."""
        now = self.peer.clock()
        if not self._is_open and now >= self._due and not self._draining:
            again = replace(self._standing, id=new_id())
            return Errand(encode(again), lambda: self._reopening(again.id))
        waits = self._draining or not self.has_credit
        if self._is_open and waits and now >= self._ask_at:
            question = requests.StreamList(id=new_id())
            return Errand(encode(question), lambda: self._asking(question.id))
        slots = self._slots
        if slots is not None and (request := slots.errand()) is not None:
            return Errand(encode(request), lambda: slots.sent(request))
        return None

    def make(self, frame: NewFrame) -> Outgoing | None:
        """Return a frame in the form in which it goes out; None where it is dropped, as all slots are in use.

        `handed_over` or `take_back` must follow.
        """
        sent, shared, request = frame
        self._give_up(self.peer.clock() - _UNHEARD)
        found: tuple[Lease, prompts.Slot] | None = None
        settle: Callable[[], None] = _nothing
        if shared is not None:
            lease, slot = shared.lend(request.stamp)
            if slot is None or shared.memory.peer is not self.peer:
                shared.done()  # another node's, or one that it does not know any more: sent as bytes
            else:
                found, settle = (lease, slot), shared.done
        elif self._slots is not None and self._slots.takes(sent.image, sent.attachments[0]):
            found = self._slots.place(sent.image, sent.attachments[0], request.stamp)
            if found is not None:
                settle = _giving_back(found[0], found[1].index)
            elif not self._every:
                return None
        if found is None:
            return Outgoing(encode(request, sent.attachments), sent.borrowed, 0, None, _nothing)
        number = next(self._answered)
        request = replace(request, id=f"{_FRAME_ID}{number}", image=prompts.Image(slot=found[1]), ack=True)
        return Outgoing(encode(request), True, number, found[0], settle)

    def handed_over(self, sent: Outgoing) -> None:
        """Count a frame that has been sent."""
        self.sent += 1
        self._since += 1
        self._since_asked += 1
        now = self.peer.clock()
        self._ask_at = now + _SILENCE
        if sent.number:
            self._unheard.append(_Unheard(sent.number, now, sent.lease, sent.settle))

    def take_back(self, unsent: Outgoing) -> None:
        """Let go of a frame that has not been sent after all."""
        unsent.settle()

    def drain(self) -> None:
        """Find out, from now on, what has become of what was sent; `is_settled` tells when that is known."""
        self._draining = True
        self._asked = "-"
        self._ask_at = self.peer.clock()

    def notice(self, frames: Sequence[Buffer]) -> None:
        """Read a message of the node."""
        arrival = self._link.open(frames)
        if isinstance(arrival, Garbage):
            self._fail(ProtocolError(f"The node sent what is no message: {arrival.reason}."))
        if not isinstance(arrival, Arrival):
            return
        try:
            reply = decode_reply(arrival.plain)
        except WireError:
            return  # of a later version; nobody asked for it
        if isinstance(reply, replies.Error):
            self._error(reply)
        elif isinstance(reply, replies.StreamOpened):
            if reply.id == self._opening:
                self.reopened += 1
                self._begin(reply, self._since)
        elif isinstance(reply, replies.StreamFrameTaken):
            self._heard(reply.id)
            self._grant(reply.limit)
        elif isinstance(reply, replies.StreamCredit):
            self._grant(reply.limit)
        elif isinstance(reply, replies.Streams):
            if reply.id == self._asked:
                self._told(reply)
        elif isinstance(reply, replies.Leased) and self._slots is not None:
            self._slots.leased(reply)

    def changed(self, request: requests.StreamUpdate) -> None:
        """Note what the stream is to be like, should it be opened again."""
        wanted = {
            name: getattr(request, name)
            for name in ("prompt", "encodings", "max_fps", "always", "options")
            if getattr(request, name) is not None
        }
        if request.max_age_ms is not None:
            wanted["max_age_ms"] = request.max_age_ms or None
        self._standing = replace(self._standing, **wanted)

    def check(self) -> None:
        """Raise what went wrong with earlier frames, the last of it, once."""
        error, self._unchecked = self._unchecked, None
        if error is not None:
            raise error

    def why(self, seconds: float) -> str:
        """Say why a frame could not be sent."""
        if not self._is_open:
            reason = f": {self.last_error}" if self.last_error is not None else "."
            return f"The stream {self.name!r} could not be opened again within {seconds:g} s{reason}"
        if self.has_credit:
            return f"The connection took no frame of the stream {self.name!r} for {seconds:g} s."
        return f"No frame of the stream {self.name!r} was done with for {seconds:g} s."

    def shut(self) -> Flow[None]:
        """Give the slots back."""
        self._give_up(self.peer.clock())
        if self._slots is not None:
            yield from self._slots.shut()

    def _begin(self, opened: replies.StreamOpened, since: int = 0) -> None:
        """Go by what a `stream.open` was answered with, `since` which so many frames have been sent."""
        self.model, self.topic, self.frames_topic = opened.model, opened.topic, opened.frames_topic
        self.limit = opened.limit
        self._since = since
        self._opening = ""
        self._is_open = True
        self._ask_at = self.peer.clock() + _SILENCE

    def _reopening(self, id: str) -> None:
        self._opening = id
        self._since = 0
        self._due = self.peer.clock() + _OPENING

    def _asking(self, id: str) -> None:
        self._asked = id
        self._since_asked = 0
        self._ask_at = self.peer.clock() + _AGAIN

    def _told(self, reply: replies.Streams) -> None:
        """Go by what the node says of the stream."""
        self._asked = ""
        info = next((info for info in reply.streams if info.stream == self.name), None)
        if info is None:
            self._lose()
        elif self._every and (self._draining or not self.has_credit):
            self._since = info.counts.received + self._since_asked
            self.limit = info.counts.received - info.under_way + self._standing.max_waiting

    def _grant(self, limit: int | None) -> None:
        if limit is not None and self._is_open:
            self.limit = max(limit, self.limit or 0)
            self._ask_at = self.peer.clock() + _SILENCE

    def _lose(self) -> None:
        """Have the stream opened again."""
        if self._is_open:
            self._is_open = False
            self._due = 0.0
            if self._slots is not None:
                self._slots.renew()

    def _error(self, reply: replies.Error) -> None:
        error = error_of(reply)
        if reply.id and not reply.id.startswith(_FRAME_ID):
            if reply.id == self._opening:
                self._opening = ""
                self._due = self.peer.clock() + _PAUSE
                self._fail(error)
            elif self._slots is not None:
                self._slots.refused(reply.id, error)
            return
        self._heard(reply.id, lost_lease=isinstance(error, UnknownLease))
        if isinstance(error, UnknownStream):
            # Those that were sent ahead of a `stream.open` are lost as well, and say nothing new.
            self._lose()
        if isinstance(error, (UnknownStream, UnknownLease)):
            self.lost += 1
        else:
            self._fail(error)

    def _heard(self, id: str, *, lost_lease: bool = False) -> None:
        """Let go of the slots of all frames up to the one that was answered."""
        tail = id.removeprefix(_FRAME_ID)
        if not tail.isdecimal():
            return
        while self._unheard and self._unheard[0].number <= int(tail):
            one = self._unheard.popleft()
            if lost_lease and one.lease is not None:
                one.lease.lost = True
            one.settle()

    def _give_up(self, before: float) -> None:
        while self._unheard and self._unheard[0].at <= before:
            self._unheard.popleft().settle()

    def _fail(self, error: MaskbusError) -> None:
        self.errors += 1
        self.last_error = self._unchecked = error


def _nothing() -> None:
    pass


def _giving_back(lease: Lease, index: int) -> Callable[[], None]:
    return lambda: lease.give_back(index)
