"""What is pulled in tests, and who hears of it."""

from __future__ import annotations

import random
from pathlib import Path

from maskbus.weights.http import Patience

DATA = random.Random(7).randbytes(200_000)
PATH = "/weights/tested.pt"
QUICK = Patience(timeout_s=0.25, attempts=6, pause_s=0.0)


class Heard:
    def __init__(self) -> None:
        self.sentences: list[str] = []
        self.counts: list[int] = []

    def says(self, sentence: str) -> None:
        self.sentences.append(sentence)

    def advances(self, done: int, total: int | None) -> None:
        self.counts.append(done)


def is_clean(directory: Path) -> bool:
    return {path.name for path in directory.iterdir()} <= {"tested.pt", ".tested.pt.lock", ".tested.pt.checked"}
