"""`maskbus record`: write what a node publishes to an MCAP file."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from maskbus import __version__
from maskbus.cli import connection, recording_extra
from maskbus.cli.failure import CommandFailed
from maskbus.cli.long_running import Signals
from maskbus.cli.quantities import amount
from maskbus_client import endpoints, keys

if TYPE_CHECKING:
    from maskbus.adapters.recording.tally import Tally


def run(arguments: argparse.Namespace) -> int:
    """Record until Ctrl-C; return 1 if the disk was full before."""
    recording_extra.require()
    from maskbus.adapters.recording.output import Output
    from maskbus.adapters.recording.recorder import Recorder
    from maskbus.adapters.recording.recording_file import RecordingFile
    from maskbus.adapters.recording.wanted import Wanted

    signals = Signals()
    try:
        wanted = Wanted(arguments.topics)
    except ValueError as error:
        raise CommandFailed(f"TOPIC: {error}.") from None
    where = _topics_endpoint(arguments)
    path = Path(arguments.out)
    try:
        output = Output(path, force=arguments.force)
    except FileExistsError:
        raise CommandFailed(f"{path} is there already; --force overwrites it.") from None
    file = RecordingFile(output)
    context = keys.new_context(keys.resolve(None))
    try:
        recorder = Recorder(context, where, wanted, file, draw=not arguments.no_view, buffer=arguments.buffer)
        signals.running = recorder
        names = " and ".join(prefix.decode() for prefix in wanted.prefixes)
        print(f"maskbus {__version__} record ready: {names} of {where} go to {path}; Ctrl-C ends it", flush=True)
        recorder.run(seconds=arguments.seconds, limit=arguments.limit)
        file.close()
    except OSError as error:
        file.abandon()
        raise CommandFailed(
            f"{path}: {error.strerror or error}. The file has no end, and can be replayed up to where it breaks off."
        ) from None
    except BaseException:
        file.abandon()
        raise
    finally:
        context.destroy(linger=0)
    for line in summary(path, file.nbytes, recorder.tally):
        print(line)
    if file.is_full:
        print(f"maskbus: The disk is full: {path} was closed, and holds what came until then.", file=sys.stderr)
    return int(file.is_full)


def summary(path: Path, nbytes: int, tally: Tally) -> list[str]:
    """Return what was recorded, and what was not, line by line."""
    lines = [f"{path}: {tally.messages} messages in {tally.seconds:.1f} s, {amount(nbytes)}"]
    width = max(map(len, tally.topics), default=0)
    for name, topic in sorted(tally.topics.items()):
        lines.append(f"  {name:{width}}  {topic.messages:7} messages  {amount(topic.nbytes):>8}")
    if not tally.topics:
        lines.append("  Nothing was published under these topics meanwhile.")
    for name, topic in sorted(tally.topics.items()):
        if topic.missed:
            lines.append(
                f"  {topic.missed} messages of {name} are missing: they came faster than they could be written"
            )
        if topic.gaps > topic.missed:
            lines.append(f"  {topic.gaps - topic.missed} messages of {name} did not come, as far as its numbers tell")
    if tally.undrawn:
        lines.append(f"  {tally.undrawn} messages have no picture for viewers, for want of time (--no-view: none has)")
    return lines


def _topics_endpoint(arguments: argparse.Namespace) -> str:
    if arguments.subscribe:
        try:
            return endpoints.resolve(arguments.subscribe)
        except ValueError as error:
            raise CommandFailed(f"--subscribe: {error}") from None
    with connection.open_client(arguments.endpoint) as client:
        return endpoints.choose_publish(client.endpoint, client.ping().publish_endpoints)
