"""`maskbus replay`: publish a recording again, hand its frames to a node, or say what is in it."""

from __future__ import annotations

import argparse
import contextlib
import signal
import time
from collections.abc import Iterator
from datetime import datetime
from itertools import chain, repeat
from pathlib import Path
from typing import TYPE_CHECKING

import zmq

from maskbus import __version__
from maskbus.cli import recording_extra
from maskbus.cli.failure import CommandFailed

if TYPE_CHECKING:
    from maskbus.adapters.recording.recording import Contents, Recorded, Recording

CUT = "The file has no end, as if its recorder had been killed: it is read up to where it breaks off."


def run(arguments: argparse.Namespace) -> int:
    """Do what was asked for; Ctrl-C ends it."""
    recording_extra.require()
    # Both end it as they end a node. A shell has Ctrl-C ignored for what it starts in the background, where it may be
    # sent on purpose.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    from maskbus.adapters.recording.recording import Recording, UnreadableRecording

    try:
        with Recording(Path(arguments.recording)) as recording, contextlib.suppress(KeyboardInterrupt):
            if arguments.info:
                print("\n".join(describe(recording.path, recording.contents())))
                return 0
            if recording.is_cut:
                print(CUT)
            if arguments.to_node is not None:
                from maskbus.cli import replay_to_node

                replay_to_node.run(arguments, _messages(arguments, recording))
            else:
                _play(arguments, _messages(arguments, recording))
    except UnreadableRecording as error:
        raise CommandFailed(str(error)) from None
    return 0


def describe(path: Path, contents: Contents) -> list[str]:
    """Return what a recording holds, line by line."""
    messages = sum(contents.topics.values())
    when = f" from {datetime.fromtimestamp(contents.start / 1e9):%Y-%m-%d %H:%M:%S}" if contents.start else ""
    lines = [f"{path}: {messages} messages, {contents.seconds:.1f} s{when}"]
    width = max(map(len, [*contents.topics, *contents.views]), default=0)
    lines += [f"  {name:{width}}  {count:7} messages" for name, count in sorted(contents.topics.items())]
    if contents.views:
        lines.append("For viewers:")
    lines += [f"  {name:{width}}  {count:7} {schema}" for name, (schema, count) in sorted(contents.views.items())]
    return [*lines, CUT] if contents.is_cut else lines


def _play(arguments: argparse.Namespace, messages: Iterator[Recorded]) -> None:
    from maskbus.adapters.recording.player import Player

    try:
        player = Player(arguments.bind, wait_for_slow=not arguments.rate)
    except zmq.ZMQError as error:
        raise CommandFailed(f"Cannot listen at {arguments.bind}: {error}.") from None
    began = time.monotonic()
    try:
        with player:
            print(f"maskbus {__version__} replay ready: topics {player.endpoint}", flush=True)
            if not arguments.no_wait:
                player.wait_for_subscriber()
            began = time.monotonic()
            player.play(messages, arguments.rate, wait=not arguments.no_wait)
    finally:
        for topic, count in sorted(player.played.topics.items()):
            print(f"  {topic}  {count} messages")
        print(f"{player.played.messages} messages in {time.monotonic() - began:.1f} s")


def _messages(arguments: argparse.Namespace, recording: Recording) -> Iterator[Recorded]:
    """Return what was asked for; with --loop it has no end.

    Raises:
        CommandFailed: if there is none of it, or it cannot be.
        UnreadableRecording: as `Recording.messages`.
    """
    from maskbus.adapters.recording.wanted import Wanted

    try:
        wanted = Wanted(arguments.topics) if arguments.topics else None
    except ValueError as error:
        raise CommandFailed(f"--topic: {error}.") from None

    def once() -> Iterator[Recorded]:
        return recording.messages(wanted, start=arguments.start, end=arguments.end)

    # Before anything else is done, such as waiting for somebody who wants them.
    if next(once(), None) is None:
        raise CommandFailed(f"{recording.path} holds no such messages; `maskbus replay --info` says what it holds.")
    return chain.from_iterable(once() for _ in (repeat(None) if arguments.loop else (None,)))
