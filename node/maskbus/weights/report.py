"""What a download tells whoever waits for it."""

from __future__ import annotations

from typing import Protocol


class Report(Protocol):
    """Hear how a download goes."""

    def says(self, sentence: str) -> None:
        """Hear of something that happened: a source that failed, a wait for another process."""

    def advances(self, done: int, total: int | None) -> None:
        """Hear how many bytes are there, of how many; None where that is not known. Called for each chunk."""


class Silence:
    """Tell nobody."""

    def says(self, sentence: str) -> None:
        """Do nothing."""

    def advances(self, done: int, total: int | None) -> None:
        """Do nothing."""


def mebibytes(count: int) -> str:
    """Return a number of bytes in words, such as "38.8 MiB"."""
    return f"{count / 2**20:.1f} MiB"
