"""A client's side of shared memory, spelled out step by step as section 17 of SPEC.md has it."""

import mmap
import os
import zlib
from dataclasses import replace

from maskbus_wire import prompts, shared_lock
from maskbus_wire import shared_layout as layout


class Mapped:
    """Map a lease's file and hold its lock, until `close`."""

    def __init__(self, path, *, hold=True):
        self._descriptor = os.open(path, os.O_RDWR)
        if hold:
            shared_lock.hold(self._descriptor)
        self.memory = mmap.mmap(self._descriptor, 0)
        self.header = layout.Header.unpack(self.memory[: layout.HEADER_BYTES], len(self.memory))

    def close(self):
        self.memory.close()
        os.close(self._descriptor)

    def entry(self, index):
        start = layout.entry_offset(index)
        return layout.Entry.unpack(self.memory[start : start + layout.ENTRY_BYTES])

    def set_entry(self, index, **fields):
        start = layout.entry_offset(index)
        self.memory[start : start + layout.ENTRY_BYTES] = replace(self.entry(index), **fields).pack()

    def data(self, index, offset=0, length=None):
        start = self.header.offset(index) + offset
        return self.memory[start : start + (self.entry(index).length if length is None else length)]

    def write(self, index, data, encoding, width=0, height=0, *, checksum=False, **fields):
        """Write an image as a client does; return the slot's generation."""
        before = self.entry(index).generation
        self.set_entry(index, state=layout.WRITING, owner=layout.CLIENT, generation=before + 1)
        start = self.header.offset(index)
        self.memory[start : start + len(data)] = bytes(data)
        described = {"length": len(data), "width": width, "height": height, "encoding": layout.ENCODINGS[encoding]}
        described |= {"flags": layout.HAS_CHECKSUM, "checksum": zlib.crc32(data)} if checksum else {"flags": 0}
        self.set_entry(index, state=layout.WRITTEN, generation=before + 2, **(described | fields))
        return before + 2


def slot(lease, index, generation):
    return prompts.Slot(lease=lease, index=index, generation=generation)
