"""Shared memory that a client uses by itself: the caller's code stays as it is, whatever the node says."""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from maskbus_client import AsyncClient, Client, InvalidValue, NoFreeSlot, ProtocolError
from maskbus_client.shared_pool import Pool
from maskbus_wire import replies
from maskbus_wire import shared_layout as layout
from support.leasing import FakeLeases, picture


@pytest.fixture
def leases(node: Any, tmp_path: Path) -> Iterator[FakeLeases]:
    made = FakeLeases(node, tmp_path)
    yield made
    made.close()


@pytest.fixture
def client(node: Any, leases: FakeLeases) -> Iterator[Client]:
    with Client(node.endpoint, deadline=10, shared_memory=True) as made:
        yield made


def half(height: int = 300, width: int = 400) -> np.ndarray:
    return np.arange(width) < np.full((height, width), width // 2)


def test_large_arrays_and_masks_go_through_slots(client: Client, leases: FakeLeases, node: Any) -> None:
    for seed in range(3):
        result = client.segment(picture(seed=seed), points=(1, 1), encoding="raw", color="bgr")
        assert np.array_equal(result.best.to_array(), half())
        asked = node.asked("segment")[-1]
        assert asked.attachments == []
        assert asked.plain["image"]["slot"]["index"] == 0, "another slot than the warm one"
        assert leases.images[-1][1] == picture(seed=seed).tobytes()
        assert layout.ENCODING_NAMES[leases.images[-1][0].encoding] == "bgr8"
        del result
    assert len(node.asked("lease")) == 1
    assert node.asked("lease")[0].plain["slot_bytes"] == 360448
    assert node.asked("lease")[0].plain["slots"] == 4
    client.close()
    assert not leases.leases
    assert not leases.last.is_held()


def test_padded_rows_keep_their_step(client: Client, leases: FakeLeases) -> None:
    wide = np.pad(picture(), ((0, 0), (0, 10), (0, 0)))
    client.segment(wide[:, :400])
    entry, data = leases.images[0]
    assert (entry.width, entry.step, entry.length) == (400, 1230, 299 * 1230 + 1200)
    assert data == wide.tobytes()[: len(data)]


def test_small_arrays_and_files_are_sent(client: Client, node: Any, picture: np.ndarray) -> None:
    client.segment(picture)
    assert node.asked("segment")[0].attachments == [picture.tobytes()]
    assert not node.asked("lease")


def test_kept_images_are_put_into_a_slot_and_answered_in_one(client: Client, leases: FakeLeases, node: Any) -> None:
    pixels = picture()
    original = leases.answer
    embedded: list[bytes] = []

    def answer(asked: Any) -> None:
        if asked.op == "embed" and "slot" in asked.plain["image"]:
            embedded.append(leases.last.data(asked.plain["image"]["slot"]["index"]))
            node.images["kept"] = []
            reply = replies.Embedded(id=asked.id, model="fake", width=400, height=300, image_id="kept")
            node.send(asked, reply)
            return
        if asked.op == "segment":
            asked.plain["image"] |= {"width": 400, "height": 300}
        original(asked)

    node.answer = answer
    with client.image(pixels) as image:
        result = image.segment(points=(1, 1), encoding="raw")
        assert embedded == [pixels.tobytes()]
        assert "result" in node.asked("segment")[0].plain
        assert np.array_equal(result.best.to_array(), half())


def test_larger_images_get_larger_slots(client: Client, leases: FakeLeases, node: Any) -> None:
    kept = client.segment(picture(), encoding="raw")
    client.segment(picture(600, 400))
    client.segment(picture())
    first, second = leases.all
    assert [asked.plain["slot_bytes"] for asked in node.asked("lease")] == [360448, 720896]
    assert list(leases.leases) == [second.name]
    assert np.array_equal(kept.best.to_array(), half()), "a result lies in slots that were given back"
    assert first.is_held()
    del kept
    gc.collect()
    assert not first.is_held()


def test_results_that_are_kept_leave_a_slot_for_images(client: Client, leases: FakeLeases, node: Any) -> None:
    results = [client.segment(picture(seed=seed), encoding="raw") for seed in range(10)]
    for result in results:
        assert np.array_equal(result.best.to_array(), half())
    asked = [asked.plain for asked in node.asked("segment")]
    assert ["result" in plain for plain in asked] == [True] * 3 + [False] * 7
    assert all("slot" in plain["image"] for plain in asked)
    del result
    results.clear()
    client.segment(picture(), encoding="raw")
    assert "result" in node.asked("segment")[-1].plain
    assert len(node.asked("lease")) == 1


def test_calls_at_the_same_time_make_it_grow_up_to_a_bound(
    client: Client, leases: FakeLeases, node: Any, acts: Any
) -> None:
    node.scripts.extend([acts.silent] * 40)
    with ThreadPoolExecutor(40) as pool:
        calls, asked = [], []
        for seed in range(40):
            calls.append(pool.submit(client.segment, picture(seed=seed), deadline=60))
            asked.append(node.work.get(timeout=10))
        assert [one.plain["slots"] for one in node.asked("lease")] == [4, 8, 16]
        assert ["slot" in one.plain["image"] for one in asked] == [True] * 28 + [False] * 12
        for one in asked:
            node.do(lambda one=one: leases.answer(one))
        for call in calls:
            assert np.array_equal(call.result().best.to_array(), half())
    assert len(leases.leases) == 1
    assert "slot" not in node.asked("segment")[-1].plain["image"], "what lay in a lease that was returned is sent again"


def test_images_that_are_too_large_for_two_slots_are_sent(
    client: Client, monkeypatch: pytest.MonkeyPatch, node: Any
) -> None:
    monkeypatch.setattr("maskbus_client.shared_pool._MOST_BYTES", 700_000)
    client.segment(picture())
    assert not node.asked("lease")
    assert node.asked("segment")[0].attachments == [picture().tobytes()]


@pytest.mark.parametrize("code", ["no_shared_memory", "unknown_operation", "busy", "too_large", "internal"])
def test_a_node_that_gives_none_is_asked_seldom(client: Client, leases: FakeLeases, node: Any, code: str) -> None:
    leases.refuse = code
    begin = time.monotonic()
    for _ in range(5):
        assert np.array_equal(client.segment(picture(), encoding="raw").best.to_array(), half())
    assert len(node.asked("lease")) == 1
    assert time.monotonic() - begin < 2
    assert all(asked.attachments == [picture().tobytes()] for asked in node.asked("segment"))


@pytest.mark.parametrize(("code", "pause"), [("no_shared_memory", 60), ("busy", 5)])
def test_and_again_after_a_while(leases: FakeLeases, node: Any, code: str, pause: float) -> None:
    leases.refuse = code
    with Client(node.endpoint, shared_memory=True) as client:
        pool = client._operations.pool
        assert isinstance(pool, Pool)
        client.segment(picture())
        leases.refuse = ""
        clock = client._operations.peer.clock
        assert 0 < pool._ask_again - clock() <= pause
        pool._ask_again = clock()
        client.segment(picture())
    assert leases.images[0][1] == picture().tobytes()


def test_a_file_that_cannot_be_opened_is_no_error(client: Client, leases: FakeLeases, node: Any) -> None:
    def lie(reply: replies.Leased) -> replies.Leased:
        return replies.Leased(id=reply.id, lease=reply.lease, path="/nowhere", bytes=reply.bytes, generation=1)

    leases.lie = lie
    for _ in range(3):
        client.segment(picture())
    assert len(node.asked("lease")) == len(node.asked("return")) == 1


def test_a_file_that_is_forged_is_one(client: Client, leases: FakeLeases) -> None:
    def lie(reply: replies.Leased) -> replies.Leased:
        return replies.Leased(id=reply.id, lease=reply.lease, path=reply.path, bytes=reply.bytes, generation=1)

    leases.lie = lie
    with pytest.raises(ProtocolError):
        client.segment(picture())


def test_a_lease_that_is_lost_is_replaced(client: Client, leases: FakeLeases, node: Any) -> None:
    client.segment(picture())
    leases.forget()
    client.segment(picture(seed=2), mask=half(), encoding="raw")
    again = node.asked("segment")[-1]
    assert again.attachments[0] == picture(seed=2).tobytes()
    assert not leases.all[0].is_held()
    client.segment(picture(seed=3), encoding="raw")
    assert leases.images[-1][1] == picture(seed=3).tobytes()
    assert len(leases.all) == 2


def test_a_slot_that_the_node_refuses_is_done_without(client: Client, leases: FakeLeases, node: Any) -> None:
    client.segment(picture())

    def refuse(node: Any, asked: Any) -> None:
        node.send(asked, replies.Error(id=asked.id, code="invalid_value", message="No.", path="image.slot.generation"))

    node.scripts.append(refuse)
    client.segment(picture(seed=2))
    assert node.asked("segment")[-1].attachments == [picture(seed=2).tobytes()]


def test_errors_of_the_caller_are_found_before_anything_is_leased(client: Client, node: Any) -> None:
    with pytest.raises(InvalidValue):
        client.segment(picture(), points=(400, 3))
    assert not node.seen


def test_nobody_waits_for_slots_who_has_no_time(client: Client, node: Any) -> None:
    client.segment(picture(), deadline=0.19)
    assert not node.asked("lease")
    client.segment(picture())
    assert node.asked("lease")


def test_a_restart_while_a_lease_is_asked_for(client: Client, node: Any, leases: FakeLeases) -> None:
    """The node says nothing to `lease`, and answers all else."""
    original = leases.answer
    node.answer = lambda asked: None if asked.op == "lease" else original(asked)
    begin = time.monotonic()
    client.segment(picture(), deadline=2)
    assert time.monotonic() - begin < 2
    assert node.asked("segment")[0].attachments == [picture().tobytes()]


def test_many_threads(client: Client, leases: FakeLeases) -> None:
    def work(seed: int) -> bool:
        size = 300 + 50 * (seed % 3)
        result = client.segment(picture(size, seed=seed), encoding="raw")
        return np.array_equal(result.best.to_array(), half(size))

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(work, range(200)))
    assert len(leases.leases) == 1
    wanted = {picture(300 + 50 * (seed % 3), seed=seed).tobytes() for seed in range(200)}
    assert {data for _, data in leases.images} <= wanted
    assert len(leases.images) > 100


# -- asyncio -----------------------------------------------------------------------------------------------------------


def test_asyncio_uses_it_as_well(node: Any, leases: FakeLeases) -> None:
    async def main() -> None:
        async with AsyncClient(node.endpoint, shared_memory=True) as client:
            await client.segment(picture())  # so that the lease is there
            calls = [client.segment(picture(seed=seed), encoding="raw") for seed in range(20)]
            for result in await asyncio.gather(*calls):
                assert np.array_equal(result.best.to_array(), half())

    asyncio.run(main())
    assert len(leases.images) > 2
    assert not leases.leases


def test_asyncio_with_memory_of_its_own(node: Any, leases: FakeLeases) -> None:
    async def main() -> None:
        async with (
            AsyncClient(node.endpoint) as client,
            await client.shared_memory(slots=2, slot_bytes=360_000, checksum=True) as memory,
        ):
            with memory.image(height=300, width=400) as image:
                image.array[...] = picture()
                result = await client.segment(image, encoding="raw")
                assert memory.free == 0
                with pytest.raises(NoFreeSlot):
                    memory.image(height=1, width=1)
            assert np.array_equal(result.best.to_array(), half())
            del result
            with memory.copy(picture(seed=2)) as image:
                await client.segment(image)
        await memory.close()

    asyncio.run(main())
    assert [data for _, data in leases.images] == [picture().tobytes(), picture(seed=2).tobytes()]
    assert not leases.leases


def test_a_task_that_is_cancelled_gives_its_slots_back(node: Any, leases: FakeLeases, acts: Any) -> None:
    async def main() -> None:
        async with AsyncClient(node.endpoint) as client:
            memory = await client.shared_memory(slots=3, slot_bytes=360_000)
            node.scripts.append(acts.silent)
            image = memory.copy(picture())
            task = asyncio.create_task(client.segment(image, encoding="raw"))
            await asyncio.to_thread(node.work.get, timeout=10)
            assert memory.free == 1
            image.release()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert memory.free == 3

    asyncio.run(main())
