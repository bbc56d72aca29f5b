"""What is made of a stream's results: a video for each camera, and one data set."""

from __future__ import annotations

import argparse
import threading
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from maskbus.adapters.sources.source import Captured, Source
from maskbus.cli.failure import CommandFailed
from maskbus.cli.stream_dataset import StreamDataset
from maskbus.cli.stream_overlay import painted
from maskbus.cli.stream_video import StreamVideo
from maskbus_client.results import Result
from maskbus_wire import compressed_image
from maskbus_wire.limits import DEFAULT_LIMITS

_RATE_OF_CAMERAS = 25.0


class Targets:
    """Write what is wanted. A context manager: what is there by its end is made whole, whatever has happened."""

    def __init__(self, out: Path | None, dataset: StreamDataset | None, source: Source, alpha: float) -> None:
        self._out = out
        self._dataset = dataset
        self._source = source
        self._alpha = alpha
        self._videos: dict[str, StreamVideo] = {}
        self._writing = threading.Lock()

    @classmethod
    def of(cls, arguments: argparse.Namespace, source: Source) -> Targets:
        """Return what the arguments ask for. CommandFailed where it cannot go there."""
        out = Path(arguments.out) if arguments.out else None
        if out is not None and out.suffix.lower() != ".mp4":
            raise CommandFailed(f"--out writes an .mp4 file, not {out}.")
        if arguments.json == "-":
            raise CommandFailed("--json writes a file: a stream's masks come while it runs.")
        json = Path(arguments.json) if arguments.json else None
        for flag, path in (("--out", out), ("--json", json)):
            if path is None:
                continue
            if path.is_dir() or not path.parent.is_dir():
                raise CommandFailed(f"{flag} {path}: there is no directory {path.parent}, or it is one itself.")
            if path.resolve() == Path(arguments.source).resolve():
                raise CommandFailed(f"{flag} {path} would overwrite what it is made of.")
        dataset = None if json is None else StreamDataset(json, f"Masks of {source.name}")
        return cls(out, dataset, source, arguments.alpha)

    @property
    def wants_pixels(self) -> bool:
        """Tell whether frames are needed once their masks are there."""
        return self._out is not None

    @property
    def written(self) -> list[Path]:
        """What was written."""
        videos = [video.path for video in self._videos.values() if video.frames]
        return videos + ([self._dataset.path] if self._dataset is not None and self._dataset.frames else [])

    def write(self, stream: str, number: int, frame: Captured | None, result: Result) -> None:
        """Write the masks of a frame.

        Args:
            stream: Name of its stream.
            number: Its number in there.
            frame: Its pixels, if they are still there.
            result: Its masks.

        Raises:
            CommandFailed, OSError: if they cannot be written.
        """
        with self._writing:
            if self._dataset is not None:
                self._dataset.add(stream, number, frame.name if frame else "", result.stamp, result)
            if self._out is None or frame is None:
                return
            video = self._videos.get(stream) or self._begin(stream, frame.camera)
            # A file's frames have their own times, however long the model takes.
            rate = self._source.rate or _RATE_OF_CAMERAS
            seconds = (result.stamp or 0) / 1e9 if self._source.live else number / rate
            video.write(painted(bgr(frame), result, alpha=self._alpha), seconds)

    def close(self) -> None:
        """Finish what was written."""
        with self._writing:
            for video in self._videos.values():
                video.close()
            if self._dataset is not None:
                self._dataset.close()

    def __enter__(self) -> Targets:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _begin(self, stream: str, camera: str) -> StreamVideo:
        assert self._out is not None
        path = self._out.with_stem(f"{self._out.stem}-{stream}") if camera else self._out
        self._videos[stream] = StreamVideo(path, self._source.rate or _RATE_OF_CAMERAS)
        return self._videos[stream]


def bgr(frame: Captured) -> NDArray[np.uint8]:
    """Return a frame's pixels, BGR uint8 (H, W, 3). ValueError if they cannot be decoded."""
    if isinstance(frame.image, bytes):
        return compressed_image.decode(frame.image, max_pixels=DEFAULT_LIMITS.pixels)[0]
    pixels = frame.image
    if pixels.ndim == 2:
        pixels = pixels[:, :, None]
    if pixels.shape[2] == 1:
        return np.repeat(pixels, 3, axis=2)
    return np.ascontiguousarray(pixels[:, :, 2::-1] if frame.color == "rgb" else pixels[:, :, :3])
