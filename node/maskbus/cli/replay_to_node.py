"""`maskbus replay --to-node`: hand the frames of a recording to a node, as the cameras did."""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from maskbus.adapters.recording.pace import Pace
from maskbus.cli import connection
from maskbus.cli.failure import CommandFailed
from maskbus_client.frame import PREFIX, Frame, FrameFilter
from maskbus_client.stream import Stream
from maskbus_client.sync import Client
from maskbus_wire import raw_image
from maskbus_wire.replies import StreamCounts

if TYPE_CHECKING:
    from maskbus.adapters.recording.recording import Recorded


def run(arguments: argparse.Namespace, messages: Iterable[Recorded]) -> None:
    """Send all frames, and print what became of them."""
    prompt = _prompt(arguments)
    pace = Pace(arguments.rate)
    with connection.open_client(arguments.to_node or None) as client:
        feeds: dict[str, _Feed] = {}
        try:
            for message in messages:
                if not message.topic.startswith(PREFIX):
                    continue
                frame = FrameFilter(message.topic).read(message.frames)
                if frame is None:
                    continue
                if frame.stream not in feeds:
                    feeds[frame.stream] = _Feed(client, frame, arguments, prompt)
                    print(f"{frame.stream}: results under {feeds[frame.stream].stream.topic}", flush=True)
                moment = pace.moment(message.log_time)
                if moment is not None:
                    time.sleep(max(0.0, moment - time.monotonic()))
                feeds[frame.stream].send(frame)
        except ValueError as error:
            raise CommandFailed(str(error)) from None
        finally:
            for name, feed in feeds.items():
                counts = feed.stream.close()
                print(f"  {name}  {_told(feed.stream, counts)}")
        if not feeds:
            raise CommandFailed("There are no frames of streams among these messages: record frames/ as well.")


class _Feed:
    """One camera."""

    def __init__(self, client: Client, first: Frame, arguments: argparse.Namespace, prompt: dict[str, Any]) -> None:
        self._is_bgr = first.encoding.startswith("b")
        self.stream = client.stream(
            first.stream,
            model=arguments.model,
            # As fast as it goes: each frame is looked at. At a camera's pace: as a camera's are.
            policy="newest" if arguments.rate else "every",
            always=True,
            color="bgr" if self._is_bgr else "rgb",
            **prompt,
        )

    def send(self, frame: Frame) -> None:
        """Send a frame as it was sent before."""
        self.stream.send(self._picture(frame), stamp=frame.stamp, frame_id=frame.frame_id, seq=frame.seq)

    def _picture(self, frame: Frame) -> Any:
        if frame.encoding not in raw_image.CHANNELS:
            return bytes(frame.data)
        if frame.encoding == "mono8" or frame.encoding.startswith("b") == self._is_bgr:
            image = frame.reply.image
            return raw_image.view(frame.data, image.width or 0, image.height or 0, image.step or 0, frame.encoding)
        return frame.image[:, :, ::-1] if self._is_bgr else frame.image


def _prompt(arguments: argparse.Namespace) -> dict[str, Any]:
    """Return what `Client.stream` is told to look for. CommandFailed for what does not go together."""
    points = [(x, y) for x, y, _ in arguments.points]
    labels = [label for _, _, label in arguments.points]
    if not arguments.track:
        if points and len(arguments.boxes) > 1:
            raise CommandFailed("Several boxes are several objects, and go without points.")
        given = {"points": points, "labels": labels, "boxes": arguments.boxes, "text": arguments.texts}
        return {name: value for name, value in given.items() if value}
    if arguments.texts:
        raise CommandFailed("What is followed is named by --point and --box, not by --text.")
    objects: list[dict[str, Any]] = [{"points": points, "labels": labels}] if points else []
    objects += [{"box": box} for box in arguments.boxes]
    return {"track": True, "objects": dict(enumerate(objects, 1))}


def _told(stream: Stream, counts: StreamCounts) -> str:
    parts = [f"{stream.sent} frames sent, {counts.answered} looked at"]
    parts += [f"{count} dropped: {cause}" for cause, count in sorted(counts.dropped.items())]
    if stream.dropped:
        parts.append(f"{stream.dropped} not sent: the connection was full")
    if stream.last_error is not None:
        parts.append(f"last error: {stream.last_error}")
    return ", ".join(parts)
