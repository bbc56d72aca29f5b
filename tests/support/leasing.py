"""A fake node's side of shared memory: it leases files, looks at what is in them, and can be told to lie."""

from __future__ import annotations

import os
import secrets
import zlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from maskbus_wire import prompts, replies, shared_lock
from maskbus_wire import shared_layout as layout


class Leased:
    """One file."""

    def __init__(self, directory: Path, slots: int, slot_bytes: int) -> None:
        self.name = secrets.token_hex(4)
        self.path = directory / self.name
        self.header = layout.Header(secrets.randbits(63), slots, layout.round_slot(slot_bytes))
        self.descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        os.truncate(self.descriptor, self.header.file_bytes)
        os.pwrite(self.descriptor, self.header.pack(), 0)

    def entry(self, index: int) -> layout.Entry:
        return layout.Entry.unpack(os.pread(self.descriptor, layout.ENTRY_BYTES, layout.entry_offset(index)))

    def change(self, index: int, **fields: int) -> None:
        os.pwrite(self.descriptor, replace(self.entry(index), **fields).pack(), layout.entry_offset(index))

    def data(self, index: int) -> bytes:
        return os.pread(self.descriptor, self.entry(index).length, self.header.offset(index))

    def states(self) -> list[int]:
        return [self.entry(index).state for index in range(self.header.slots)]

    def is_held(self) -> bool:
        return shared_lock.is_held(self.descriptor)

    def close(self) -> None:
        os.close(self.descriptor)
        self.path.unlink(missing_ok=True)


class FakeLeases:
    """Answer `lease`, `return`, and segment requests with slots, in the thread of a fake node."""

    def __init__(self, node: Any, directory: Path) -> None:
        self.directory = directory
        self.node = node
        self.leases: dict[str, Leased] = {}
        self.all: list[Leased] = []
        self.images: list[tuple[layout.Entry, bytes]] = []
        """What was found in the slots that requests named."""
        self.refuse = ""
        """The code that `lease` is answered with."""
        self.lie: Callable[[replies.Leased], replies.Leased] = lambda reply: reply
        """What becomes of a reply to `lease`."""
        self.spoil: Callable[[Leased, int, replies.Masks], replies.Masks] = lambda lease, index, reply: reply
        """What becomes of an answer in a slot."""
        self._plain = node.answer
        node.answer = self.answer

    @property
    def last(self) -> Leased:
        return self.all[-1]

    def forget(self) -> None:
        """Lose all leases, as a node that was restarted has; its files are gone."""
        for lease in self.leases.values():
            lease.path.unlink()
        self.leases.clear()

    def close(self) -> None:
        for lease in self.all:
            lease.close()

    def answer(self, asked: Any) -> None:
        plain = asked.plain
        if asked.op == "lease":
            self._lease(asked)
        elif asked.op == "return":
            lease = self.leases.pop(plain["lease"], None)
            if lease is None:
                self._refuse(asked, "unknown_lease", "lease")
            else:
                lease.path.unlink()
                self.node.send(asked, replies.Returned(id=asked.id))
        elif asked.op in ("segment", "everything") and ("slot" in plain["image"] or "result" in plain):
            self._segment(asked)
        else:
            self._plain(asked)

    def _refuse(self, asked: Any, code: str, path: str = "") -> None:
        self.node.send(asked, replies.Error(id=asked.id, code=code, message="No.", path=path))

    def _lease(self, asked: Any) -> None:
        if self.refuse:
            self._refuse(asked, self.refuse)
            return
        lease = Leased(self.directory, asked.plain["slots"], asked.plain["slot_bytes"])
        self.leases[lease.name] = lease
        self.all.append(lease)
        header = lease.header
        reply = replies.Leased(
            id=asked.id,
            lease=lease.name,
            path=str(lease.path),
            bytes=header.file_bytes,
            generation=header.generation,
        )
        self.node.send(asked, self.lie(reply))

    def _segment(self, asked: Any) -> None:
        plain = asked.plain
        slot, result = plain["image"].get("slot"), plain.get("result")
        for name, path in ((slot, "image.slot.lease"), (result, "result.lease")):
            if name is not None and name["lease"] not in self.leases:
                self._refuse(asked, "unknown_lease", path)
                return
        if slot is not None:
            lease = self.leases[slot["lease"]]
            entry = lease.entry(slot["index"])
            if (entry.generation, entry.state) != (slot["generation"], layout.WRITTEN):
                self._refuse(asked, "invalid_value", "image.slot.generation")
                return
            data = lease.data(slot["index"])
            if entry.flags & layout.HAS_CHECKSUM and zlib.crc32(data) != entry.checksum:
                self._refuse(asked, "invalid_image", "image.slot")
                return
            self.images.append((entry, data))
            plain["image"] |= {"width": entry.width, "height": entry.height}
        if result is not None:
            entry = self.leases[result["lease"]].entry(result["index"])
            if (entry.generation, entry.state) != (result["generation"], layout.FREE):
                self._refuse(asked, "invalid_value", "result.generation")
                return
        reply, attachments = self.node.masks(asked)
        if result is not None:
            reply, attachments = self._place(result, reply, attachments, bool(slot) and self.images[-1][0].flags)
        self.node.send(asked, reply, attachments)

    def _place(
        self, result: dict[str, Any], reply: replies.Masks, attachments: list[bytes], flags: int
    ) -> tuple[replies.Masks, list[bytes]]:
        """Put the first attachment into the slot."""
        lease, index = self.leases[result["lease"]], result["index"]
        generation, data = result["generation"] + 2, attachments[0]
        os.pwrite(lease.descriptor, data, lease.header.offset(index))
        lease.change(
            index,
            generation=generation,
            state=layout.ANSWERED,
            owner=layout.CLIENT,
            length=len(data),
            encoding=layout.ENCODINGS["masks"],
            flags=flags,
            checksum=zlib.crc32(data) if flags else 0,
        )
        (mask,) = reply.masks
        masks = [replies.Mask(**{**_fields(mask), "raw": prompts.Blob(shared=(0, len(data)))})]
        slot = prompts.Slot(lease=lease.name, index=index, generation=generation)
        reply = replies.Masks(**{**_fields(reply), "masks": masks, "result": slot})
        return self.spoil(lease, index, reply), attachments[1:]


def _fields(struct: Any) -> dict[str, Any]:
    return {name: getattr(struct, name) for name in struct.__struct_fields__}


def picture(height: int = 300, width: int = 400, seed: int = 1) -> np.ndarray:
    """Return pixels of whose masks one byte a pixel is more than a small message."""
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
