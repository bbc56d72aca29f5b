"""Clients that use shared memory all the time and check all they get, made to be killed. Run as a program.

It reads lines `ENDPOINT FOLDER NAME SEED MODE`; for each it forks a client and prints its process id. The imports are
there by then, so a client costs milliseconds. A client keeps FOLDER/NAME.phase, one letter for what it is doing (write,
request, look), and writes to FOLDER/NAME.log what came of it, one line each: `ok`, `torn`, `error CODE`, or `bad …`,
which must not be.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import threading
import time
from pathlib import Path

import numpy as np

from maskbus_client import Client, InvalidImage, NodeError, NoFreeSlot, ProtocolError, TransportError
from maskbus_client import shared_memory as shared_memory
from maskbus_client import shared_pool as shared_pool
from maskbus_client import shared_request as shared_request

HARMLESS = {"worker_died", "shutting_down", "busy", "deadline_exceeded", "model_unavailable", "cancelled"}
ROWS = 500


class SharingClient:
    def __init__(self, endpoint: str, folder: str, name: str, seed: str, mode: str) -> None:
        self._rng = random.Random(int(seed))
        self._mode = mode
        self._phase = os.open(Path(folder, f"{name}.phase"), os.O_WRONLY | os.O_CREAT)
        self._log = os.open(Path(folder, f"{name}.log"), os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        self._client = Client(endpoint, shared_memory=mode == "auto", deadline=20, retries=5)
        self._noise = np.random.default_rng(int(seed)).integers(0, 256, (ROWS, 700, 3), np.uint8)

    def run(self) -> None:
        try:
            if self._mode == "auto":
                while True:
                    self._step(self._by_itself)
            with self._client.shared_memory(slots=3, slot_bytes=self._noise.nbytes, checksum=True) as memory:
                while True:
                    self._step(lambda: self._written(memory))
        except BaseException as error:
            self._say(f"bad {type(error).__name__} {error}")
            raise

    def _step(self, do: object) -> None:
        try:
            self._say(do())  # type: ignore[operator]
        except NodeError as error:
            self._say(f"error {error.code}" if error.code in HARMLESS else f"bad {error.code} {error}")
        except ProtocolError as error:
            self._say(f"bad {error}")
        except TransportError as error:
            self._say(f"error {type(error).__name__}")

    def _by_itself(self) -> str:
        self._enter("r")
        rows = self._rng.randint(200, ROWS)
        x, y = self._rng.randint(5, 690), self._rng.randint(5, rows - 5)
        result = self._client.segment(self._noise[:rows], points=(x, y), encoding=["raw", "labels"], model="echo")
        return self._look(result, x, y, rows)

    def _written(self, memory: shared_memory.SharedMemory) -> str:
        self._enter("w")
        rows = self._rng.randint(200, ROWS)
        x, y = self._rng.randint(5, 690), self._rng.randint(5, rows - 5)
        try:
            image = memory.image(height=rows, width=700, encoding="bgr8", timeout=10)
        except NoFreeSlot as error:
            return f"bad {error}"
        pause = self._rng.choice([0, 0, 0.002])  # a camera that takes its time
        with image:
            for row in range(0, rows, 20):
                image.array[row : row + 20] = self._noise[row : min(row + 20, rows)]
                time.sleep(pause)
            self._enter("r")
            if self._rng.random() < 0.2:
                return self._tear(image, x, y)
            return self._look(self._client.segment(image, points=(x, y), encoding="raw", model="echo"), x, y, rows)

    def _tear(self, image: shared_memory.SharedImage, x: int, y: int) -> str:
        """Write on while the image is sent: there must be no mask of it, whenever the node looks."""
        image.lend(None)
        hidden = np.frombuffer(image.prepare().attachments[0], np.uint8)
        hidden[0] ^= 1
        scribbler = threading.Thread(target=lambda: [hidden.__setitem__(i, 7) for i in range(1, 20_000)])
        scribbler.start()
        try:
            self._client.segment(image, points=(x, y), encoding="raw", model="echo")
            return "torn unnoticed" if image._lease.lost else "bad: a mask of a torn image"
        except InvalidImage:
            return "torn"
        finally:
            scribbler.join()
            image.done()

    def _look(self, result: object, x: int, y: int, rows: int) -> str:
        self._enter("l")
        wanted = np.zeros((rows, 700), np.bool_)
        wanted[y - 1 : y + 2, x - 1 : x + 2] = True
        same = np.array_equal(result.best.to_array(), wanted)  # type: ignore[attr-defined]
        if result.reply.labels is not None:  # type: ignore[attr-defined]
            same = same and np.array_equal(result.labels() == 1, wanted)  # type: ignore[attr-defined]
        return "ok" if same else f"bad: another mask than at {x}, {y}"

    def _enter(self, phase: str) -> None:
        os.pwrite(self._phase, phase.encode(), 0)

    def _say(self, word: str) -> None:
        os.write(self._log, f"{word}\n".encode())


def main() -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    for line in iter(sys.stdin.readline, ""):
        child = os.fork()
        if child == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            sys.stdin.close()
            try:
                SharingClient(*line.split()).run()
            finally:
                os._exit(1)
        print(child, flush=True)


if __name__ == "__main__":
    main()
