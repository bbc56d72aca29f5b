"""How many 1080p frames a second the bus carries from cameras to subscribers, beside bare PUB/SUB."""

from __future__ import annotations

import multiprocessing
import time
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Any

import numpy as np
import zmq

from streaming.node import Node, node

WIDTH, HEIGHT = 1920, 1080
_SPAWN = multiprocessing.get_context("spawn")
_FRAMES = 5
"""Frames that a camera takes turns with: 31 MB, more than most caches."""
COMBINATIONS = ((1, 1), (4, 1), (1, 4), (4, 4))
"""Cameras and subscribers."""


def bare(transport: str, cameras: int, subscribers: int, scratch: Path, seconds: float) -> float:
    """Return the frames a second that each subscriber gets over plain PUB and SUB sockets, without a copy."""
    stop, queue = _SPAWN.Event(), _SPAWN.Queue()
    processes = []
    try:
        for number in range(cameras):
            where = f"ipc://{scratch}/bare{number}" if transport == "ipc" else "tcp://127.0.0.1:*"
            processes.append(_SPAWN.Process(target=_bare_camera, args=(where, queue, stop), daemon=True))
            processes[-1].start()
        endpoints = [queue.get(timeout=30) for _ in range(cameras)]
        counts = _SPAWN.Queue()
        for _ in range(subscribers):
            processes.append(_SPAWN.Process(target=_bare_subscriber, args=(endpoints, counts, seconds), daemon=True))
            processes[-1].start()
        return sum(counts.get(timeout=60 + seconds) for _ in range(subscribers)) / subscribers
    finally:
        stop.set()
        for process in processes:
            process.join(5)
            process.kill()


def maskbus(there: Node, how: str, cameras: int, subscribers: int, seconds: float) -> float:
    """Return the results a second that each subscriber gets; every frame is looked at (policy every).

    Args:
        there: A node with the model `echo`.
        how: tcp, ipc or shared.
        cameras: How many.
        subscribers: How many.
        seconds: How long to count.
    """
    stop, counts, ready = _SPAWN.Event(), _SPAWN.Queue(), _SPAWN.Queue()
    endpoint = there.tcp if how == "tcp" else there.ipc
    processes = []
    try:
        for _ in range(subscribers):
            processes.append(_SPAWN.Process(target=_subscriber, args=(endpoint, ready, counts, seconds), daemon=True))
            processes[-1].start()
        for _ in range(subscribers):
            ready.get(timeout=30)
        for number in range(cameras):
            args = (endpoint, f"cam{number}", how == "shared", stop)
            processes.append(_SPAWN.Process(target=_camera, args=args, daemon=True))
            processes[-1].start()
        return sum(counts.get(timeout=60 + seconds) for _ in range(subscribers)) / subscribers
    finally:
        stop.set()
        for process in processes:
            process.join(5)
            process.kill()


def run(scratch: Path, seconds: float) -> dict[str, dict[str, float]]:
    """Return frames a second by contender and combination, one after the other."""
    found: dict[str, dict[str, float]] = {}
    with node(scratch, "echo") as there:
        for cameras, subscribers in COMBINATIONS:
            name = f"{cameras} → {subscribers}"
            for transport in ("tcp", "ipc"):
                rate = bare(transport, cameras, subscribers, scratch, seconds)
                found.setdefault(f"bare pyzmq PUB/SUB, {transport}", {})[name] = rate
            for how in ("tcp", "ipc", "shared"):
                rate = maskbus(there, how, cameras, subscribers, seconds)
                found.setdefault(f"maskbus, {'shared memory' if how == 'shared' else how}", {})[name] = rate
    return found


def _frames() -> list[Any]:
    return [np.full((HEIGHT, WIDTH, 3), i, np.uint8) for i in range(_FRAMES)]


def _bare_camera(where: str, queue: Any, stop: Event) -> None:
    context = zmq.Context()
    socket = context.socket(zmq.PUB)
    # What a careful user would set: no more than a few frames wait, and none is dropped for want of patience.
    socket.setsockopt(zmq.SNDHWM, 8)
    socket.setsockopt(zmq.XPUB_NODROP, 1)
    socket.setsockopt(zmq.LINGER, 0)
    socket.setsockopt(zmq.SNDTIMEO, 200)
    socket.bind(where)
    queue.put(socket.getsockopt_string(zmq.LAST_ENDPOINT))
    frames, number = _frames(), 0
    while not stop.is_set():
        try:
            socket.send_multipart([b"frames", frames[number % _FRAMES]], copy=False)
        except zmq.Again:
            continue
        number += 1
    context.destroy(linger=0)


def _bare_subscriber(endpoints: list[str], counts: Any, seconds: float) -> None:
    context = zmq.Context()
    socket = context.socket(zmq.SUB)
    socket.setsockopt(zmq.RCVHWM, 8)
    socket.setsockopt(zmq.SUBSCRIBE, b"frames")
    for endpoint in endpoints:
        socket.connect(endpoint)

    def get() -> None:
        frame = socket.recv_multipart(copy=False)[1]
        assert np.frombuffer(frame.buffer, np.uint8).size == HEIGHT * WIDTH * 3

    counts.put(_count(get, seconds))
    context.destroy(linger=0)


def _camera(endpoint: str, name: str, shared: bool, stop: Event) -> None:
    from maskbus_client import Client

    frames, number = _frames(), 0
    with Client(endpoint, deadline=5.0) as client:
        stream = client.stream(name, model="echo", box=(10, 10, 200, 200), policy="every", shared_memory=shared)
        while not stop.is_set():
            stream.send(frames[number % _FRAMES], copy=False)
            number += 1
        stream.close()


def _subscriber(endpoint: str, ready: Any, counts: Any, seconds: float) -> None:
    from maskbus_client import Client

    with Client(endpoint) as client, client.subscribe("masks/", prefix=True, timeout=30.0) as results:
        ready.put(True)
        counts.put(_count(lambda: next(results), seconds))


def _count(get: Any, seconds: float) -> float:
    """Return how often a second `get` comes back, once it has begun to."""
    for _ in range(10):
        get()
    begin, count = time.perf_counter(), 0
    while (now := time.perf_counter()) < begin + seconds:
        get()
        count += 1
    return count / (now - begin)
