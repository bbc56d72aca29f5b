"""`maskbus replay --to-node`: hand the frames of a recording to a node, as the cameras did."""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from maskbus.adapters.recording.pace import Pace
from maskbus.cli import connection, stream_counts, stream_prompt
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
    prompt = stream_prompt.prompt(arguments)
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
            for feed in feeds.values():
                print(_told(feed.stream, feed.stream.close()))
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


def _told(stream: Stream, counts: StreamCounts) -> str:
    told = stream_counts.line(stream.name, stream.sent, counts.answered, counts.dropped)
    if stream.dropped:
        told += f", {stream.dropped} not sent: the connection was full"
    return told if stream.last_error is None else f"{told}; last error: {stream.last_error}"
