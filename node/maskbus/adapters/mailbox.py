"""The two slots that a parent and its child share: a request in the one, its reply in the other (SPEC.md, section 18).

The child reads and writes them through the file. It maps nothing: a parent that cuts the file short gets an error, and
the child no SIGBUS. What is read is a private copy, so nothing that is checked can change afterwards.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from maskbus.engine.shared_file import FileCut, SharedFile
from maskbus_wire import container, shared_layout
from maskbus_wire.errors import WireError
from maskbus_wire.frames import Buffer
from maskbus_wire.limits import Limits
from maskbus_wire.shared_layout import ENCODINGS, HAS_CHECKSUM, Entry

REQUEST: Final = 0
REPLY: Final = 1
_GENERATIONS: Final = 1 << 64


class ReplyTooLarge(Exception):
    """Say that the reply's slot cannot take a message."""

    def __init__(self, nbytes: int, most: int) -> None:
        super().__init__(f"The reply takes {nbytes} bytes; its slot has {most}.")


class Mailbox:
    """Own the mapping's file, and take turns with the parent."""

    def __init__(self, directory: Path, slot_bytes: int, limits: Limits) -> None:
        """Make the file.

        Args:
            directory: A private directory.
            slot_bytes: Bytes of each of the two slots.
            limits: What a request may hold.

        Raises:
            OSError: if the system has no room for it.
        """
        self.file = SharedFile(directory, 2, shared_layout.round_slot(slot_bytes), with_token=True)
        self._limits = limits
        self._buffer = bytearray()
        self._request = Entry()
        self._generation = 0

    @property
    def token(self) -> bytes:
        """What a ring of the bell must show."""
        return self.file.header.token

    @property
    def generation(self) -> int:
        """Generation of the last reply."""
        return self._generation

    def take(self, rung: int | None = None) -> list[memoryview] | None:
        """Take the request from its slot, which is the child's until `answer`.

        Args:
            rung: The generation that the bell was rung for; None where the bell cannot say.

        Returns:
            Its frames, valid until the next `take`; None where nothing new is there, as the bell was rung once too
            often: then there is nothing to answer.

        Raises:
            WireError: if there is something and it is no message, or not whole. It is to be answered as well.
        """
        try:
            entry = self.file.entry(REQUEST)
        except FileCut:
            self._request = Entry()
            raise self._cut() from None
        if entry.state == shared_layout.FREE or (rung is not None and rung < entry.generation):
            return None
        self._request = entry
        self.file.write_state(REQUEST, shared_layout.READING, shared_layout.NODE)
        return container.split(self._read(entry, rung), self._limits)

    def answer(self, frames: Sequence[Buffer]) -> None:
        """Write the reply, then set the request's slot free, whatever was in it.

        Raises:
            ReplyTooLarge: if it does not fit. Nothing has been written then.
        """
        nbytes = container.size(frames)
        if nbytes > self.file.header.slot_bytes:
            raise ReplyTooLarge(nbytes, self.file.header.slot_bytes)
        # The parent changes nothing but the state of this slot: what else it may have written there does not matter.
        begun = Entry(self._generation + 1, shared_layout.ANSWERING, shared_layout.NODE)
        self.file.write_entry(REPLY, begun)
        with_checksum = bool(self._request.flags & HAS_CHECKSUM)
        position = checksum = 0
        for part in (container.table(frames), *frames):
            view = memoryview(part)
            self.file.write(REPLY, position, view)
            position += view.nbytes
            checksum = zlib.crc32(part, checksum) if with_checksum else 0
        self._generation += 2
        whole = Entry(
            self._generation,
            shared_layout.ANSWERING,
            shared_layout.NODE,
            length=nbytes,
            encoding=ENCODINGS["message"],
            flags=HAS_CHECKSUM if with_checksum else 0,
            checksum=checksum,
        )
        self.file.write_entry(REPLY, whole)
        self.file.write_state(REPLY, shared_layout.ANSWERED, shared_layout.CLIENT)
        # Only now: who finds the request's slot free finds the reply to that request as well.
        even = (self._request.generation + self._request.generation % 2) % _GENERATIONS
        self.file.write_entry(REQUEST, Entry(even))

    def close(self) -> None:
        """Remove the file."""
        self.file.close()

    def _read(self, entry: Entry, rung: int | None) -> memoryview:
        if entry.state != shared_layout.WRITTEN or entry.owner != shared_layout.CLIENT:
            raise WireError("malformed", f"Nothing whole has been written: the slot's state is {entry.state}.")
        if entry.generation % 2 or rung not in (None, entry.generation):
            raise WireError("malformed", f"The slot is at generation {entry.generation}, not {rung}.")
        if entry.encoding != ENCODINGS["message"]:
            raise WireError("malformed", f"What is in the slot has the encoding {entry.encoding} and is no message.")
        if entry.length > self.file.header.slot_bytes:
            raise WireError("malformed", f"{entry.length} bytes are not in the slot.")
        if len(self._buffer) < entry.length:
            self._buffer = bytearray(entry.length)  # the old one may still be on its way through a socket
        data = memoryview(self._buffer)[: entry.length]
        try:
            self.file.read_into(data, REQUEST)
            now = self.file.entry(REQUEST).generation
        except FileCut:
            raise self._cut() from None
        if now != entry.generation:
            raise WireError("malformed", "The slot was written to while it was read.")
        if entry.flags & HAS_CHECKSUM and zlib.crc32(data) != entry.checksum:
            raise WireError("invalid_image", "The message's checksum is another than its slot says.")
        return data

    def _cut(self) -> WireError:
        """Make the file whole again, so that an answer finds its place; return what to answer."""
        os.truncate(self.file.path, self.file.header.file_bytes)
        with self.file.path.open("r+b") as file:
            file.write(self.file.header.pack())
        return WireError("malformed", "The mapping had been cut short.")
