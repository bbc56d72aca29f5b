"""Handlers whose answers a test can predict, or hold back."""

from __future__ import annotations

import threading
from dataclasses import dataclass

import numpy as np

from maskbus.handlers.echo import EchoHandler
from maskbus.interfaces import Handler, Masks, ModelInfo

PATIENCE_S = 20.0


@dataclass
class Grey:
    pixels: np.ndarray

    @property
    def nbytes(self) -> int:
        return self.pixels.nbytes


class Bright(Handler):
    """Answer the reddish bright pixels: a mix-up of colours or of rows shows."""

    info = ModelInfo(title="Bright pixels", prompts=frozenset({"none", "points"}), licence="MIT")

    def embed(self, images, job):
        return [Grey(image.rgb[:, :, 0].copy()) for image in images]

    def decode(self, embedding, prompt, options, job):
        ones = np.ones(1, np.float32)
        return Masks(embedding.pixels[None] > 127, ones, ones)


class Gate:
    """Hold a model's work back until the test opens it. The class is made anew for every test."""

    def __init__(self) -> None:
        gate = self
        self.entered = threading.Semaphore(0)
        self.opened = threading.Event()

        class Gated(EchoHandler):
            info = ModelInfo(title="Gated", prompts=EchoHandler.info.prompts, licence="MIT", cache_embeddings=False)

            def decode(self, embedding, prompt, options, job):
                gate.entered.release()
                assert gate.opened.wait(PATIENCE_S)
                return super().decode(embedding, prompt, options, job)

        self.handler: type[Handler] = Gated

    def wait_until_entered(self) -> None:
        assert self.entered.acquire(timeout=PATIENCE_S)

    def open(self) -> None:
        self.opened.set()
