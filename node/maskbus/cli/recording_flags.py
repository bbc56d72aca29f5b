"""The arguments of `record` and `replay`."""

from __future__ import annotations

import argparse
import math

from maskbus.cli import prompt_text, quantities, stream_flags


def add_record(parser: argparse.ArgumentParser) -> None:
    """Add those of `record`, but for the endpoint."""
    parser.add_argument(
        "topics",
        nargs="*",
        metavar="TOPIC",
        help="masks/front is that topic and those below it, masks/ all of them, png:masks/ the same as PNG (default: "
        "frames/ and masks/)",
    )
    parser.add_argument("-o", "--out", required=True, metavar="FILE", help="the recording, such as run.mcap")
    parser.add_argument("--force", action="store_true", help="overwrite FILE if it is there already")
    parser.add_argument("--seconds", type=prompt_text.seconds, metavar="SECONDS", help="end after so long")
    parser.add_argument("--limit", type=prompt_text.count, metavar="N", help="end after so many messages")
    parser.add_argument(
        "--no-view",
        action="store_true",
        help="write only what a replay needs, and no pictures for viewers: half the work, and less to store",
    )
    parser.add_argument(
        "--buffer",
        type=quantities.nbytes,
        default="256MiB",
        metavar="SIZE",
        help="what may wait to be written before messages are left out (default: 256MiB)",
    )
    parser.add_argument(
        "--subscribe", metavar="ENDPOINT", help="where topics are published, instead of asking a node: that of a replay"
    )


def add_replay(parser: argparse.ArgumentParser) -> None:
    """Add those of `replay`."""
    parser.add_argument("recording", metavar="FILE", help="what `maskbus record` has written")
    parser.add_argument("--info", action="store_true", help="say what is in it, and end")
    which = parser.add_argument_group("what is replayed")
    which.add_argument(
        "--topic", dest="topics", action="append", default=[], metavar="TOPIC", help="as in `record`, several times too"
    )
    which.add_argument(
        "--start", type=_seconds, default=0.0, metavar="SECONDS", help="begin so long after its beginning (default: 0)"
    )
    which.add_argument("--end", type=prompt_text.seconds, metavar="SECONDS", help="end so long after its beginning")
    which.add_argument(
        "--rate", type=_rate, default=1.0, metavar="R", help="2 is twice as fast, 0 as fast as it goes (default: 1)"
    )
    which.add_argument("--loop", action="store_true", help="again and again, until Ctrl-C")
    topics = parser.add_argument_group("as topics, for those who subscribe")
    topics.add_argument(
        "--bind",
        default="tcp://127.0.0.1:*",
        metavar="ENDPOINT",
        help="where they are published (default: a free port of 127.0.0.1, which is printed)",
    )
    topics.add_argument("--no-wait", action="store_true", help="begin before anybody has subscribed")
    node = parser.add_argument_group("to a node, which looks at the recorded frames again")
    node.add_argument(
        "--to-node",
        nargs="?",
        const="",
        metavar="ENDPOINT",
        help="send the frames as streams of the same names (default: MASKBUS_ENDPOINT, else the usual endpoint)",
    )
    stream_flags.add_prompt(parser)


def _rate(text: str) -> float:
    value = _finite(text)
    if value < 0:
        raise argparse.ArgumentTypeError(f"a rate is 0 or more, not {text!r}")
    return value


def _seconds(text: str) -> float:
    value = _finite(text)
    if value < 0:
        raise argparse.ArgumentTypeError(f"seconds are 0 or more, not {text!r}")
    return value


def _finite(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"a number is wanted, not {text!r}") from None
    if not math.isfinite(value):
        raise argparse.ArgumentTypeError(f"a finite number is wanted, not {text!r}")
    return value
