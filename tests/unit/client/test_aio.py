"""The asyncio client against a fake node: many calls over one connection, and a loop that is never blocked."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
import zmq

from maskbus_client import AsyncClient, Client
from maskbus_client.errors import (
    ClientClosed,
    DeadlineExceeded,
    InvalidValue,
    MaskbusError,
    NodeUnreachable,
    ProtocolError,
)
from maskbus_wire import replies


def run(main: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(asyncio.wait_for(main(), 20))


async def next_work(node: Any) -> Any:
    return await asyncio.get_running_loop().run_in_executor(None, node.work.get, True, 5)


def test_both_clients_have_the_same_methods():
    for name in ("segment", "everything", "ping", "describe", "stats", "cancel", "image", "subscribe", "close"):
        one, other = inspect.signature(getattr(Client, name)), inspect.signature(getattr(AsyncClient, name))
        assert list(one.parameters.values()) == list(other.parameters.values())
        assert getattr(AsyncClient, name).__doc__
    assert inspect.signature(Client.segment).return_annotation == "Result"
    assert inspect.signature(Client) == inspect.signature(AsyncClient)


def test_everything_that_can_be_asked(node: Any, picture: np.ndarray):
    async def main() -> None:
        async with AsyncClient(node.endpoint) as client:
            result = await client.segment(picture, points=(1, 2), encoding=["raw"], seq=4)
            assert result[0].to_array().sum() == 24
            assert result.seq == 4
            assert (await client.ping()).node == node.name
            assert (await client.describe()).limits == {"points": 9}
            assert (await client.stats()).node == node.name
            assert await client.cancel("x") == 1
            assert "tcp" in repr(client)

    run(main)


def test_many_calls_share_one_connection_and_come_back_in_any_order(node: Any, picture: np.ndarray):
    held: list[Any] = []

    def hold(node: Any, asked: Any) -> None:
        held.append(asked)
        if len(held) == 300:
            for earlier in reversed(held):
                node.answer(earlier)

    async def main() -> None:
        async with AsyncClient(node.endpoint) as client:
            results = await asyncio.gather(*[client.segment(picture, seq=seq) for seq in range(300)])
            assert [result.seq for result in results] == list(range(300))

    node.scripts.extend([hold] * 300)
    run(main)
    assert len({asked.peer for asked in node.asked("segment")}) == 1
    assert len(node.asked("ping")) == 1


def test_large_messages(node: Any):
    image = np.random.default_rng(0).integers(0, 256, (600, 800, 3), np.uint8)

    async def main() -> None:
        async with AsyncClient(node.endpoint) as client:
            results = await asyncio.gather(*[client.segment(image, encoding="raw") for _ in range(5)])
            assert all(result[0].to_array().sum() == 240_000 for result in results)

    run(main)
    assert all(asked.attachments == [image.tobytes()] for asked in node.asked("segment"))


def test_the_loop_goes_on_while_a_call_waits(node: Any, acts: Any, picture: np.ndarray):
    node.scripts.append(acts.silent)
    node.running = 1

    async def main() -> None:
        turns = 0

        async def turn() -> None:
            nonlocal turns
            while True:
                await asyncio.sleep(0.001)
                turns += 1

        async with AsyncClient(node.endpoint) as client:
            turning = asyncio.create_task(turn())
            with pytest.raises(DeadlineExceeded):
                await client.segment(picture, deadline=0.3)
            turning.cancel()
        assert turns > 20

    run(main)


def test_a_cancelled_task_is_cancelled_at_the_node(node: Any, acts: Any, picture: np.ndarray):
    node.scripts.append(acts.silent)

    async def main() -> None:
        async with AsyncClient(node.endpoint) as client:
            task = asyncio.create_task(client.segment(picture))
            asked = await next_work(node)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert (await next_work(node)).plain["target"] == asked.id
            assert len(await client.segment(picture)) == 1

    run(main)


def test_a_cancel_that_is_the_last_thing_before_closing_still_goes_out(node: Any, acts: Any, picture: np.ndarray):
    node.scripts.append(acts.silent)

    async def main() -> None:
        async with AsyncClient(node.endpoint) as client:
            task = asyncio.create_task(client.segment(picture))
            await next_work(node)
            task.cancel()
            await asyncio.wait([task])

    run(main)
    assert node.work.get(timeout=5).op == "cancel"


def test_a_lost_reply_does_not_disturb_the_others(node: Any, acts: Any, picture: np.ndarray):
    slow: list[Any] = []

    def keep(node: Any, asked: Any) -> None:
        slow.append(asked)

    def answer_both(node: Any, asked: Any) -> None:
        node.answer(asked)
        node.running = 0
        node.answer(slow[0])

    node.scripts.extend([keep, acts.silent, answer_both])

    async def main() -> None:
        async with AsyncClient(node.endpoint) as client:
            patient = asyncio.create_task(client.segment(picture, seq=1, deadline=20))
            await next_work(node)
            lost = await client.segment(picture, seq=2, deadline=1.0)
            assert (await patient).seq == 1
            assert lost.seq == 2
            assert len(client._links) == 1

    run(main)
    assert len({asked.peer for asked in node.asked("segment")}) == 2
    assert len(node.asked("segment")) == 3


def test_a_restart(node: Any, acts: Any, picture: np.ndarray, start: Callable[..., Any]):
    node.scripts.extend([acts.silent] * 3)

    async def main() -> None:
        async with AsyncClient(node.endpoint, deadline=5.0) as client:
            tasks = [asyncio.create_task(client.segment(picture, seq=seq)) for seq in range(3)]
            for _ in tasks:
                await next_work(node)
            node.stop()
            start(endpoint=node.endpoint)
            assert [(await task).seq for task in tasks] == [0, 1, 2]
            assert len(client._links) == 1

    run(main)


def test_nobody_there(node: Any, picture: np.ndarray):
    node.stop()

    async def main() -> None:
        async with AsyncClient(node.endpoint, connect_timeout=0.3) as client:
            with pytest.raises(NodeUnreachable):
                await client.segment(picture)

    run(main)


def test_garbage(node: Any, picture: np.ndarray):
    node.mute = True
    node.scripts.extend([lambda node, asked: node.send_raw(asked, b"", b"\xc1")] * 3)

    async def main() -> None:
        async with AsyncClient(node.endpoint, deadline=0.5) as client:
            with pytest.raises(ProtocolError):
                await client.segment(picture)

    run(main)


def test_an_error_without_an_id(node: Any, picture: np.ndarray):
    def nameless(node: Any, asked: Any) -> None:
        node.send(asked, replies.Error(code="invalid_value", message="Whose?"))

    node.scripts.append(nameless)

    async def main() -> None:
        async with AsyncClient(node.endpoint) as client:
            with pytest.raises(InvalidValue):
                await client.segment(picture)
            node.scripts.append(nameless)
            node.scripts.append(lambda node, asked: [node.answer(each) for each in node.asked("segment")[1:]])
            both = await asyncio.gather(client.segment(picture, seq=1), client.segment(picture, seq=2))
            assert [result.seq for result in both] == [1, 2]

    run(main)


def test_closing_while_calls_wait(node: Any, acts: Any, picture: np.ndarray):
    node.scripts.extend([acts.silent] * 3)

    async def main() -> None:
        client = AsyncClient(node.endpoint)
        tasks = [asyncio.create_task(client.segment(picture)) for _ in range(3)]
        for _ in tasks:
            await next_work(node)
        await client.close()
        for task in tasks:
            with pytest.raises(ClientClosed):
                await task
        with pytest.raises(ClientClosed):
            await client.ping()
        await client.close()
        assert "closed" in repr(client)

    run(main)


def test_a_client_that_was_never_used():
    async def main() -> None:
        async with AsyncClient():
            pass

    run(main)


def test_images(node: Any, picture: np.ndarray):
    async def main() -> None:
        async with AsyncClient(node.endpoint) as client, await client.image(picture) as image:
            results = await asyncio.gather(*[image.segment(points=(x, 2)) for x in range(8)])
            assert len(results) == 8
            node.images.clear()
            assert len(await image.segment(points=(1, 2))) == 1
            assert len(await client.segment(image, points=(1, 2))) == 1

    run(main)
    assert len(node.asked("embed")) == 2
    assert not node.images


def test_wrong_arguments(node: Any, picture: np.ndarray):
    async def main() -> None:
        async with AsyncClient(node.endpoint) as client:
            with pytest.raises(ValueError, match="outside"):
                await client.segment(picture, points=(8, 2))

    run(main)


def test_inproc(context: zmq.Context, start: Callable[..., Any], picture: np.ndarray):
    start(endpoint="inproc://node")

    async def main() -> None:
        async with AsyncClient("inproc://node", context=context) as client:
            assert len(await client.segment(picture)) == 1

    run(main)


class Blind(asyncio.SelectorEventLoop):
    """A loop that cannot watch descriptors, as the default one of Windows."""

    def add_reader(self, *_: Any) -> None:
        raise NotImplementedError

    remove_reader = add_reader


def test_a_loop_that_cannot_watch_descriptors(node: Any, picture: np.ndarray):
    async def main() -> None:
        async with AsyncClient(node.endpoint) as client:
            assert len(await client.segment(picture)) == 1
            await asyncio.gather(*[client.ping() for _ in range(200)])

    loop = Blind()
    try:
        loop.run_until_complete(asyncio.wait_for(main(), 10))
        loop.run_until_complete(loop.shutdown_default_executor())
    finally:
        loop.close()


def test_a_burst_larger_than_one_turn_of_the_loop(node: Any):
    async def main() -> None:
        async with AsyncClient(node.endpoint) as client:
            assert len(await asyncio.gather(*[client.ping() for _ in range(1000)])) == 1000

    run(main)


def test_two_loops_at_once(node: Any, picture: np.ndarray):
    async def main() -> None:
        async with AsyncClient(node.endpoint) as client:
            for _ in range(20):
                await client.segment(picture)

    with ThreadPoolExecutor(2) as pool:
        for future in [pool.submit(run, main) for _ in range(2)]:
            future.result()


def test_errors_are_of_one_tree():
    assert issubclass(ClientClosed, MaskbusError)
