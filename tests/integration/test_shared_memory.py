"""The client's shared memory with a real node: over TCP, ipc and inside one process."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from maskbus.testing import node as inner_node
from maskbus_client import AsyncClient, Client, DeadlineExceeded, InvalidImage, NoFreeSlot, NoSharedMemory, TooLarge
from maskbus_wire import shared_layout as layout
from maskbus_wire.replies import Statistics
from support.nodes import LiveNode, live_node

HEIGHT, WIDTH = 400, 500
ENCODINGS = ["raw", "bits", "bits+zlib", "png", "png_base64", "rle", "polygon", "labels", "logits", "overlay"]


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveNode]:
    with live_node(
        models=["echo", "failing"], ipc=True, runtime_dir=str(tmp_path_factory.mktemp("run")), hang_grace_s=20.0
    ) as node:
        yield node


@pytest.fixture(params=["tcp", "ipc", "inproc"])
def client(request: pytest.FixtureRequest) -> Iterator[Client]:
    if request.param == "inproc":
        with inner_node() as node, node.client() as made:
            yield made
        return
    node = request.getfixturevalue("running")
    (endpoint,) = (endpoint for endpoint in node.bus.endpoints if endpoint.startswith(request.param))
    with Client(endpoint) as made:
        yield made


@pytest.fixture
def tcp(running: LiveNode) -> Iterator[Client]:
    with Client(running.tcp) as made:
        yield made


def pixels(seed: int = 0, height: int = HEIGHT, width: int = WIDTH) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def stats_once(client: Client, wanted: Any) -> Statistics:
    """Return the node's statistics once they are as they should be in the end."""
    end = time.monotonic() + 20
    while not wanted(stats := client.stats()) and time.monotonic() < end:
        time.sleep(0.01)
    return stats


def test_all_that_comes_back_is_what_it_would_be_without(client: Client) -> None:
    array, prompt = pixels(), {"box": (20, 30, 300, 200), "model": "echo"}
    plain = client.segment(array, encoding=ENCODINGS, color="bgr", **prompt)
    with client.shared_memory(slots=2, slot_bytes=4_000_000) as memory, memory.copy(array, color="bgr") as image:
        shared = client.segment(image, encoding=ENCODINGS, **prompt)
        assert shared.reply.result is not None
        assert plain.reply.result is None
        for name in ("raw", "bits", "bits+zlib", "png"):
            assert bytes(shared.best.bytes(name)) == bytes(plain.best.bytes(name)), name
        assert shared.best.rle == plain.best.rle
        assert shared.best.polygon == plain.best.polygon
        assert np.array_equal(shared.labels(), plain.labels())
        assert np.array_equal(shared.best.logits(), plain.best.logits())
        assert np.array_equal(shared.overlay(), plain.overlay())
        assert np.array_equal(shared.to_array(), plain.to_array())
        for view in (shared.best.logits(), shared.labels(), np.frombuffer(shared.best.bytes("raw"), np.uint8)):
            assert view is not None
            assert not view.flags.writeable
        if not client.endpoint.startswith("inproc"):
            assert {mask.raw.shared is not None for mask in shared.reply.masks if mask.raw} == {True}
        assert client.stats().leases == 1
    assert client.stats().leases == 0


def test_a_slot_that_is_too_small_is_filled_as_far_as_it_goes(client: Client) -> None:
    boxes = [(i, i, i + 50, i + 50) for i in range(5)]
    with client.shared_memory(slots=2, slot_bytes=HEIGHT * WIDTH * 3) as memory, memory.copy(pixels()) as image:
        result = client.segment(image, boxes=boxes, encoding="raw", model="echo")
        places = [mask.raw.shared is not None for mask in result.reply.masks if mask.raw]
        assert sorted(places, reverse=True) == places
        assert sum(places) == 3
        for mask, (x, y, _, _) in zip(result, boxes, strict=True):
            assert mask.to_array().sum() == 2500
            assert mask.to_array()[y, x]


def test_every_encoding_of_an_image_is_understood(client: Client) -> None:
    with client.shared_memory(slots=2, slot_bytes=HEIGHT * WIDTH * 4, checksum=True) as memory:
        for encoding in ("mono8", "rgb8", "bgr8", "rgba8", "bgra8"):
            with memory.image(height=HEIGHT, width=WIDTH, encoding=encoding) as image:
                image.array[...] = 0
                image.array[100:, 200:] = 250
                result = client.segment(image, points=(210, 110), encoding=["raw", "overlay"], model="echo")
                assert result.best.area == 9
                with pytest.raises(ValueError, match="read-only"):
                    image.array[0] = 0
                assert np.array_equal(result.overlay(image.show()), result.overlay())


def test_frames_of_a_camera(client: Client) -> None:
    """A ring that is written in place, several prompts a frame, results looked at later."""
    last = None
    with client.shared_memory(slots=4, slot_bytes=HEIGHT * WIDTH * 3, checksum=True) as memory:
        for i in range(30):
            with memory.image(height=HEIGHT, width=WIDTH, encoding="bgr8") as frame:
                frame.array[...] = pixels(i % 3)
                x = 5 + i
                result = client.segment(frame, points=(x, 50), encoding="raw", model="echo", stamp=i)
                client.segment(frame, points=(x, 60), model="echo")
                assert result.best.bbox == (x - 1, 49, 3, 3)
                assert result.stamp == i
                if last is not None:
                    assert last.best.to_array()[50, x - 1]
                last = result
        del result, last
        assert memory.free == 4


def test_clients_that_use_it_by_themselves(running: LiveNode, tcp: Client) -> None:
    with Client(running.tcp, shared_memory=True) as client:

        def work(seed: int) -> bool:
            height = HEIGHT + 40 * (seed % 4)
            result = client.segment(
                pixels(seed, height), points=(seed + 5, 80), encoding=["raw", "labels"], model="echo"
            )
            found = result.best.to_array()
            return bool(found.sum() == 9 and found[80, seed + 5] and np.array_equal(result.labels() > 0, found))

        with ThreadPoolExecutor(4) as pool:
            assert all(pool.map(work, range(60)))
        assert tcp.stats().leases == 1
    assert tcp.stats().leases == 0


def test_asyncio(running: LiveNode) -> None:
    async def main() -> None:
        async with AsyncClient(running.tcp, shared_memory=True) as client:
            calls = [client.segment(pixels(i), points=(i + 5, 9), encoding="raw", model="echo") for i in range(12)]
            for i, result in enumerate(await asyncio.gather(*calls)):
                assert result.best.bbox == (i + 4, 8, 3, 3)
            async with await client.shared_memory(slots=2, slot_bytes=HEIGHT * WIDTH * 3) as memory:
                with memory.copy(pixels()) as image:
                    result = await client.segment(image, points=(7, 9), encoding="raw", model="echo")
                    assert result.best.to_array()[9, 7]
                assert (await client.stats()).leases == 2
            assert (await client.stats()).leases == 1

    asyncio.run(main())


def test_nodes_that_give_none() -> None:
    with live_node(models=["echo"], leased_bytes=0) as node:
        with Client(node.tcp) as client, pytest.raises(NoSharedMemory):
            client.shared_memory(slots=1, slot_bytes=1)
        with Client(node.tcp, shared_memory=True) as client:
            for _ in range(2):
                assert client.segment(pixels(), points=(9, 9), encoding="raw", model="echo").best.area == 9
            assert node.stats().rejected <= 2, "the node was asked again and again"


def test_more_than_the_node_gives(tcp: Client) -> None:
    with pytest.raises(TooLarge):
        tcp.shared_memory(slots=64, slot_bytes=100_000_000)
    with pytest.raises(ValueError, match="1 to 64"):
        tcp.shared_memory(slots=65, slot_bytes=1)


def test_kept_images_leave_their_slot(tcp: Client) -> None:
    with tcp.shared_memory(slots=2, slot_bytes=HEIGHT * WIDTH * 3) as memory:
        image = memory.copy(pixels())
        first = tcp.segment(image, keep=True, points=(9, 9), model="echo")
        image.edit()[...] = 0
        assert first.image_id
        with tcp.image(image, model="echo") as handle:
            image.release()
            assert handle.segment(points=(30, 40)).best.bbox == (29, 39, 3, 3)


# -- while the node reads ----------------------------------------------------------------------------------------------


def test_a_slot_is_not_written_to_while_it_is_read(running: LiveNode, tcp: Client) -> None:
    """A request that ran into its deadline is still being worked on: its slot is nobody else's until that ends."""
    with tcp.shared_memory(slots=2, slot_bytes=HEIGHT * WIDTH * 3) as memory:
        lease = memory._lease
        assert lease is not None
        image = memory.copy(pixels())
        tcp.segment(image, points=(9, 9), model="failing")  # its worker is there from here on
        with pytest.raises(DeadlineExceeded):
            tcp.segment(image, points=(9, 9), model="failing", options={"hang": 2.0}, encoding="raw", deadline=0.3)
        assert [lease.mapping.state(i) for i in range(2)] == [layout.READING, layout.ANSWERING]
        with pytest.raises(NoFreeSlot):
            image.edit()
        image.release()
        with pytest.raises(NoFreeSlot):
            memory.image(height=1, width=1)
        with memory.image(height=1, width=1, timeout=20):
            assert lease.mapping.state(0) in (layout.WRITING, layout.WRITTEN)
        stats_once(tcp, lambda _: memory.free == 2)
        assert memory.free == 2
        with memory.copy(pixels()) as image:
            assert tcp.segment(image, points=(9, 9), model="failing", encoding="raw").best.area == 9


def test_an_image_that_changes_while_it_is_read_is_none(running: LiveNode, tcp: Client) -> None:
    with tcp.shared_memory(slots=1, slot_bytes=HEIGHT * WIDTH * 3) as memory, ThreadPoolExecutor(1) as pool:
        lease = memory._lease
        assert lease is not None
        image = memory.copy(pixels())
        call = pool.submit(tcp.segment, image, points=(9, 9), model="failing", options={"work": 0.5})
        while lease.mapping.state(0) != layout.READING:
            time.sleep(0.001)
        time.sleep(0.05)
        lease.mapping.set_generation(0, lease.mapping.generation(0) + 1)  # what no user of this client can do
        with pytest.raises(InvalidImage):
            call.result()


def test_torn_pixels_have_another_checksum(tcp: Client) -> None:
    with tcp.shared_memory(slots=2, slot_bytes=HEIGHT * WIDTH * 3, checksum=True) as memory:
        image = memory.copy(pixels())
        assert tcp.segment(image, points=(9, 9), model="echo", encoding="raw").best.area == 9
        hidden = np.frombuffer(image.prepare().attachments[0], np.uint8)
        hidden[12_345] ^= 4
        for _ in range(3):
            with pytest.raises(InvalidImage):
                tcp.segment(image, points=(9, 9), model="echo", encoding="raw")
        image.edit()
        assert tcp.segment(image, points=(9, 9), model="echo", encoding="raw").best.area == 9


def test_deadlines_that_pass_at_any_moment(running: LiveNode) -> None:
    """Slots of requests nobody waits for any more come back, and never under somebody else's image or mask."""
    seed = random.SystemRandom().randrange(2**32)
    print(f"seed {seed}")
    end = time.monotonic() + 3
    with (
        Client(running.tcp) as client,
        Client(running.tcp, shared_memory=True) as other,
        client.shared_memory(slots=4, slot_bytes=HEIGHT * WIDTH * 3, checksum=True) as memory,
    ):

        def work(number: int) -> tuple[int, int]:
            rng, right, late = random.Random(seed + number), 0, 0
            while time.monotonic() < end or not right:
                x, y = rng.randint(5, WIDTH - 5), rng.randint(5, HEIGHT - 5)
                prompt = {"points": (x, y), "encoding": "raw", "model": "failing"}
                prompt |= {"options": {"work": rng.choice([0, 0.02])}, "deadline": rng.choice([0.003, 0.02, 20])}
                try:
                    if number % 2:
                        result = other.segment(pixels(number), **prompt)
                    else:
                        with memory.copy(pixels(number), timeout=20) as image:
                            result = client.segment(image, **prompt)
                except TimeoutError:
                    late += 1
                    continue
                mask = result.best.to_array()
                assert mask.sum() == 9
                assert mask[y - 1 : y + 2, x - 1 : x + 2].all()
                right += 1
            return right, late

        with ThreadPoolExecutor(4) as pool:
            counts = list(pool.map(work, range(4)))
        assert all(right for right, _ in counts), counts
        assert sum(late for _, late in counts), counts
        stats_once(client, lambda _: memory.free == 4)
        assert memory.free == 4
    with Client(running.tcp) as client:
        assert stats_once(client, lambda stats: stats.leases == 0).leases == 0
