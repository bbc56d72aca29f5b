"""The arguments of `maskbus simulate`."""

from __future__ import annotations

import argparse
import re

from maskbus.cli import prompt_text, stream_flags

_SMALLEST, _LARGEST = 16, 8192
_MOST_CAMERAS = 64


def add(parser: argparse.ArgumentParser) -> None:
    """Add them all, but for the endpoint."""
    cameras = parser.add_argument_group("the cameras")
    cameras.add_argument("--cameras", type=_cameras, default=1, metavar="N", help="how many (default: 1)")
    cameras.add_argument(
        "--fps", type=stream_flags.rate, default=30.0, metavar="N", help="frames a second (default: 30)"
    )
    cameras.add_argument("--size", type=_size, default="640x480", metavar="WxH", help="pixels (default: 640x480)")
    cameras.add_argument(
        "--moving-shapes",
        action="store_true",
        help="have things move, turn, hide one another, leave and come back (default: a still picture with grain, "
        "which costs nothing to make)",
    )
    cameras.add_argument("--seed", type=prompt_text.seed, default=0, metavar="N", help="which scenes (default: 0)")
    cameras.add_argument(
        "--encoding", choices=("jpeg", "raw"), default="jpeg", help="how frames are sent (default: jpeg)"
    )
    cameras.add_argument(
        "--shared-memory", action="store_true", help="hand raw frames over in shared memory where the node gives some"
    )
    cameras.add_argument("--name", default="cam", metavar="NAME", help="the streams are NAME0, NAME1, … (default: cam)")
    what = parser.add_argument_group("what is asked of the node")
    what.add_argument(
        "--track",
        action="store_true",
        help="follow the first object (default: whatever is where that was at the beginning)",
    )
    what.add_argument("--model", default="", metavar="NAME", help="the model (default: the node's own default)")
    what.add_argument("--policy", choices=stream_flags.POLICIES, help="which frames are looked at (default: newest)")
    what.add_argument(
        "--max-fps", type=stream_flags.rate, metavar="N", help="frames a second, at most; means --policy sample"
    )
    what.add_argument(
        "--max-age", type=prompt_text.seconds, metavar="SECONDS", help="leave out what has waited longer than this"
    )
    parser.add_argument("--seconds", type=prompt_text.seconds, metavar="SECONDS", help="end after so long")
    parser.add_argument("--json", action="store_true", help="print the figures at the end as JSON")
    parser.add_argument(
        "--write",
        metavar="FILE",
        help="write the first camera's scene, moving, as an .mp4 file with its true masks beside it, and end; no node "
        "is needed (default: 5 seconds)",
    )
    faults = parser.add_argument_group("faults", "What cameras do wrong, for tests.")
    faults.add_argument(
        "--garbage", type=prompt_text.count, default=0, metavar="N", help="each Nth frame is cut off in the middle"
    )
    faults.add_argument(
        "--change-size",
        type=prompt_text.count,
        default=0,
        metavar="N",
        help="after each N frames the picture has half its size, and then its own again",
    )
    faults.add_argument(
        "--vanish",
        type=prompt_text.seconds,
        metavar="SECONDS",
        help="the first camera is silent for so long, after sending for as long, again and again",
    )
    faults.add_argument(
        "--stamp-offset",
        type=_offset,
        default=0.0,
        metavar="SECONDS",
        help="the cameras' clocks are ahead by so much, or with =-SECONDS behind",
    )


def _cameras(text: str) -> int:
    value = prompt_text.count(text)
    if value > _MOST_CAMERAS:
        raise argparse.ArgumentTypeError(f"at most {_MOST_CAMERAS} cameras, not {text!r}")
    return value


def _size(text: str) -> tuple[int, int]:
    """Read "640x480": width and height in pixels."""
    found = re.fullmatch(r"(\d{1,5})[x×](\d{1,5})", text.strip())
    sides = (int(found[1]), int(found[2])) if found else (0, 0)
    if not all(_SMALLEST <= side <= _LARGEST for side in sides):
        raise argparse.ArgumentTypeError(
            f"a size is WIDTHxHEIGHT, such as 640x480, with {_SMALLEST} to {_LARGEST} pixels a side, not {text!r}"
        )
    return sides


def _offset(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not abs(value) < 2**32:
        raise argparse.ArgumentTypeError(f"a number of seconds is wanted, not {text!r}")
    return value
