"""The arguments of `maskbus stream`."""

from __future__ import annotations

import argparse

from maskbus.cli import answer_flags, prompt_flags, prompt_text

POLICIES = ("every", "newest", "sample")


def add(parser: argparse.ArgumentParser) -> None:
    """Add them all, but for the endpoint."""
    parser.add_argument(
        "source",
        metavar="SOURCE",
        help="a video file, a folder of pictures, camera:N, /dev/videoN, rtsp://…, http://… (a camera's), "
        "imagezmq://HOST:PORT (bound here, for senders), imagezmq+sub://HOST:PORT (a sender that publishes), or "
        "lerobot://HOST:PORT[/CAMERA]",
    )
    add_prompt(parser)
    add_flow(parser)
    output = parser.add_argument_group("what comes out")
    output.add_argument("-o", "--out", metavar="FILE", help="the frames with their masks, as an .mp4 file")
    output.add_argument("--json", metavar="FILE", help="the masks as a COCO data set")
    output.add_argument(
        "--alpha", type=prompt_text.share, default=0.7, metavar="SHARE", help="how much colour, 0 to 1 (default: 0.7)"
    )
    parser.add_argument(
        "--name", metavar="NAME", help="the stream's name (default: the source's; of several cameras each one's own)"
    )
    parser.add_argument("--seconds", type=prompt_text.seconds, metavar="SECONDS", help="end after so long")
    parser.add_argument(
        "--as-sent", action="store_true", help="lerobot: leave red and blue as they are in the server's JPEG files"
    )


def add_prompt(parser: argparse.ArgumentParser) -> None:
    """Add what is to be segmented."""
    prompt = parser.add_argument_group("what to segment, or to follow")
    prompt_flags.add_places(prompt)
    prompt_flags.add_texts(prompt)
    prompt.add_argument(
        "--track",
        action="store_true",
        help="follow what is there in the first frame, instead of looking at the same place in each frame",
    )
    prompt_flags.add_model(prompt)
    prompt_flags.add_choice(parser)
    answer_flags.add(parser, single=False)


def add_flow(parser: argparse.ArgumentParser) -> None:
    """Add which frames are looked at."""
    flow = parser.add_argument_group("which frames are looked at")
    flow.add_argument(
        "--policy",
        choices=POLICIES,
        help="every one, the newest only, or --max-fps of them a second (default: every one of files, the newest of "
        "cameras; a file whose frames may be left out is played at its own speed)",
    )
    flow.add_argument("--max-fps", type=rate, metavar="N", help="frames a second, at most; means --policy sample")
    flow.add_argument(
        "--max-age", type=prompt_text.seconds, metavar="SECONDS", help="leave out what has waited longer than this"
    )


def rate(text: str) -> float:
    """Read a number of frames a second, more than 0 and at most 1000."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value <= 1000:
        raise argparse.ArgumentTypeError(f"frames a second are more than 0 and at most 1000, not {text!r}")
    return value
