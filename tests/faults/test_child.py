"""A parent and its child, killed in any order at any moment; and parents that write nonsense."""

from __future__ import annotations

import contextlib
import itertools
import os
import random
import struct
import subprocess
import sys
import time
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import psutil
import pytest

from maskbus_wire import requests, shared_layout
from maskbus_wire.replies import Error, Masks
from maskbus_wire.requests import Ping
from support.cpp import binary
from support.parents import CHILD, RawParent, environment, left_in, message, packed, raw_parent
from support.peer import TINY, raw, segment

pytestmark = pytest.mark.skipif(os.name == "nt", reason="signals are those of POSIX")

WIDTH, HEIGHT = 1600, 1200
KILLS = ["child"] * 3 + ["parent"] * 2 + ["both"] * 6
"""Per language; "both" is two kills."""
PYTHON_PARENT = """
import sys
import time
import numpy as np
from maskbus_client import Child, ChildDied

image = np.zeros((1200, 1600, 3), np.uint8)
child = Child("echo", arguments=sys.argv[1:])
for line in sys.stdin:
    x, y = map(int, line.split(","))
    try:
        mask = child.segment(image, points=[(x, y)], encoding="raw").best
    except ChildDied as error:
        print("child_died:", error, flush=True)
        child.restart()
        continue
    array = mask.to_array()
    assert array.sum() == 9 and array[y - 1 : y + 2, x - 1 : x + 2].all(), "torn"
    print("bbox", *mask.bbox, "", "area", mask.area, flush=True)
"""


class Parent:
    """A program that asks its child for one mask a click, and prints one line for each."""

    def __init__(self, language: str, folder: Path, flags: list[str]) -> None:
        folder.mkdir()
        self.mask = folder / "mask.pgm" if language == "c++" else None
        if self.mask:
            photo = folder / "photo.ppm"
            photo.write_bytes(b"P6\n%d %d\n255\n" % (WIDTH, HEIGHT) + bytes(3 * WIDTH * HEIGHT))
            command = [str(binary("parent_child")), "--model", "echo", "--out", str(self.mask)]
            command += ["--command", " ".join([*CHILD, *flags]), str(photo)]
        else:
            command = [sys.executable, "-c", PYTHON_PARENT, *flags]
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=environment(),
            text=True,
        )

    def family(self) -> list[psutil.Process]:
        """The child and its workers."""
        return psutil.Process(self.process.pid).children(recursive=True)

    def click(self, x: int, y: int) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{x},{y}\n")
        self.process.stdin.flush()

    def whole(self, x: int, y: int) -> bool:
        """Read the answer to a click; tell whether it was a mask, which must be the right one, whole."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if line.startswith("child_died:"):
            return False
        assert line.split()[:7] == ["bbox", str(x - 1), str(y - 1), "3", "3", "area", "9"], line
        if self.mask:
            head, pixels = self.mask.read_bytes().split(b"255\n", 1)
            assert head == b"P5\n%d %d\n" % (WIDTH, HEIGHT)
            expected = np.zeros((HEIGHT, WIDTH), np.uint8)
            expected[y - 1 : y + 2, x - 1 : x + 2] = 255
            assert pixels == expected.tobytes()
        return True

    def close(self) -> None:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        with contextlib.suppress(OSError):
            self.process.stdin.close()
        if self.process.wait(20) == 0:
            assert self.process.stdout.read() == ""
        self.process.stdout.close()


@pytest.mark.parametrize("language", ["python", "c++"])
@pytest.mark.timeout(300)
def test_kill_9(language: str, tmp_path: Path) -> None:
    seed = random.randrange(1 << 32)
    print("seed", seed)
    chance = random.Random(seed)
    directory = tmp_path / "memory"
    flags = ["--image-dir", str(directory), "--log-level", "error"]
    rounds = chance.sample(KILLS, len(KILLS))
    parent: Parent | None = None
    folders = (tmp_path / str(number) for number in itertools.count())
    spare = [Parent(language, next(folders), flags) for _ in range(2)]  # they start while others are killed
    delivered = lost = 0
    seen: dict[int, psutil.Process] = {}
    try:
        for victim in rounds:
            if parent is None:
                parent = spare.pop(0)
                spare.append(Parent(language, next(folders), flags))
            spot = chance.randrange(1, WIDTH - 1), chance.randrange(1, HEIGHT - 1)
            parent.click(*spot)
            assert parent.whole(*spot)
            delivered += 1
            family = parent.family()
            seen |= {process.pid: process for process in family}
            child = next(process for process in family if process.ppid() == parent.process.pid)
            parent.click(*spot)
            # Some moment of the writing, the waiting, the work, or the reading; these take about as long together.
            time.sleep(chance.uniform(0.0, 0.01))
            if victim != "parent":
                child.kill()
            if victim != "child":
                parent.process.kill()
                parent.close()
                parent = None
                assert not psutil.wait_procs(family, 10)[1], victim
            elif parent.whole(*spot):
                # It had answered. The next click finds it dead, unless that has been noticed already.
                delivered += 1
                parent.click(*spot)
                delivered += parent.whole(*spot)
            else:
                lost += 1
    finally:
        for left in filter(None, [parent, *spare]):
            left.close()
    assert delivered >= len(rounds)
    assert not psutil.wait_procs(list(seen.values()), 10)[1]
    with raw_parent(directory) as successor:  # what was killed is swept by the next
        assert {Path(successor.ready["mapping"]).parent.name} <= left_in(directory)
        assert len(left_in(directory)) == 2
    assert not left_in(directory)
    print(f"{delivered} masks delivered, {lost} lost with their child")


# -- nonsense ----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def parent(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RawParent]:
    """One child, which must be none the worse for anything."""
    with raw_parent(tmp_path_factory.mktemp("nonsense") / "memory") as made:
        yield made
        assert made.process.poll() is None


def still_fine(parent: RawParent) -> None:
    reply, masks = parent.exchange(message(segment(box=[0, 0, 2, 2], encodings=["raw"]), TINY))
    assert isinstance(reply, Masks), reply
    assert sum(masks[0]) == 4 * 255


def photo() -> bytes:
    import cv2

    done, data = cv2.imencode(".jpg", np.full((64, 64, 3), 90, np.uint8))
    assert done
    return bytes(data)


def described(encoding: str, **fields: int) -> requests.Segment:
    return segment(image=raw(encoding=encoding, **{"width": None, "height": None} | fields))


@pytest.mark.parametrize(
    ("request_", "attachments", "code", "path"),
    [
        (segment(), [b""], "invalid_image", "image"),
        (segment(), [bytes(59)], "invalid_image", "image"),
        (segment(), [bytes(61)], "invalid_image", "image"),
        (segment(), [], "invalid_value", "image.attachment"),
        (segment(image=raw(width=0)), [b""], "invalid_value", "image.width"),
        (segment(image=raw(width=32767, height=1953)), [TINY], "invalid_image", "image"),
        (segment(image=raw(width=2**40)), [TINY], "invalid_value", "image.width"),
        (described("jpeg"), [b""], "invalid_image", "image"),
        (described("jpeg"), [photo()[:200]], "invalid_image", "image"),
        (described("jpeg"), [photo()[:-60]], "invalid_image", "image"),
        (described("png"), [photo()], "invalid_image", "image.encoding"),
        (described("jpeg", width=65, height=64), [photo()], "invalid_image", "image"),
        (described("webp"), [b"RIFF\0\0\0\0WEBPVP8 "], "invalid_image", "image"),
    ],
)
def test_images_that_are_none(
    parent: RawParent, request_: requests.Segment, attachments: list[bytes], code: str, path: str
) -> None:
    reply = parent.ask(request_, *attachments)
    assert isinstance(reply, Error), reply
    assert (reply.code, reply.path) == (code, path), reply
    still_fine(parent)


LIES = [
    (b"", {}),
    (b"\1", {}),
    (bytes(8), {}),
    (struct.pack("<II", 2**32 - 1, 0), {}),
    (struct.pack("<IIQ", 1, 0, 2**64 - 1) + b"x", {}),
    (struct.pack("<IIQQ", 2, 0, 2**64 - 1, 2) + b"x", {}),
    (packed([b""]), {}),
    (packed([b"\xc1"]), {}),
    (packed([b"\x80", b""]), {"length": 2**64 - 1}),
    (packed([b"\x80", b""]), {"length": 24}),
    (packed([b"\x80", b""]), {"encoding": 2}),
    (packed([b"\x80", b""]), {"state": shared_layout.WRITING}),
    (packed([b"\x80", b""]), {"state": shared_layout.ANSWERING, "owner": shared_layout.NODE}),
    (packed([b"\x80", b""]), {"generation": 1}),
]


@pytest.mark.parametrize(("data", "fields"), LIES)
def test_what_is_no_message(parent: RawParent, data: bytes, fields: dict[str, int]) -> None:
    if fields == {"generation": 1}:
        fields = {"generation": parent.generation + 1}
    reply, _ = parent.exchange(data, **fields)
    assert isinstance(reply, Error)
    assert (reply.code, reply.path) == ("malformed", "")
    still_fine(parent)


def test_a_mapping_that_was_cut_short(parent: RawParent) -> None:
    for length in (0, 100, 300, 4096, parent.header.offset(0) + 10):
        parent.write(message(segment(), TINY))
        os.truncate(parent.path, length)
        parent.ring()
        parent.hear()
        _, (head, *_) = parent.read()
        assert b"malformed" in head
        still_fine(parent)


def test_random_bytes_and_random_entries(parent: RawParent) -> None:
    seed = random.randrange(1 << 32)
    print("seed", seed)
    chance = random.Random(seed)
    good = message(segment(box=[0, 0, 2, 2]), TINY)
    for _ in range(150):
        data = bytearray(good)
        for _ in range(chance.randrange(1, 6)):
            data[chance.randrange(len(data))] = chance.randrange(256)
        fields: dict[str, int] = {}
        if chance.random() < 0.3:
            fields["length"] = chance.choice([0, 1, len(data) - 1, len(data) + 1, 1 << 19, 1 << 40])
        if chance.random() < 0.3:
            fields |= {"flags": 1, "checksum": zlib.crc32(good)}
        reply, _ = parent.exchange(bytes(data), **fields)
        assert isinstance(reply, Error | Masks)
    still_fine(parent)


def test_strangers_at_the_bell(parent: RawParent) -> None:
    parent.write(message(Ping(id="1")))
    for token in (bytes(16), b"", bytes(15), parent.header.token[::-1]):
        parent.ring(token=token)
    parent.bell.send_multipart([parent.header.token, bytes(8)])
    parent.bell.send(bytes(100_000))  # which has the connection closed; ZeroMQ makes another
    assert not parent.bell.poll(100)
    assert parent.entry(0).state == shared_layout.WRITTEN
    parent.ring()
    parent.hear()
    still_fine(parent)
