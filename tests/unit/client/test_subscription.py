"""Published results: which messages are let through, by the filter alone and by both clients against a fake node."""

from __future__ import annotations

import asyncio
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from maskbus_client import AsyncClient, Client, Result
from maskbus_client.errors import ClientClosed, DeadlineExceeded, NodeUnreachable, ProtocolError
from maskbus_client.topics import TopicFilter
from maskbus_wire import replies
from maskbus_wire.frames import encode


def message(topic: str, number: int | None = 1, *, retained: bool = False) -> list[Any]:
    reply = replies.Masks(
        model="m", width=2, height=2, masks=[], topic=topic, published=number, retained=retained, seq=number
    )
    return [topic.encode(), *encode(reply)]


def let_through(wanted: TopicFilter, *topics: str) -> list[str]:
    return [topic for topic in topics if wanted.read(message(topic)) is not None]


def test_a_topic_is_that_topic():
    assert let_through(TopicFilter("cam1"), "cam1", "cam10", "rle:cam1", "cam") == ["cam1"]


def test_a_prefix_is_all_that_begin_so():
    wanted = TopicFilter("cam1", prefix=True)
    assert let_through(wanted, "cam1", "cam10", "rle:cam1", "cam") == ["cam1", "cam10"]
    assert let_through(TopicFilter("", prefix=True), "a", "b", "rle:a") == ["a", "b"]


def test_an_encoding_is_a_topic_of_its_own():
    assert TopicFilter("cam1", encoding="bits").wanted == b"bits:cam1"
    assert let_through(TopicFilter("cam1", encoding="rle"), "cam1", "rle:cam1", "rle:cam10") == ["rle:cam1"]
    assert let_through(TopicFilter("cam", encoding="rle", prefix=True), "cam", "rle:cam1", "bits:cam1") == ["rle:cam1"]


def test_what_is_sent_again_for_others_is_skipped():
    wanted = TopicFilter("", prefix=True)
    assert wanted.read(message("a", 5, retained=True)) is not None
    assert wanted.read(message("a", 5, retained=True)) is None
    assert wanted.read(message("b", 5, retained=True)) is not None
    assert wanted.read(message("a", 6)) is not None
    assert wanted.read(message("a", 6, retained=True)) is None
    # A node that was restarted counts from the beginning.
    assert wanted.read(message("a", 1)) is not None
    assert wanted.read(message("a", 1)) is not None
    assert wanted.read(message("a", None, retained=True)) is not None


@pytest.mark.parametrize(
    "frames", [[b"a"], [b"a", b"\xc1"], [b"a", *encode(replies.Released())], [b"a", b"\x80"], [b"a", b"\x90"]]
)
def test_broken_messages(frames):
    with pytest.raises(ProtocolError, match="published"):
        TopicFilter("a").read(frames)
    assert TopicFilter("b").read(frames) is None


@pytest.mark.parametrize("wrong", [{"topic": ""}, {"topic": "a:b"}, {"topic": "a", "encoding": "gif"}])
def test_impossible_topics(wrong):
    with pytest.raises(ValueError, match=r"topic|encoding"):
        TopicFilter(**wrong)
    with pytest.raises(TypeError):
        TopicFilter(5)  # type: ignore[arg-type]


def subscribed(node: Any, topic: bytes) -> None:
    assert node.subscribed.get(timeout=5) == b"\x01" + topic


def test_iterating(node: Any):
    with Client(node.endpoint) as client, client.subscribe("cam1", timeout=5) as subscription:
        subscribed(node, b"cam1")
        for number, topic in enumerate(["cam1", "cam10", "cam1"]):
            node.publish(topic, number, seq=number)
        node.publish("cam1", 2, seq=9, retained=True)
        node.publish("cam1", 3, seq=3)
        found = [next(subscription) for _ in range(3)]
        assert all(isinstance(result, Result) for result in found)
        assert [result.seq for result in found] == [0, 2, 3]
        assert found[0].topic == "cam1"
        assert subscription.dropped == 0


def test_a_subscriber_chooses_the_encoding(node: Any):
    with Client(node.endpoint) as client, client.subscribe("cam1", encoding="bits", timeout=5) as subscription:
        subscribed(node, b"bits:cam1")
        node.publish("bits:cam1", 1, seq=1)
        assert next(subscription).seq == 1


@pytest.mark.parametrize("newest", [False, True])
def test_silence(node: Any, newest: bool):
    with Client(node.endpoint) as client, client.subscribe("a", timeout=0.15, newest=newest) as subscription:
        with pytest.raises(DeadlineExceeded, match="'a'"):
            next(subscription)
        subscribed(node, b"a")
        node.publish("a", 1, seq=1)
        subscription._timeout = 5
        assert next(subscription).seq == 1


@pytest.mark.parametrize("newest", [False, True])
def test_a_broken_message_does_not_end_it(node: Any, newest: bool):
    with Client(node.endpoint) as client, client.subscribe("a", timeout=5, newest=newest) as subscription:
        subscribed(node, b"a")
        node.do(lambda: node.xpub.send_multipart([b"a", b"\xc1"]))
        with pytest.raises(ProtocolError):
            next(subscription)
        node.publish("a", 1, seq=1)
        assert next(subscription).seq == 1


def test_the_newest_only(node: Any):
    with Client(node.endpoint) as client, client.subscribe("a", timeout=5, newest=True) as subscription:
        subscribed(node, b"a")
        for number in range(2000):
            node.publish("a", number, seq=number)
        seen = [next(subscription).seq]
        while seen[-1] != 1999:
            seen.append(next(subscription).seq)
            time.sleep(0.001)
        assert seen == sorted(seen)  # type: ignore[type-var]
        assert len(seen) + subscription.dropped == 2000
        assert subscription.dropped > 0


@pytest.mark.parametrize("newest", [False, True])
@pytest.mark.parametrize("timeout", [None, 20])
def test_closing_ends_an_iteration_elsewhere(node: Any, newest: bool, timeout: float | None):
    with Client(node.endpoint) as client, ThreadPoolExecutor(1) as pool:
        subscription = client.subscribe("a", timeout=timeout, newest=newest)
        subscribed(node, b"a")
        future = pool.submit(list, subscription)
        node.publish("a", 1)
        subscription.close()
        assert len(future.result(timeout=5)) <= 1
        with pytest.raises(StopIteration):
            next(subscription)
        subscription.close()


@pytest.mark.parametrize("newest", [False, True])
def test_closing_the_client(node: Any, newest: bool):
    client = Client(node.endpoint)
    subscription = client.subscribe("a", newest=newest)
    entered = threading.Event()

    def wait() -> None:
        entered.set()
        next(subscription)

    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(wait)
        assert entered.wait(5)
        client.close()
        with pytest.raises(ClientClosed):
            future.result(timeout=5)
    with pytest.raises(ClientClosed):
        next(subscription)


def test_a_node_without_a_fitting_endpoint(node: Any):
    node.announced = ["ipc:///nowhere"]
    with Client(node.endpoint) as client, pytest.raises(NodeUnreachable, match="no tcp endpoint"):
        client.subscribe("a")


def test_a_wildcard_is_where_the_requests_go(node: Any):
    node.announced = [node.publish_endpoint.replace("127.0.0.1", "0.0.0.0")]
    with Client(node.endpoint) as client, client.subscribe("a", timeout=5) as subscription:
        subscribed(node, b"a")
        node.publish("a", 1, seq=1)
        assert next(subscription).seq == 1


def test_an_endpoint_of_ones_own(node: Any):
    with Client(node.endpoint) as client, client.subscribe("a", endpoint=node.publish_endpoint):
        subscribed(node, b"a")
    assert not node.asked("ping")


@pytest.mark.parametrize("timeout", [0, -1, float("nan")])
def test_impossible_time_outs(node: Any, timeout: float):
    with Client(node.endpoint) as client, pytest.raises(ValueError, match="timeout"):
        client.subscribe("a", timeout=timeout)


def run(main: Any) -> None:
    asyncio.run(asyncio.wait_for(main(), 20))


async def subscribed_async(node: Any, topic: bytes) -> None:
    await asyncio.get_running_loop().run_in_executor(None, subscribed, node, topic)


def test_async_iterating(node: Any):
    async def main() -> None:
        async with AsyncClient(node.endpoint) as client, client.subscribe("cam1", timeout=5) as subscription:
            await subscribed_async(node, b"cam1")
            for number in range(100):
                node.publish("cam1", number, seq=number)
                node.publish("cam10", number, seq=-1)
            seen = []
            async for result in subscription:
                seen.append(result.seq)
                if len(seen) == 100:
                    break
            assert seen == list(range(100))
            assert subscription.dropped == 0

    run(main)


def test_async_newest(node: Any):
    async def main() -> None:
        async with AsyncClient(node.endpoint) as client, client.subscribe("a", timeout=5, newest=True) as subscription:
            await subscribed_async(node, b"a")
            for number in range(2000):
                node.publish("a", number, seq=number)
            seen = [(await anext(subscription)).seq]
            while seen[-1] != 1999:
                seen.append((await anext(subscription)).seq)
                await asyncio.sleep(0.001)
            assert seen == sorted(seen)  # type: ignore[type-var]
            assert len(seen) + subscription.dropped == 2000

    run(main)


def test_async_silence_and_nonsense(node: Any):
    async def main() -> None:
        async with AsyncClient(node.endpoint) as client, client.subscribe("a", timeout=0.1) as subscription:
            with pytest.raises(DeadlineExceeded):
                await anext(subscription)
            await subscribed_async(node, b"a")
            subscription._timeout = 5
            node.do(lambda: node.xpub.send_multipart([b"a", b"\xc1"]))
            with pytest.raises(ProtocolError):
                await anext(subscription)
            node.publish("a", 1, seq=1)
            assert (await anext(subscription)).seq == 1

    run(main)


def test_async_closing(node: Any):
    async def main() -> None:
        async with AsyncClient(node.endpoint) as client:
            subscription = client.subscribe("a")

            async def collect() -> list[Result]:
                return [result async for result in subscription]

            task = asyncio.create_task(collect())
            await subscribed_async(node, b"a")
            subscription.close()
            assert await task == []
            unused = client.subscribe("b")
            unused.close()
            assert [result async for result in unused] == []
            other = client.subscribe("c")
            task = asyncio.create_task(anext(other))  # type: ignore[arg-type]
            await asyncio.sleep(0)
            while not node.asked("ping"):
                await asyncio.sleep(0.001)
        with pytest.raises(ClientClosed):
            await task
        with pytest.raises(ClientClosed):
            client.subscribe("d")

    run(main)


def test_async_nobody_there(node: Any):
    node.stop()

    async def main() -> None:
        async with AsyncClient(node.endpoint, connect_timeout=0.2) as client:
            with pytest.raises(NodeUnreachable):
                async with client.subscribe("a"):
                    pass

    run(main)
