"""What was recorded and what was not, topic by topic."""

from __future__ import annotations

from dataclasses import dataclass, field

from maskbus_wire.replies import Masks, PublishedFrame


@dataclass
class TopicTally:
    """One topic."""

    messages: int = 0
    """Messages in the file."""
    nbytes: int = 0
    """Bytes of these, as they came."""
    missed: int = 0
    """Messages that came while there was no room for them."""
    gaps: int = 0
    """Frames whose `seq` was skipped, or results that the node counted and that did not come; at least so many."""
    _seq: int | None = None
    _first: int | None = None
    _last: int = 0
    _results: int = 0
    _settled: int = 0

    def came(self, reply: Masks | PublishedFrame | None) -> None:
        """Look at the numbers of a message, recorded or not."""
        if isinstance(reply, PublishedFrame):
            if reply.seq is not None and self._seq is not None and reply.seq > self._seq + 1:
                self.gaps += reply.seq - self._seq - 1
            self._seq = reply.seq
        elif reply is not None and reply.counts is not None and not reply.retained:
            self._result(reply.counts.answered)

    def _result(self, answered: int) -> None:
        """Compare results with the node's own count: the one before may or may not be in it yet."""
        if self._first is None or answered < self._last:  # the stream began anew
            self._first, self._results, self._settled = answered, 0, self.gaps
        self._last = answered
        self._results += 1
        self.gaps = max(self.gaps, self._settled + answered - self._first - self._results)


@dataclass
class Tally:
    """A whole recording."""

    topics: dict[str, TopicTally] = field(default_factory=dict)
    undrawn: int = 0
    """Messages that were recorded without a picture, for want of time."""
    seconds: float = 0.0

    def of(self, topic: str) -> TopicTally:
        """Return the tally of a topic."""
        return self.topics.setdefault(topic, TopicTally())

    @property
    def messages(self) -> int:
        """Messages in the file."""
        return sum(topic.messages for topic in self.topics.values())

    @property
    def missed(self) -> int:
        """Messages that came while there was no room for them."""
        return sum(topic.missed for topic in self.topics.values())

    @property
    def gaps(self) -> int:
        """Messages that never came, as far as numbers tell."""
        return sum(topic.gaps for topic in self.topics.values())
