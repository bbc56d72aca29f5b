"""The pictures in a folder, as frames."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

from maskbus.adapters.sources.source import Captured, Source, SourceFailed
from maskbus_wire import compressed_image

_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp"})


class PictureFolder(Source):
    """Each JPEG, PNG and WebP file, in the order of their names; not those in folders below."""

    live = False
    rate = 25.0

    def __init__(self, path: Path) -> None:
        """Look which there are. OSError if the folder cannot be read, SourceFailed if there are none."""
        super().__init__()
        self.path = path
        self._closed = threading.Event()
        self._files = sorted(file for file in path.iterdir() if file.suffix.lower() in _SUFFIXES and file.is_file())
        self.count = len(self._files)
        if not self._files:
            raise SourceFailed(f"There is no JPEG, PNG or WebP file in {path}.")

    @property
    def name(self) -> str:
        """The folder's."""
        return self.path.resolve().name

    def frames(self) -> Iterator[Captured]:
        """Yield their bytes. SourceFailed or OSError for one that cannot be read."""
        for file in self._files:
            if self._closed.is_set():
                return
            data = file.read_bytes()
            try:
                compressed_image.probe(data)
            except ValueError:
                raise SourceFailed(f"{file} is not a JPEG, PNG or WebP picture.") from None
            yield Captured(data, name=file.name)

    def close(self) -> None:
        """End it."""
        self._closed.set()
