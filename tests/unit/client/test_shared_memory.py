"""Shared memory that a caller asks for, against a fake node: what lies where, and what becomes of slots."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from maskbus_client import (
    Client,
    InvalidImage,
    NodeError,
    NoFreeSlot,
    NoSharedMemory,
    ProtocolError,
    SharedMemory,
)
from maskbus_wire import prompts, replies
from maskbus_wire import shared_layout as layout
from support.leasing import FakeLeases, Leased, picture
from support.waiting import until

SLOT = 300 * 400 * 3


@pytest.fixture
def leases(node: Any, tmp_path: Path) -> Iterator[FakeLeases]:
    made = FakeLeases(node, tmp_path)
    yield made
    made.close()


@pytest.fixture
def client(node: Any, leases: FakeLeases) -> Iterator[Client]:
    with Client(node.endpoint, deadline=10) as made:
        yield made


@pytest.fixture
def memory(client: Client) -> Iterator[SharedMemory]:
    with client.shared_memory(slots=3, slot_bytes=SLOT) as made:
        yield made


def half(height: int = 300, width: int = 400) -> np.ndarray:
    return np.arange(width) < np.full((height, width), width // 2)


def test_an_image_is_written_where_the_node_sees_it(
    client: Client, memory: SharedMemory, leases: FakeLeases, node: Any
) -> None:
    image = memory.image(height=300, width=400, encoding="bgr8")
    assert leases.last.entry(0) == layout.Entry(generation=1, state=layout.WRITING, owner=layout.CLIENT)
    image.array[...] = picture()
    result = client.segment(image, points=(5, 6), stamp=1234)
    assert np.array_equal(result.best.to_array(), half())
    ((entry, data),) = leases.images
    assert data == picture().tobytes()
    assert entry == layout.Entry(2, layout.WRITTEN, layout.CLIENT, SLOT, 400, 300, 0, 3, 0, 0, 1234)
    (asked,) = node.asked("segment")
    assert asked.attachments == []
    assert asked.plain["image"]["slot"] == {"lease": leases.last.name, "index": 0, "generation": 2}
    assert result.overlay().shape == (300, 400, 3)


@pytest.mark.parametrize(
    ("encoding", "shape", "number"),
    [("mono8", (5, 7), 1), ("rgb8", (5, 7, 3), 2), ("rgba8", (5, 7, 4), 4), ("bgra8", (5, 7, 4), 5)],
)
def test_every_raw_encoding(
    client: Client, memory: SharedMemory, leases: FakeLeases, encoding: str, shape: tuple[int, ...], number: int
) -> None:
    with memory.image(height=5, width=7, encoding=encoding) as image:
        assert image.array.shape == shape
        image.array[...] = np.arange(image.array.size, dtype=np.uint8).reshape(shape)
        result = client.segment(image)
        assert result.overlay().shape == (5, 7, 3)
    entry, data = leases.images[-1]
    assert (entry.encoding, entry.width, entry.height) == (number, 7, 5)
    assert data == bytes(range(len(data)))


def test_one_image_for_several_prompts(client: Client, memory: SharedMemory, leases: FakeLeases) -> None:
    with memory.copy(picture()) as image:
        for x in range(4):
            client.segment(image, points=(x, 1))
        assert memory.free == 2
    assert memory.free == 3
    assert [entry.generation for entry, _ in leases.images] == [2] * 4


def test_an_image_that_was_sent_is_read_only_until_it_is_edited(client: Client, memory: SharedMemory) -> None:
    image = memory.copy(picture())
    array = image.array
    array[0, 0] = 1
    client.segment(image)
    with pytest.raises(ValueError, match="read-only"):
        array[0, 0] = 2
    assert "read-only" in repr(image)
    assert image.edit() is array
    assert "writable" in repr(image)
    array[0, 0] = 3
    client.segment(image)
    assert image.array is array


def test_an_edited_image_has_another_generation(client: Client, memory: SharedMemory, leases: FakeLeases) -> None:
    image = memory.copy(picture())
    client.segment(image)
    image.edit()[...] = 9
    assert leases.last.entry(0).generation == 3
    assert leases.last.entry(0).state == layout.WRITING
    client.segment(image)
    (_, first), (entry, second) = leases.images
    assert (first, second) == (picture().tobytes(), bytes([9]) * SLOT)
    assert entry.generation == 4


def test_no_edit_while_the_node_reads(client: Client, memory: SharedMemory, leases: FakeLeases) -> None:
    image = memory.copy(picture())
    client.segment(image)
    leases.last.change(0, state=layout.READING, owner=layout.NODE)
    with pytest.raises(NoFreeSlot, match="still being read"):
        image.edit()
    threading.Timer(0.05, lambda: leases.last.change(0, state=layout.WRITTEN, owner=layout.CLIENT)).start()
    assert image.edit(timeout=10).flags.writeable


def test_no_edit_while_a_request_is_under_way(
    client: Client, memory: SharedMemory, node: Any, acts: Any, leases: FakeLeases
) -> None:
    image = memory.copy(picture())
    node.scripts.append(acts.silent)
    with ThreadPoolExecutor() as pool:
        call = pool.submit(lambda: client.segment(image, deadline=10))
        asked = node.work.get(timeout=10)
        with pytest.raises(NoFreeSlot):
            image.edit()
        image.release()
        assert memory.free == 2, "a slot was given back that a request still names"
        node.do(lambda: leases.answer(asked))
        call.result()
    assert memory.free == 3


def test_the_first_free_slot_is_taken_which_is_warm(client: Client, memory: SharedMemory, leases: FakeLeases) -> None:
    for _ in range(2):
        with memory.copy(picture()) as image:
            client.segment(image)
    with memory.copy(picture()), memory.copy(picture()) as second:
        client.segment(second)
    places = [asked["image"]["slot"]["index"] for asked in (a.plain for a in leases.node.asked("segment"))]
    assert places == [0, 0, 1]


def test_masks_are_sent_where_the_caller_wants_no_slot_for_them(client: Client, leases: FakeLeases) -> None:
    for masks in (True, False):
        with (
            client.shared_memory(slots=2, slot_bytes=640 * 480, masks=masks) as memory,
            memory.image(height=480, width=640, encoding="mono8") as image,
        ):
            client.segment(image, encoding="raw")
    assert ["result" in asked.plain for asked in leases.node.asked("segment")] == [True, False]


@pytest.mark.parametrize("state", [layout.READING, layout.ANSWERING])
def test_a_slot_that_the_node_has_is_never_taken(memory: SharedMemory, leases: FakeLeases, state: int) -> None:
    leases.last.change(1, state=state, owner=layout.NODE)
    images = [memory.image(height=1, width=1) for _ in range(2)]
    assert leases.last.states() == [layout.WRITING, state, layout.WRITING]
    with pytest.raises(NoFreeSlot, match="All 3 slots"):
        memory.image(height=1, width=1)
    threading.Timer(0.05, lambda: leases.last.change(1, state=layout.FREE, owner=layout.NOBODY)).start()
    images.append(memory.image(height=1, width=1, timeout=10))
    assert memory.free == 0


def test_waiting_for_a_slot_ends(memory: SharedMemory) -> None:
    images = [memory.image(height=1, width=1) for _ in range(3)]
    begin = time.monotonic()
    with pytest.raises(NoFreeSlot):
        memory.image(height=1, width=1, timeout=0.1)
    assert 0.1 <= time.monotonic() - begin < 5
    threading.Timer(0.05, images[1].release).start()
    with memory.image(height=1, width=1, timeout=10):
        assert memory.free == 0


def test_a_slot_comes_back_when_neither_image_nor_array_is_there(memory: SharedMemory, leases: FakeLeases) -> None:
    image = memory.image(height=4, width=5)
    row = image.array[1]
    del image
    assert memory.free == 2, "an array lies in a slot that somebody else may take"
    row[...] = 7
    corner = np.asarray(memoryview(row)[:1])
    del row
    assert memory.free == 2
    del corner
    assert memory.free == 3
    assert leases.last.entry(0) == layout.Entry(generation=2, state=layout.FREE, owner=layout.CLIENT)


def test_a_released_image_is_of_no_use(client: Client, memory: SharedMemory) -> None:
    image = memory.copy(picture())
    array = image.array
    image.release()
    image.release()
    for use in (lambda: image.array, image.edit, image.prepare, lambda: client.segment(image)):
        with pytest.raises(ValueError, match="released"):
            use()
    with pytest.raises(ValueError, match="read-only"):
        array[...] = 0
    assert "released" in repr(image)
    assert image.show() is None


def test_what_cannot_be_an_image(memory: SharedMemory) -> None:
    for fields, match in (
        ({"height": 301, "width": 400}, "takes 361200 bytes; a slot has 360448"),
        ({"height": 0, "width": 1}, "no pixels"),
        ({"height": 1, "width": 1, "encoding": "jpeg"}, "one of rgb8"),
    ):
        with pytest.raises(ValueError, match=match):
            memory.image(**fields)
    with pytest.raises(TypeError):
        memory.copy(np.zeros((4, 4), np.float64))
    assert memory.free == 3


@pytest.mark.parametrize(
    ("make", "encoding"),
    [
        (lambda pixels: pixels[:, ::-1], "rgb8"),
        (lambda pixels: pixels[::2, ::3], "rgb8"),
        (lambda pixels: pixels[:, :, 0], "mono8"),
        (lambda pixels: pixels[:, :, 0] > 99, "mono8"),
        (lambda pixels: np.dstack([pixels, pixels[:, :, 0]])[:30], "rgba8"),
        (lambda pixels: np.pad(pixels, ((0, 0), (0, 9), (0, 0)))[:, :400], "rgb8"),
    ],
)
def test_arrays_of_all_kinds_are_copied(
    client: Client, memory: SharedMemory, leases: FakeLeases, make: Callable[[np.ndarray], np.ndarray], encoding: str
) -> None:
    array = make(picture())
    with memory.copy(array) as image:
        client.segment(image)
    entry, data = leases.images[-1]
    wanted = array.astype(np.uint8) * (255 if array.dtype == np.bool_ else 1)
    assert data == np.ascontiguousarray(wanted).tobytes()
    assert layout.ENCODING_NAMES[entry.encoding] == encoding


# -- answers in slots --------------------------------------------------------------------------------------------------


def test_a_large_answer_lies_in_a_slot_until_nobody_looks(
    client: Client, memory: SharedMemory, leases: FakeLeases, node: Any
) -> None:
    image = memory.copy(picture(350, 340))
    result = client.segment(image, encoding="raw")
    assert node.asked("segment")[0].plain["result"] == {"lease": leases.last.name, "index": 1, "generation": 0}
    data = result.best.bytes("raw")
    assert isinstance(data, memoryview)
    assert data.readonly
    assert bytes(data) == leases.last.data(1) == (half(350, 340) * np.uint8(255)).tobytes()
    assert np.array_equal(result.best.to_array(), half(350, 340))
    assert memory.free == 1
    mask = result.best
    del result, data
    assert memory.free == 1
    view = np.frombuffer(mask.bytes("raw"), np.uint8)[100:200].reshape(10, 10)
    del mask
    assert memory.free == 1
    assert leases.last.states()[1] == layout.ANSWERED
    del view
    assert memory.free == 2
    assert leases.last.entry(1).state == layout.FREE
    assert leases.last.entry(1).owner == layout.CLIENT


def test_small_answers_and_those_without_bytes_take_no_slot(client: Client, memory: SharedMemory, node: Any) -> None:
    image = memory.copy(picture(100, 100))
    for encoding in ("raw", "rle", "polygon", "bits", ()):
        client.segment(image, encoding=encoding)
    assert [asked.plain.get("result") for asked in node.asked("segment")] == [None] * 5
    large = memory.copy(picture())
    client.segment(large, encoding="raw", inline=True)
    assert node.asked("segment")[-1].plain.get("result") is None


def test_no_slot_left_for_an_answer(client: Client, memory: SharedMemory, node: Any) -> None:
    images = [memory.copy(picture()) for _ in range(3)]
    result = client.segment(images[0], encoding="raw")
    assert np.array_equal(result.best.to_array(), half())
    assert "result" not in node.asked("segment")[0].plain


def test_an_answer_that_does_not_use_its_slot(client: Client, memory: SharedMemory, leases: FakeLeases) -> None:
    image = memory.copy(picture())
    leases._place = lambda result, reply, attachments, flags: (reply, attachments)  # type: ignore[method-assign]
    assert np.array_equal(client.segment(image, encoding="raw").best.to_array(), half())
    assert memory.free == 2


@pytest.fixture
def client_of_one_try(node: Any, leases: FakeLeases) -> Iterator[Client]:
    with Client(node.endpoint, retries=0) as made:
        yield made


def test_a_slot_that_may_still_be_answered_in_is_not_written_to(
    client_of_one_try: Client, leases: FakeLeases, node: Any, acts: Any
) -> None:
    """A request that timed out has offered a slot; the node may find it in a minute, and write."""
    client = client_of_one_try
    memory = client.shared_memory(slots=3, slot_bytes=SLOT)
    image = memory.copy(picture())
    node.scripts.append(acts.silent)
    with pytest.raises(TimeoutError):
        client.segment(image, encoding="raw", deadline=0.2)
    late = node.work.get(timeout=10)
    assert late.plain["result"] == {"lease": leases.last.name, "index": 1, "generation": 0}
    others = [memory.image(height=1, width=1)]
    with pytest.raises(NoFreeSlot):
        memory.image(height=1, width=1)
    assert leases.last.entry(1) == layout.Entry(owner=layout.NOBODY)
    others.pop().release()
    done = threading.Event()
    node.do(lambda: (leases.answer(late), done.set()))
    assert done.wait(10)
    assert leases.last.entry(1).state == layout.ANSWERED, "the late request had the slot for itself"
    others = [memory.image(height=1, width=1), memory.image(height=1, width=1)]
    assert leases.last.states() == [layout.WRITTEN, layout.WRITING, layout.WRITING]


def test_a_slot_that_may_still_be_answered_in_is_offered_again(
    client_of_one_try: Client, leases: FakeLeases, node: Any, acts: Any
) -> None:
    client = client_of_one_try
    memory = client.shared_memory(slots=3, slot_bytes=SLOT)
    image = memory.copy(picture())
    node.scripts.append(acts.silent)
    with pytest.raises(TimeoutError):
        client.segment(image, encoding="raw", deadline=0.2)
    late = node.work.get(timeout=10)
    client.segment(image, encoding="raw")
    done = threading.Event()
    node.do(lambda: (leases.answer(late), done.set()))  # refused: the slot is another's by now
    assert done.wait(10)
    assert [asked.plain["result"]["index"] for asked in node.asked("segment")] == [1, 1]
    assert np.array_equal(client.segment(image, encoding="raw").best.to_array(), half())
    assert memory.free == 2


def test_a_slot_that_another_try_has_is_done_without(
    client: Client, memory: SharedMemory, leases: FakeLeases, node: Any
) -> None:
    image = memory.copy(picture())

    def refuse(node: Any, asked: Any) -> None:
        error = replies.Error(id=asked.id, code="invalid_value", message="No.", path="result.generation")
        node.send(asked, error)

    node.scripts.append(refuse)
    assert np.array_equal(client.segment(image, encoding="raw").best.to_array(), half())
    first, second = node.asked("segment")
    assert "result" in first.plain
    assert "result" not in second.plain
    assert second.plain["image"].get("slot") is not None
    assert memory.free == 2


def test_other_invalid_values_reach_the_caller(client: Client, memory: SharedMemory, node: Any, acts: Any) -> None:
    image = memory.copy(picture())
    node.scripts.append(acts.error("invalid_value", path="prompt.points"))
    with pytest.raises(NodeError) as caught:
        client.segment(image, encoding="raw")
    assert caught.value.path == "prompt.points"
    assert memory.free == 2


def _other_generation(lease: Leased, index: int, reply: replies.Masks) -> replies.Masks:
    lease.change(index, generation=40)
    return reply


def _not_answered(lease: Leased, index: int, reply: replies.Masks) -> replies.Masks:
    lease.change(index, state=layout.ANSWERING)
    return reply


def _too_long(lease: Leased, index: int, reply: replies.Masks) -> replies.Masks:
    lease.change(index, length=lease.header.slot_bytes + 1)
    return reply


def _other_bytes(lease: Leased, index: int, reply: replies.Masks) -> replies.Masks:
    os.pwrite(lease.descriptor, b"\x01", lease.header.offset(index) + 5)
    return reply


def _changed(**fields: Any) -> Callable[[Leased, int, replies.Masks], replies.Masks]:
    def spoil(lease: Leased, index: int, reply: replies.Masks) -> replies.Masks:
        values = {name: getattr(reply.result, name) for name in ("lease", "index", "generation")}
        result = prompts.Slot(**(values | fields))
        return replies.Masks(**{name: getattr(reply, name) for name in reply.__struct_fields__} | {"result": result})

    return spoil


@pytest.mark.parametrize(
    "spoil",
    [
        _other_generation,
        _not_answered,
        _too_long,
        _other_bytes,
        _changed(lease="another"),
        _changed(index=2),
        _changed(index=0),
        _changed(index=63),
        _changed(generation=1),
        _changed(generation=4),
    ],
)
def test_an_answer_that_is_not_in_its_slot_is_none(
    client: Client, leases: FakeLeases, spoil: Callable[[Leased, int, replies.Masks], replies.Masks]
) -> None:
    with client.shared_memory(slots=3, slot_bytes=SLOT, checksum=True) as memory:
        image = memory.copy(picture())
        leases.spoil = spoil
        with pytest.raises(ProtocolError):
            client.segment(image, encoding="raw")
        leases.spoil = lambda lease, index, reply: reply
        assert np.array_equal(client.segment(image, encoding="raw").best.to_array(), half())


@pytest.mark.parametrize("place", [(0, SLOT), (-1, 10), (5, -2), (120_000, 1), (2**40, 2**40)])
def test_bytes_that_are_not_in_the_slot(
    client: Client, memory: SharedMemory, leases: FakeLeases, place: tuple[int, int]
) -> None:
    image = memory.copy(picture())

    def spoil(lease: Leased, index: int, reply: replies.Masks) -> replies.Masks:
        (mask,) = reply.masks
        fields = {name: getattr(mask, name) for name in mask.__struct_fields__} | {"raw": prompts.Blob(shared=place)}
        values = {name: getattr(reply, name) for name in reply.__struct_fields__}
        return replies.Masks(**values | {"masks": [replies.Mask(**fields)]})

    leases.spoil = spoil
    result = client.segment(image, encoding="raw")
    with pytest.raises(ProtocolError, match="in shared memory; there are 120000"):
        result.best.to_array()


def test_shared_bytes_in_a_reply_to_a_request_that_offered_none(client: Client, node: Any) -> None:
    def lie(node: Any, asked: Any) -> None:
        reply, _ = node.masks(asked)
        (mask,) = reply.masks
        fields = {name: getattr(mask, name) for name in mask.__struct_fields__} | {"raw": prompts.Blob(shared=(0, 4))}
        values = {name: getattr(reply, name) for name in reply.__struct_fields__}
        slot = prompts.Slot(lease="x", index=0, generation=2)
        node.send(asked, replies.Masks(**values | {"masks": [replies.Mask(**fields)], "result": slot}))

    node.scripts.append(lie)
    with pytest.raises(ProtocolError, match="there are 0"):
        client.segment(picture(), encoding="raw").best.to_array()


# -- checksums ---------------------------------------------------------------------------------------------------------


def test_checksums_of_images_and_answers(client: Client, leases: FakeLeases) -> None:
    with client.shared_memory(slots=2, slot_bytes=SLOT, checksum=True) as memory:
        image = memory.copy(picture())
        result = client.segment(image, encoding="raw")
        entry, data = leases.images[0]
        assert (entry.flags, entry.checksum) == (layout.HAS_CHECKSUM, zlib.crc32(data))
        assert result.best.area == 300 * 200
        hidden = np.frombuffer(image.prepare().attachments[0], np.uint8)  # as another thread would, or a stray pointer
        hidden[7] ^= 1
        with pytest.raises(InvalidImage):
            client.segment(image)


# -- the file ----------------------------------------------------------------------------------------------------------


def test_the_lock_is_held_while_the_file_is_mapped(client: Client, leases: FakeLeases) -> None:
    memory = client.shared_memory(slots=2, slot_bytes=100)
    lease = leases.last
    assert lease.is_held()
    array = memory.image(height=2, width=2).array
    memory.close()
    assert lease.is_held(), "an array lies in a file that is not locked"
    array[...] = 5
    assert array.sum() == 60
    del array
    assert not lease.is_held()


def test_closing_returns_the_lease(client: Client, leases: FakeLeases, node: Any) -> None:
    memory = client.shared_memory(slots=2, slot_bytes=100)
    assert memory.slots == 2
    assert memory.slot_bytes == 4096
    assert "2 free" in repr(memory)
    memory.close()
    memory.close()
    assert not leases.leases
    assert len(node.asked("return")) == 1
    assert not leases.last.is_held()
    assert memory.free == 0
    assert "closed" in repr(memory)
    with pytest.raises(ValueError, match="closed"):
        memory.image(height=1, width=1)


def test_closing_the_client_returns_what_is_left(node: Any, leases: FakeLeases) -> None:
    client = Client(node.endpoint)
    kept = client.shared_memory(slots=2, slot_bytes=SLOT)
    image = kept.copy(picture())
    result = client.segment(image, encoding="raw")
    client.shared_memory(slots=1, slot_bytes=100)  # dropped at once
    client.close()
    client.close()
    assert leases.last.name not in leases.leases or not leases.last.is_held()
    assert leases.all[0].name not in leases.leases
    assert np.array_equal(image.array, picture())
    assert np.array_equal(result.best.to_array(), half())
    kept.close()
    assert leases.all[0].is_held()
    del result, image
    gc.collect()
    assert not leases.all[0].is_held()


def test_closing_does_not_wait_long_for_a_node_that_is_gone(node: Any, leases: FakeLeases) -> None:
    client = Client(node.endpoint)
    client.shared_memory(slots=1, slot_bytes=100)
    memories = [client.shared_memory(slots=1, slot_bytes=100)]
    node.stop()
    begin = time.monotonic()
    client.close()
    assert time.monotonic() - begin < 2
    assert memories[0].free == 0


@pytest.mark.parametrize("code", ["no_shared_memory", "busy", "too_large", "unknown_operation"])
def test_a_node_that_gives_none_says_so(client: Client, leases: FakeLeases, code: str) -> None:
    leases.refuse = code
    with pytest.raises(NodeError) as caught:
        client.shared_memory(slots=1, slot_bytes=100)
    assert caught.value.code == code


def _renamed(change: Callable[[Path], str]) -> Callable[[replies.Leased], replies.Leased]:
    def lie(reply: replies.Leased) -> replies.Leased:
        values = {name: getattr(reply, name) for name in reply.__struct_fields__}
        return replies.Leased(**values | {"path": change(Path(reply.path))})

    return lie


def _with(**fields: Any) -> Callable[[replies.Leased], replies.Leased]:
    def lie(reply: replies.Leased) -> replies.Leased:
        return replies.Leased(**{name: getattr(reply, name) for name in reply.__struct_fields__} | fields)

    return lie


def _link(path: Path) -> str:
    link = path.with_name("link")
    link.symlink_to(path)
    return str(link)


def _pipe(path: Path) -> str:
    os.mkfifo(path.with_name("pipe"))
    return str(path.with_name("pipe"))


def _cut(path: Path) -> str:
    os.truncate(path, 5000)
    return str(path)


def _empty(path: Path) -> str:
    os.truncate(path, 0)
    return str(path)


def _other_magic(path: Path) -> str:
    with path.open("r+b") as file:
        file.write(b"MASKBUS1")
    return str(path)


def _other_slots(path: Path) -> str:
    header = layout.Header.unpack(path.read_bytes()[:128], path.stat().st_size)
    other = layout.Header(header.generation, 1, 8192)
    assert other.file_bytes == header.file_bytes
    with path.open("r+b") as file:
        file.write(other.pack())
    return str(path)


@pytest.mark.skipif(os.name == "nt", reason="links and pipes are those of POSIX")
@pytest.mark.parametrize(
    ("lie", "match"),
    [
        (_renamed(_link), "no regular file"),
        (_renamed(_pipe), "no regular file"),
        (_renamed(lambda path: str(path.parent)), "no regular file"),
        (_renamed(lambda path: "/dev/zero"), "no regular file"),
        (_renamed(lambda path: path.name), "no absolute path"),
        (_renamed(_cut), "The file has 5000 bytes"),
        (_renamed(_empty), "not even a header"),
        (_renamed(_other_magic), "no shared memory of maskbus"),
        (_renamed(_other_slots), "other slots"),
        (_with(generation=1), "another than the one it leased"),
        (_with(bytes=4096), "another than the one it leased"),
    ],
)
def test_a_file_that_is_not_what_the_node_says_is_not_mapped(
    client: Client, leases: FakeLeases, lie: Callable[[replies.Leased], replies.Leased], match: str, node: Any
) -> None:
    leases.lie = lie
    with pytest.raises(ProtocolError, match=match):
        client.shared_memory(slots=2, slot_bytes=100)
    assert not leases.last.is_held()
    assert node.asked("return"), "the node was not told that its lease is of no use"


@pytest.mark.skipif(os.name == "nt", reason="users are those of POSIX")
def test_a_file_of_another_user_is_not_mapped(
    client: Client, leases: FakeLeases, monkeypatch: pytest.MonkeyPatch
) -> None:
    user = os.getuid()
    monkeypatch.setattr(os, "getuid", lambda: user + 1)
    with pytest.raises(ProtocolError, match="another user"):
        client.shared_memory(slots=1, slot_bytes=100)


@pytest.mark.parametrize("path", ["/nowhere/at/all", "/" + "x" * 300])
def test_a_file_that_cannot_be_opened_here(client: Client, leases: FakeLeases, path: str, node: Any) -> None:
    """The node is on this machine, and still somewhere else: in a container."""
    leases.lie = _with(path=path)
    with pytest.raises(NoSharedMemory, match="cannot be opened here"):
        client.shared_memory(slots=1, slot_bytes=100)
    assert node.asked("return")


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="descriptors are counted in /proc")
def test_failed_leases_leave_no_descriptors(client: Client, leases: FakeLeases) -> None:
    def count() -> int:
        links = [os.path.join("/proc/self/fd", name) for name in os.listdir("/proc/self/fd")]
        return sum(os.readlink(link).startswith(str(leases.directory)) for link in links if os.path.lexists(link))

    lies = [_with(generation=1), _with(path="/nowhere"), _renamed(lambda path: str(path.parent)), _renamed(_empty)]
    for lie in lies * 3:
        leases.lie = lie
        with pytest.raises((ProtocolError, NoSharedMemory)):
            client.shared_memory(slots=1, slot_bytes=100)
    assert len(leases.all) == 12
    assert count() == len(leases.all)  # the node's own


# -- a lease that is lost ----------------------------------------------------------------------------------------------


def test_a_lost_lease_is_noticed_by_nobody(client: Client, memory: SharedMemory, leases: FakeLeases, node: Any) -> None:
    image = memory.copy(picture())
    client.segment(image, points=(1, 1))
    old = leases.last
    leases.forget()
    result = client.segment(image, points=(2, 2), encoding="raw")
    assert np.array_equal(result.best.to_array(), half())
    assert node.asked("segment")[-1].attachments == [picture().tobytes()]
    assert leases.last is not old
    assert memory.free == 3
    # What comes next is in the new slots; the image of before is writable still, and sent as it is.
    with memory.copy(picture(seed=2)) as other:
        client.segment(other)
    assert leases.images[-1][1] == picture(seed=2).tobytes()
    image.edit()[...] = 3
    client.segment(image, box=(1, 1, 5, 5), mask=half())
    asked = node.asked("segment")[-1]
    assert asked.attachments[0] == bytes([3]) * SLOT
    assert asked.plain["prompt"]["mask"]["attachment"] == 1
    image.release()
    del image, result
    until(lambda: not old.is_held(), "something still holds the old lease")


def test_a_lease_that_cannot_be_had_again(
    client: Client, memory: SharedMemory, leases: FakeLeases, node: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = memory.copy(picture())
    client.segment(image)
    leases.forget()
    leases.refuse = "busy"
    client.segment(image)
    assert len(node.asked("lease")) == 2
    client.segment(image)
    assert len(node.asked("lease")) == 2, "the node was asked again at once"
    with memory.copy(picture(seed=2)) as other:  # the old slots are memory like any other
        client.segment(other)
    assert node.asked("segment")[-1].attachments == [picture(seed=2).tobytes()]
    leases.refuse = ""
    monkeypatch.setattr(memory, "_ask_again", 0.0)
    client.segment(image)
    assert leases.last.is_held()
    with memory.copy(picture(seed=3)) as other:
        client.segment(other)
    assert leases.images[-1][1] == picture(seed=3).tobytes()


def test_threads_lose_a_lease_together(client: Client, memory: SharedMemory, leases: FakeLeases, node: Any) -> None:
    images = [memory.copy(picture(seed=i)) for i in range(3)]
    leases.forget()
    with ThreadPoolExecutor(3) as pool:
        for result in pool.map(client.segment, images):
            assert np.array_equal(result.best.to_array(), half())
    assert len(leases.leases) == 1


def test_an_image_of_another_client_is_sent(
    client: Client, memory: SharedMemory, start: Any, leases: FakeLeases
) -> None:
    other = start()
    image = memory.copy(picture())
    with Client(other.endpoint) as stranger:
        stranger.segment(image)
    assert other.asked("segment")[0].attachments == [picture().tobytes()]
    client.segment(image)
    assert leases.images[-1][1] == picture().tobytes()


def test_a_closed_memory_sends_its_images(client: Client, leases: FakeLeases, node: Any) -> None:
    with client.shared_memory(slots=1, slot_bytes=SLOT) as memory:
        image = memory.copy(picture())
    client.segment(image)
    assert node.asked("segment")[0].attachments == [picture().tobytes()]
    assert len(node.asked("lease")) == 1


def test_prompts_with_attachments_follow_an_empty_one(
    client: Client, memory: SharedMemory, leases: FakeLeases, node: Any
) -> None:
    image = memory.copy(picture())
    client.segment(image, mask=half())
    asked = node.asked("segment")[0]
    assert asked.plain["prompt"]["mask"]["attachment"] == 1
    assert asked.attachments[0] == b""
    assert len(asked.attachments) == 2


def test_a_handle_of_a_shared_image_has_its_own_copy(client: Client, memory: SharedMemory, node: Any) -> None:
    image = memory.copy(picture())
    with client.image(image) as handle:
        image.release()
        handle.segment(points=(1, 1))
    assert node.asked("embed")[0].attachments == [picture().tobytes()]
    assert memory.free == 3


# -- threads and processes ---------------------------------------------------------------------------------------------


def test_many_threads_one_memory(client: Client, leases: FakeLeases) -> None:
    begun = threading.Barrier(6)

    def work(seed: int) -> int:
        begun.wait(10)
        done = 0
        for i in range(20):
            pixels = picture(seed=seed * 100 + i)
            with memory.image(height=300, width=400, timeout=20) as image:
                image.array[...] = pixels
                result = client.segment(image, encoding="raw")
                done += np.array_equal(result.best.to_array(), half())
                assert np.array_equal(image.array, pixels)
        return done

    with client.shared_memory(slots=8, slot_bytes=SLOT, checksum=True) as memory:
        with ThreadPoolExecutor(6) as pool:
            assert sum(pool.map(work, range(6))) == 120
        assert memory.free == 8


FORK = """
import gc, os, sys
import numpy as np
sys.path.insert(0, {tests!r})
from maskbus_client import Client
from support.leasing import picture

client = Client(sys.argv[1])
memory = client.shared_memory(slots=3, slot_bytes=300 * 400 * 3)
image = memory.copy(picture())
result = client.segment(image, encoding="raw")
writing = memory.image(height=1, width=1)
sys.stdout.flush()
child = os.fork()
if child == 0:
    try:
        memory.image(height=1, width=1)
        os._exit(3)
    except ValueError as error:
        assert "forked" in str(error)
    writing.release()
    del image, result, writing, memory
    gc.collect()
    sys.stdin.readline()  # until the parent is gone
    os._exit(0)
print(child, memory.free, flush=True)
sys.stdin.readline()
assert memory.free == 0, memory
os.kill(os.getpid(), 9)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
def test_a_forked_child_releases_nothing_and_keeps_no_lock(node: Any, leases: FakeLeases) -> None:
    code = FORK.format(tests=str(Path(__file__).parents[2]))
    with subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", code, node.endpoint],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        _, free = process.stdout.readline().split()
        assert free == "0"
        lease = leases.last
        states = lease.states()
        assert states == [layout.WRITTEN, layout.ANSWERED, layout.WRITING]
        process.stdin.write("\n")
        process.stdin.flush()
        assert process.wait(20) == -9
        end = time.monotonic() + 10
        while lease.is_held() and time.monotonic() < end:
            time.sleep(0.01)
        assert not lease.is_held(), "the child holds its parent's lock"
        assert lease.states() == states
        process.stdin.close()


def test_nothing_of_it_is_imported_without_need() -> None:
    code = """
import sys
from maskbus_client import AsyncClient, Client
Client("tcp://127.0.0.1:9")
assert not [name for name in sys.modules if "shared" in name and "layout" not in name], sys.modules
assert "mmap" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True)
