"""What both clients' streams tell of themselves."""

from __future__ import annotations

from maskbus_client.errors import ClientClosed, MaskbusError
from maskbus_client.stream_sender import FrameSender

FLUSH = 1.0
"""Seconds that frames may be on their way still when a stream is closed."""


class StreamHandle:
    """Know a stream's name, and what has become of its frames on this side."""

    def __init__(self, sender: FrameSender) -> None:
        self._sender = sender
        self._closed = False
        self._client_closed = False

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name!r} of {self.model!r}{' (closed)' if self._closed else ''}>"

    @property
    def name(self) -> str:
        """Name of the stream."""
        return self._sender.name

    @property
    def model(self) -> str:
        """Name of the model."""
        return self._sender.model

    @property
    def topic(self) -> str:
        """Where its results are published."""
        return self._sender.topic

    @property
    def frames_topic(self) -> str:
        """Where its frames are published."""
        return self._sender.frames_topic

    @property
    def limit(self) -> int | None:
        """With "every": how many frames may have been sent since it was opened; otherwise None."""
        return self._sender.limit

    @property
    def sent(self) -> int:
        """How many frames have been sent."""
        return self._sender.sent

    @property
    def dropped(self) -> int:
        """How many frames were dropped here: the connection, or the stream's shared memory, was full."""
        return self._sender.dropped

    @property
    def lost(self) -> int:
        """How many frames were sent to a node that did not know the stream (any more)."""
        return self._sender.lost

    @property
    def reopened(self) -> int:
        """How often the stream has been opened again by itself. Each time its objects were lost."""
        return self._sender.reopened

    @property
    def errors(self) -> int:
        """How many frames the node has answered with an error, as far as that has been looked at."""
        return self._sender.errors

    @property
    def last_error(self) -> MaskbusError | None:
        """The last of these errors."""
        return self._sender.last_error

    def _check_open(self) -> None:
        if self._client_closed:
            raise ClientClosed("The client of this stream is closed.")
        if self._closed:
            raise ValueError("The stream has been closed.")
