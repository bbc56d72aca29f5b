"""Eight cameras in front of a model of 100 ms: how old the frames are whose masks come back."""

from __future__ import annotations

import multiprocessing
import time
from dataclasses import dataclass, field
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from streaming.node import node

CAMERAS, FPS, WIDTH, HEIGHT, SERVICE_S = 8, 30, 640, 480, 0.1
_SPAWN = multiprocessing.get_context("spawn")


@dataclass
class Ages:
    """What a run has shown."""

    by_camera: dict[str, list[float]] = field(default_factory=dict)
    """Seconds from a frame's capture to its result, by camera."""
    rss: list[int] = field(default_factory=list)
    """Bytes of all processes between cameras and results, once a second."""
    sent: int = 0
    seconds: float = 0.0

    def summary(self) -> dict[str, Any]:
        """Return figures of the run: ages in milliseconds, memory in MiB."""
        ages = np.array([age for one in self.by_camera.values() for age in one]) * 1e3
        counts = np.array([len(self.by_camera.get(f"cam{i}", ())) for i in range(CAMERAS)])
        mean = max(counts.mean(), 1e-9)
        return {
            "results": int(counts.sum()),
            "sent": self.sent,
            "seconds": self.seconds,
            "p50_ms": float(np.percentile(ages, 50)) if len(ages) else float("nan"),
            "p99_ms": float(np.percentile(ages, 99)) if len(ages) else float("nan"),
            "worst_ms": float(ages.max()) if len(ages) else float("nan"),
            "share_least": float(counts.min() / mean),
            "share_most": float(counts.max() / mean),
            "rss_begin_mib": self.rss[0] / 2**20 if self.rss else 0.0,
            "rss_end_mib": self.rss[-1] / 2**20 if self.rss else 0.0,
        }


def maskbus(scratch: Path, seconds: float) -> dict[str, Any]:
    """Stream to a node, policy newest, and subscribe to all results."""
    from maskbus_client import Client

    ages = Ages(seconds=seconds)
    with node(scratch, "failing") as there:
        stop = _SPAWN.Event()
        ready = _SPAWN.Event()
        with Client(there.tcp) as client, client.subscribe("masks/", prefix=True, timeout=30.0) as results:
            cameras = _SPAWN.Process(target=_stream, args=(there.tcp, ready, stop), daemon=True)
            cameras.start()
            try:
                next(results)  # the first is there: the model is loaded
                end = time.monotonic() + seconds
                look_at = time.monotonic() + 2
                for result in results:
                    now = time.time_ns()
                    ages.by_camera.setdefault(result.stream or "", []).append((now - (result.stamp or 0)) / 1e9)
                    if time.monotonic() > look_at:
                        ages.rss.append(there.rss())
                        look_at += 1
                    if time.monotonic() > end:
                        break
                ages.sent = sum(info.counts.received for info in client.streams())
            finally:
                stop.set()
                cameras.join(10)
                cameras.kill()
    return ages.summary()


def imagezmq(seconds: float) -> dict[str, Any]:
    """Do the same with imagezmq's PUB/SUB and a loop, as its documentation shows."""
    ages = Ages(seconds=seconds)
    stop = _SPAWN.Event()
    queue: Any = _SPAWN.Queue()
    cameras = _SPAWN.Process(target=_publish, args=(queue, stop), daemon=True)
    cameras.start()
    hub = None
    try:
        endpoints = queue.get(timeout=30)
        hub = _SPAWN.Process(target=_hub, args=(endpoints, queue, stop), daemon=True)
        hub.start()
        both = [psutil.Process(cameras.pid), psutil.Process(hub.pid)]
        name, age = queue.get(timeout=30)
        end = time.monotonic() + seconds
        look_at = time.monotonic() + 2
        while time.monotonic() < end:
            name, age = queue.get(timeout=30)
            ages.by_camera.setdefault(name, []).append(age)
            if time.monotonic() > look_at:
                ages.rss.append(sum(process.memory_info().rss for process in both))
                look_at += 1
        ages.sent = int(CAMERAS * FPS * seconds)
    finally:
        stop.set()
        for process in (hub, cameras):
            if process is not None:
                process.join(5)
                process.kill()
    return ages.summary()


def _paced(stop: Event) -> Any:
    """Yield camera and frame number at the cameras' rate, one camera after the other within a period."""
    begin, number = time.perf_counter(), 0
    while not stop.is_set():
        due = begin + number / (FPS * CAMERAS)
        time.sleep(max(0.0, due - time.perf_counter()))
        yield number % CAMERAS, number // CAMERAS
        number += 1


def _stream(endpoint: str, ready: Event, stop: Event) -> None:
    from maskbus_client import Client

    frame = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    with Client(endpoint) as client:
        streams = [
            client.stream(f"cam{i}", points=(WIDTH / 2, HEIGHT / 2), options={"work": SERVICE_S})
            for i in range(CAMERAS)
        ]
        ready.set()
        for camera, number in _paced(stop):
            frame[0, 0, 0] = number % 256
            streams[camera].send(frame.copy(), stamp=time.time_ns())
        for stream in streams:
            stream.close()


def _publish(queue: Any, stop: Event) -> None:
    import imagezmq as package
    import zmq

    frame = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    senders = [package.ImageSender(connect_to="tcp://127.0.0.1:*", REQ_REP=False) for _ in range(CAMERAS)]
    queue.put([sender.zmq_socket.getsockopt_string(zmq.LAST_ENDPOINT) for sender in senders])
    for camera, number in _paced(stop):
        frame[0, 0, 0] = number % 256
        senders[camera].send_image(f"cam{camera} {time.time_ns()}", frame)


def _hub(endpoints: list[str], queue: Any, stop: Event) -> None:
    import imagezmq as package

    hub = package.ImageHub(open_port=endpoints[0], REQ_REP=False)
    for endpoint in endpoints[1:]:
        hub.connect(endpoint)
    while not stop.is_set():
        message, _ = hub.recv_image()
        time.sleep(SERVICE_S)
        name, stamp = message.split()
        queue.put((name, (time.time_ns() - int(stamp)) / 1e9))
