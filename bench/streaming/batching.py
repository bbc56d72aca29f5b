"""Images of several cameras, embedded at once or one by one."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Sequence
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Any

import numpy as np

from maskbus.interfaces import DecodeOptions, Embedding, Handler, Image, Job, Masks, ModelInfo, Prompt
from streaming.node import node

CALL_S, IMAGE_S, BATCH = 0.02, 0.005, 8
CAMERAS = (1, 4, 8)
_SPAWN = multiprocessing.get_context("spawn")


class _Size:
    nbytes = 16

    def __init__(self, image: Image) -> None:
        self.size = image.height, image.width


class OneByOne(Handler):
    """Take as long as a network on a GPU does: so much a call, and a little more for each image."""

    info = ModelInfo(title="Sleeps", prompts=frozenset({"points"}), licence="Apache-2.0")

    def embed(self, images: Sequence[Image], job: Job) -> Sequence[Embedding]:
        """Sleep."""
        time.sleep(CALL_S + IMAGE_S * len(images))
        return [_Size(image) for image in images]

    def decode(self, embedding: Embedding, prompt: Prompt, options: DecodeOptions, job: Job) -> Masks:
        """Find nothing."""
        assert isinstance(embedding, _Size)
        return Masks.none(*embedding.size)


class AtOnce(OneByOne):
    """The same, and it takes several images in one call."""

    info = ModelInfo(title="Sleeps", prompts=frozenset({"points"}), licence="Apache-2.0", batch=BATCH)


def run(scratch: Path, seconds: float) -> dict[str, dict[str, float]]:
    """Return images a second of all cameras together, by handler and number of cameras."""
    found: dict[str, dict[str, float]] = {}
    for label, handler in (("one at a time", "OneByOne"), (f"up to {BATCH} at once", "AtOnce")):
        config = ["[model.sleeper]", f'handler = "streaming.batching:{handler}"']
        with node(scratch, "sleeper", config) as there:
            for cameras in CAMERAS:
                found.setdefault(label, {})[str(cameras)] = _rate(there.tcp, cameras, seconds)
    return found


def _rate(endpoint: str, cameras: int, seconds: float) -> float:
    from maskbus_client import Client

    stop = _SPAWN.Event()
    process = _SPAWN.Process(target=_cameras, args=(endpoint, cameras, stop), daemon=True)
    try:
        with Client(endpoint) as client, client.subscribe("masks/", prefix=True, timeout=30.0) as results:
            process.start()
            for _ in range(3 * cameras):
                next(results)
            begin, count = time.perf_counter(), 0
            while (now := time.perf_counter()) < begin + seconds:
                next(results)
                count += 1
            return count / (now - begin)
    finally:
        stop.set()
        process.join(5)
        process.kill()


def _cameras(endpoint: str, cameras: int, stop: Event) -> None:
    from maskbus_client import Client

    rng = np.random.default_rng(0)
    frame: Any = rng.integers(0, 255, (480, 640, 3), np.uint8)
    with Client(endpoint) as client:
        streams = [client.stream(f"cam{i}", points=(5, 5)) for i in range(cameras)]
        number = 0
        begin = time.perf_counter()
        while not stop.is_set():
            time.sleep(max(0.0, begin + number / (60 * cameras) - time.perf_counter()))
            # Each frame is another picture: none of them is known already.
            frame[0, 0] = number % 256, number // 256 % 256, number // 65536
            streams[number % cameras].send(frame.copy())
            number += 1
        for stream in streams:
            stream.close()
