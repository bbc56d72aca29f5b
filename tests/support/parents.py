"""The plainest parent there is: it writes whatever a test says into the mapping of a `maskbus child`, as a file."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import zmq

from maskbus_wire import container, frames, shared_layout, shared_lock
from maskbus_wire.limits import DEFAULT_LIMITS
from maskbus_wire.replies import AnyReply
from maskbus_wire.requests import AnyRequest
from maskbus_wire.shared_layout import ENCODINGS, HEADER_BYTES, Entry, Header, entry_offset
from support.peer import PATIENCE_MS, NoReply

CHILD = (sys.executable, "-m", "maskbus", "child")


def environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("MASKBUS_")}


def left_in(directory: Path) -> set[str]:
    """Return what is in the directory of shared memory, but for the file that keeps sweeps apart."""
    return {path.name for path in directory.iterdir()} - {"sweep.lock"}


def packed(parts: Sequence[Any]) -> bytes:
    return container.table(parts) + b"".join(bytes(part) for part in parts)


def message(request: AnyRequest, *attachments: Any) -> bytes:
    return packed(frames.encode(request, attachments))


class Mapped:
    """The file of a mapping, read and written as a file."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.descriptor = os.open(path, os.O_RDWR)
        self.header = Header.unpack(os.pread(self.descriptor, HEADER_BYTES, 0), os.fstat(self.descriptor).st_size)
        self.generation = 0

    def entry(self, index: int) -> Entry:
        return Entry.unpack(os.pread(self.descriptor, shared_layout.ENTRY_BYTES, entry_offset(index)))

    def write(self, data: bytes, **fields: int) -> int:
        """Put bytes into slot 0, described truly but for what `fields` say; return the generation."""
        self.generation += 2
        truth = {"generation": self.generation, "state": shared_layout.WRITTEN, "owner": shared_layout.CLIENT}
        truth |= {"length": len(data), "encoding": ENCODINGS["message"]}
        os.pwrite(self.descriptor, data, self.header.offset(0))
        os.pwrite(self.descriptor, Entry(**(truth | fields)).pack(), entry_offset(0))
        return self.generation

    def read(self) -> tuple[Entry, list[bytes]]:
        """Take the reply out of slot 1 and set that free."""
        entry = self.entry(1)
        assert (entry.state, entry.owner) == (shared_layout.ANSWERED, shared_layout.CLIENT), entry
        data = os.pread(self.descriptor, entry.length, self.header.offset(1))
        assert len(data) == entry.length
        if entry.flags & shared_layout.HAS_CHECKSUM:
            assert zlib.crc32(data) == entry.checksum
        os.pwrite(self.descriptor, Entry(generation=entry.generation).pack(), entry_offset(1))
        return entry, [bytes(frame) for frame in container.split(memoryview(data))]

    def close(self) -> None:
        os.close(self.descriptor)


class RawParent(Mapped):
    """A child and all that its parent has of it."""

    def __init__(self, process: subprocess.Popen[bytes], context: zmq.Context) -> None:
        self.process = process
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line, f"the child ended with {process.wait(10)} before it was ready"
        self.ready: dict[str, Any] = json.loads(line)
        super().__init__(self.ready["mapping"])
        shared_lock.hold(self.descriptor)
        self.bell = context.socket(zmq.DEALER)
        self.bell.linger = 0
        self.bell.rcvtimeo = PATIENCE_MS
        self.bell.connect(self.ready["bell"])

    def ring(self, generation: int | None = None, token: bytes | None = None) -> None:
        number = self.generation if generation is None else generation
        self.bell.send((self.header.token if token is None else token) + number.to_bytes(8, "little"))

    def hear(self) -> int:
        try:
            frame = self.bell.recv()
        except zmq.Again:
            raise NoReply(f"no ring within {PATIENCE_MS} ms") from None
        assert frame[:16] == self.header.token
        return int.from_bytes(frame[16:], "little")

    def exchange(self, data: bytes, **fields: int) -> tuple[AnyReply, list[bytes]]:
        """Write bytes as `write` does, ring, and return the reply; the request's slot must be free then."""
        generation = self.write(data, **fields)
        self.ring(fields.get("generation", generation))
        heard = self.hear()
        entry, (head, *attachments) = self.read()
        assert entry.generation == heard
        assert self.entry(0).state == shared_layout.FREE
        assert self.entry(0).generation % 2 == 0
        plain, _ = frames.open_header([head], DEFAULT_LIMITS)
        return frames.decode_reply(plain), attachments

    def ask(self, request: AnyRequest, *attachments: Any) -> AnyReply:
        return self.exchange(message(request, *attachments))[0]

    def wait(self, seconds: float = 20.0) -> int:
        return self.process.wait(seconds)


@contextmanager
def raw_parent(directory: Path, *flags: str, models: Sequence[str] = ("echo",)) -> Iterator[RawParent]:
    """Run `maskbus child` with its shared memory in `directory`."""
    command = [*CHILD, "--image-dir", str(directory), "--mapping", "1MiB", "--log-level", "warning", *flags]
    for model in models:
        command += ["--model", model]
    context: zmq.Context = zmq.Context()
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment())
    try:
        parent = RawParent(process, context)
        try:
            yield parent
        finally:
            parent.close()
    finally:
        context.destroy(linger=0)
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.close()
        try:
            process.wait(20)
        finally:
            process.kill()
            process.wait()
            process.stdout.close()


def gone_within(path: Path, seconds: float) -> bool:
    """Tell whether a file or directory disappears in time; nothing tells when it does, so it is looked for."""
    until = time.monotonic() + seconds
    while path.exists():
        if time.monotonic() > until:
            return False
        time.sleep(0.005)
    return True
