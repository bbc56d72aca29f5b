"""The parent's side of the two slots that it shares with its child (SPEC.md, section 18)."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import Final

import numpy as np

from maskbus_client.errors import ProtocolError, TooLarge
from maskbus_client.link import REPLY_LIMITS
from maskbus_client.shared_mapping import Mapping
from maskbus_wire import container, replies, shared_layout
from maskbus_wire.errors import WireError
from maskbus_wire.frames import Buffer
from maskbus_wire.shared_layout import ALIGNMENT, ENCODINGS, HAS_CHECKSUM, Entry

_REQUEST: Final = 0
_REPLY: Final = 1


class ChildSlots:
    """Write requests into slot 0, and read replies out of slot 1."""

    def __init__(self, path: str, nbytes: int, generation: int, *, checksum: bool = False) -> None:
        """Map the file that the child's ready line names.

        Raises:
            NoSharedMemory, ProtocolError: if it is not there, or not the file that the line speaks of.
        """
        named = replies.Leased(lease="", path=path, bytes=nbytes, generation=generation)
        self._mapping = Mapping(named, 2, (nbytes - ALIGNMENT) // 2)
        self._checksum = checksum
        self._generation = 0

    @property
    def token(self) -> bytes:
        """What every ring of the bell has with it."""
        return self._mapping.header.token

    @property
    def generation(self) -> int:
        """Generation of the last request."""
        return self._generation

    @property
    def state(self) -> int:
        """State of the request's slot."""
        return self._mapping.state(_REQUEST)

    def write(self, frames: Sequence[Buffer]) -> None:
        """Write a request. The slot must be the parent's.

        Raises:
            TooLarge: if it does not fit. Nothing has been written then.
        """
        nbytes = container.size(frames)
        most = self._mapping.header.slot_bytes
        if nbytes > most:
            sentence = f"The request takes {nbytes} bytes; its slot has {most}. Start the child with a larger mapping."
            raise TooLarge(sentence, path="image")
        mapping = self._mapping
        mapping.set_state(_REQUEST, shared_layout.WRITING, shared_layout.CLIENT)
        mapping.set_generation(_REQUEST, self._generation + 1)
        data = mapping.data(_REQUEST, nbytes)
        position = 0
        for part in (container.table(frames), *frames):
            view = np.frombuffer(part, np.uint8)
            data[position : position + len(view)] = view
            position += len(view)
        flags, checksum = (HAS_CHECKSUM, zlib.crc32(data.data)) if self._checksum else (0, 0)
        entry = Entry(length=nbytes, encoding=ENCODINGS["message"], flags=flags, checksum=checksum)
        mapping.describe(_REQUEST, entry)
        self._generation += 2
        mapping.set_generation(_REQUEST, self._generation)
        mapping.set_state(_REQUEST, shared_layout.WRITTEN, shared_layout.CLIENT)

    def read(self, generation: int) -> list[memoryview] | None:
        """Copy a reply out of its slot and set that free.

        Args:
            generation: The one the bell was rung for.

        Returns:
            Its frames; None if the slot has moved on meanwhile, so that this is no reply any more.

        Raises:
            ProtocolError: if it is no message.
        """
        entry = self._mapping.entry(_REPLY)
        if entry.generation != generation or entry.state != shared_layout.ANSWERED:
            return None
        if entry.encoding != ENCODINGS["message"] or entry.length > self._mapping.header.slot_bytes:
            raise ProtocolError(f"The child's reply is none: encoding {entry.encoding}, {entry.length} bytes.")
        data = memoryview(self._mapping.data(_REPLY, entry.length).tobytes())
        self.discard()
        if entry.flags & HAS_CHECKSUM and zlib.crc32(data) != entry.checksum:
            raise ProtocolError("The child's reply has another checksum than its slot says.")
        try:
            return container.split(data, REPLY_LIMITS)
        except WireError as error:
            raise ProtocolError(f"The child's reply is none: {error.message}") from None

    def discard(self) -> None:
        """Set the reply's slot free."""
        self._mapping.set_state(_REPLY, shared_layout.FREE, shared_layout.NOBODY)

    def close(self) -> None:
        """Let go of the mapping's lock; the mapping goes with this object."""
        self._mapping.disown()
