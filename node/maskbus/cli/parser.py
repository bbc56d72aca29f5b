"""The commands and their arguments. Nothing heavy is imported here: `--help` answers at once."""

from __future__ import annotations

import argparse
from typing import Any

from maskbus import __version__
from maskbus.cli import (
    answer_flags,
    everything_flags,
    flags,
    http_flags,
    prompt_flags,
    prompt_text,
    quantities,
    recording_flags,
    segment_flags,
    simulate_flags,
    stream_flags,
    view_flags,
)
from maskbus_wire import grid

DEFAULT_ENDPOINT = "tcp://127.0.0.1:7710"
NOT_OF_A_CHILD = ("bind", "publish", "ipc", "runtime_dir", "secret_key_file", "client_keys_dir", "allow_remote")
"""Settings of a node that others can reach."""

_OVERVIEW = """\
A ZeroMQ message-bus node for promptable segmentation: images and prompts in, masks out.
"""
_FIRST_STEPS = """\
examples:
  maskbus doctor                                  see what is installed and which models can run
  maskbus segment photo.jpg --point 320,240       segment what is at a point (no node needed)
  maskbus serve                                   run a node at tcp://127.0.0.1:7710
  maskbus top                                     watch it

`maskbus COMMAND --help` says more about each command.
"""


def build() -> argparse.ArgumentParser:
    """Return the parser of the whole command line; parsed arguments hold the `module` whose `run` is the command."""
    parser = argparse.ArgumentParser(
        prog="maskbus",
        description=_OVERVIEW,
        epilog=_FIRST_STEPS,
        formatter_class=_Overview,
    )
    parser.add_argument("--version", action="version", version=f"maskbus {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    _serve(commands)
    _child(commands)
    _segment(commands)
    _everything(commands)
    _stream(commands)
    _simulate(commands)
    _show(commands)
    _top(commands)
    _view(commands)
    _http(commands)
    _record(commands)
    _replay(commands)
    _config(commands)
    _doctor(commands)
    _models(commands)
    _keys(commands)
    _demo(commands)
    return parser


def _command(commands: Any, name: str, module: str, summary: str, more: str, examples: str) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = commands.add_parser(
        name,
        help=summary,
        description=f"{summary[0].upper()}{summary[1:]}. {more}",
        epilog="examples:\n" + "".join(f"  {line}\n" for line in examples.splitlines()),
        formatter_class=_Formatter,
        allow_abbrev=False,
    )
    parser.set_defaults(module=f"maskbus.cli.{module}")
    return parser


class _Overview(argparse.RawDescriptionHelpFormatter):
    """Make room for the longest command's name: argparse forgets that commands are indented."""

    def add_argument(self, action: argparse.Action) -> None:
        super().add_argument(action)
        if action.nargs == argparse.PARSER:
            self._action_max_length += 2


class _Formatter(argparse.HelpFormatter):
    """Keep the lines of the examples, and wrap everything else."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        if text.startswith("examples:"):
            return text
        return super()._fill_text(text, width, indent)


def _serve(commands: Any) -> None:
    parser = _command(
        commands,
        "serve",
        "serve",
        "run a node until Ctrl-C or SIGTERM",
        "One line on stdout says when it listens, and where; the log goes to stderr. A first signal lets requests in "
        "flight finish, a second one ends the node at once. The exit code is 0 after a clean stop.",
        "maskbus serve\n"
        "maskbus serve --bind tcp://127.0.0.1:8000 --publish tcp://127.0.0.1:8001 --model nano\n"
        "maskbus serve --model mobile-sam --pull\n"
        "maskbus serve --http 127.0.0.1:5000\n"
        "maskbus serve --config node.toml --queue-length 8",
    )
    parser.add_argument(
        "--pull",
        action="store_true",
        help="first download the weights that the named models lack, checked; see `maskbus models --help`",
    )
    parser.add_argument(
        "--http",
        type=http_flags.address,
        nargs="?",
        const=http_flags.ANYWHERE,
        metavar="[HOST:]PORT",
        help=f"serve HTTP as well, as `maskbus http` does (default where none is named: {http_flags.ANYWHERE})",
    )
    parser.add_argument("--drop-in", action="store_true", help=f"with --http: {http_flags.DROP_IN}")
    flags.add(parser)


def _child(commands: Any) -> None:
    parser = _command(
        commands,
        "child",
        "child",
        "run a node for the program that starts it, in shared memory",
        "For programs, not for people: one line of JSON on stdout says where the mapping is, requests and replies go "
        "through it, and the node ends with the program. No port is open to others. The log goes to stderr.",
        "maskbus child --model nano\nmaskbus child --mapping 128MiB --deadline-ms 5000",
    )
    parser.add_argument(
        "--mapping",
        type=quantities.nbytes,
        default="32MiB",
        metavar="SIZE",
        help="bytes that a request and its reply have, half each, such as 64MiB (default: 32MiB)",
    )
    parser.add_argument(
        "--events",
        default="",
        metavar="NAME",
        help="ring by the named events NAME.request and NAME.reply instead of by a socket (Windows only)",
    )
    flags.add(parser, without=NOT_OF_A_CHILD)


def _segment(commands: Any) -> None:
    parser = _command(
        commands,
        "segment",
        "segment",
        "segment one picture, or several by what is said of them",
        "The node at the endpoint does it; where none is named and none runs at the default one, a node is started for "
        "this call. Prints a table of the masks and writes the picture with the masks painted over it. Coordinates are "
        "pixels: x to the right, y down, from the top left corner.",
        "maskbus segment photo.jpg --point 320,240\n"
        "maskbus segment photo.jpg --point 320,240 --point 100,300,0 -o cut.png --mask-out mask.png\n"
        "maskbus segment photo.jpg --box 40,60,300,400 --box 320,60,500,400 --json\n"
        'maskbus segment photo.jpg --text "eyes and glasses" --not hair -o out.png\n'
        'maskbus segment photos --text "a red cup" --top 1 -o found\n'
        "maskbus segment --text-file prompts.csv -o found",
    )
    segment_flags.add(parser)
    _endpoint(parser)
    parser.add_argument(
        "--deadline",
        type=prompt_text.seconds,
        metavar="SECONDS",
        help="how long an answer may take (default: 30, or 300 where a node is started for the call; with a text 600)",
    )


def _everything(commands: Any) -> None:
    parser = _command(
        commands,
        "everything",
        "everything",
        "find all objects of a picture",
        "Of a photo, of the photos in a folder, or of the frames of a video: each object in a colour of its own, "
        "painted over the picture. The node at the endpoint does it; where none is named and none runs at the default "
        "one, a node is started for this call. docs/everything.md says what the settings do.",
        "maskbus everything photo.jpg\n"
        "maskbus everything photo.jpg --preset dense -o out.png --json out.json\n"
        "maskbus everything photos --preset fast --max-masks 50\n"
        "maskbus everything video.mp4 --every 5 --frames 0,99 -o frames",
    )
    parser.add_argument("source", metavar="PHOTO|VIDEO|FOLDER", help="JPEG, PNG or WebP, or a video that OpenCV reads")
    prompt_flags.add_model(parser, texts=False)
    parser.add_argument(
        "--preset",
        choices=tuple(grid.POINTS_PER_SIDE),
        default="default",
        help="where the settings come from: the model's own, many small objects, or a quick look (default: default)",
    )
    everything_flags.add(parser)
    answer_flags.add(parser)
    video = parser.add_argument_group("which frames of a video")
    video.add_argument(
        "--frames", type=prompt_text.span, metavar="A,B", help="from A to B, both included, from 0 (default: all)"
    )
    video.add_argument(
        "--every", type=prompt_text.count, default=1, metavar="N", help="only each Nth of them (default: 1)"
    )
    output = parser.add_argument_group("what comes out")
    output.add_argument(
        "-o",
        "--out",
        metavar="FILE|DIR",
        help="a PNG file for a photo, a directory for a folder, an .mp4 file or a directory for a video (default: "
        "named after what is searched, with -everything, in the current directory; with --json none is written unless "
        "it is named)",
    )
    output.add_argument("--json", metavar="FILE", help="the masks as a COCO data set; - prints it on stdout")
    output.add_argument(
        "--alpha", type=prompt_text.share, default=0.7, metavar="SHARE", help="how much colour, 0 to 1 (default: 0.7)"
    )
    output.add_argument(
        "--seed", type=prompt_text.seed, default=0, metavar="N", help="which colours, 0 to 9999 (default: 0)"
    )
    _endpoint(parser)
    parser.add_argument(
        "--deadline",
        type=prompt_text.seconds,
        metavar="SECONDS",
        help="how long the answer for one picture may take (default: 600)",
    )


def _stream(commands: Any) -> None:
    parser = _command(
        commands,
        "stream",
        "stream",
        "segment a video or a camera frame by frame, or follow objects through it",
        "The node at the endpoint does it; where none is named and none runs at the default one, a node is started for "
        "this call. At the end it says how many frames there were, and why those without masks have none. The exit "
        "code is 1 if one is missing that should not be. docs/streams.md says more.",
        "maskbus stream video.mp4 --point 320,240 --track -o followed.mp4\n"
        "maskbus stream camera:0 --box 40,60,300,400 --track -o followed.mp4 --seconds 20\n"
        "maskbus stream rtsp://camera/main --point 320,240 --max-fps 5 --json masks.json\n"
        "maskbus stream imagezmq://127.0.0.1:5555 --point 320,240",
    )
    stream_flags.add(parser)
    _endpoint(parser)


def _simulate(commands: Any) -> None:
    parser = _command(
        commands,
        "simulate",
        "simulate",
        "be a number of cameras, for a demonstration, a test or load",
        "Each shows a scene of its own, the same one each time, whose true masks are known: how well the answers fit "
        "is said at the end. The node at the endpoint answers; where none is named and none runs at the default one, a "
        "node is started for this call. Ctrl-C ends it.",
        "maskbus simulate --moving-shapes --track\n"
        "maskbus simulate --cameras 8 --fps 30 --size 640x480 --seconds 20\n"
        "maskbus simulate --write clip.mp4 --seconds 5",
    )
    simulate_flags.add(parser)
    _endpoint(parser)


def _show(commands: Any) -> None:
    for name, summary, more in (
        ("describe", "show what a node offers", "Its models, what each takes and still needs, and its limits."),
        ("ping", "measure the round trip to a node", "The shortest, median and longest of several, in milliseconds."),
        ("stats", "show how a node is doing", "Queues, rates, latencies, workers, topics and memory, once."),
    ):
        examples = f"maskbus {name}\nmaskbus {name} --endpoint tcp://127.0.0.1:8000 --json"
        parser = _command(commands, name, "show", summary, more, examples)
        parser.set_defaults(show=name)
        _endpoint(parser)
        if name == "ping":
            parser.add_argument(
                "-n", "--count", type=prompt_text.count, default=10, metavar="N", help="how many pings (default: 10)"
            )
        _deadline(parser)
        parser.add_argument("--json", action="store_true", help="print JSON")


def _top(commands: Any) -> None:
    parser = _command(
        commands,
        "top",
        "top",
        "watch a node live",
        "Queues by lane, rates, latencies, errors, workers, topics and memory. q or Ctrl-C ends it. It goes on when "
        "the node goes away, and is there again when the node is.",
        "maskbus top\nmaskbus top --endpoint tcp://127.0.0.1:8000 --interval 0.5\nmaskbus top --once",
    )
    _endpoint(parser)
    parser.add_argument(
        "--interval", type=prompt_text.seconds, default=1.0, metavar="SECONDS", help="time between looks (default: 1)"
    )
    parser.add_argument("--once", action="store_true", help="print one frame and end")


def _view(commands: Any) -> None:
    parser = _command(
        commands,
        "view",
        "view",
        "show the streams of a node on a web page",
        "Live pictures with their masks, rates, latencies and drops; click to point at things. The page is for this "
        "machine alone, and for whoever knows the address that is printed. Ctrl-C ends it. What nobody looks at is not "
        "subscribed to.",
        "maskbus view --open\nmaskbus view --prefix front --port 8080\nmaskbus view --endpoint tcp://127.0.0.1:8000",
    )
    _endpoint(parser)
    view_flags.add(parser)


def _http(commands: Any) -> None:
    parser = _command(
        commands,
        "http",
        "http_command",
        "serve HTTP in front of a node",
        "JSON, forms or images in, JSON or PNG out: /segment, /embed, /models, /healthz, /readyz, /metrics, /docs. One "
        "line on stdout says when it listens, and where. docs/http.md says more. `maskbus serve --http` runs a node "
        "and this beside it.",
        "maskbus http\nmaskbus http --listen 127.0.0.1:8080 --endpoint tcp://127.0.0.1:8000",
    )
    _endpoint(parser)
    http_flags.add(parser)


def _record(commands: Any) -> None:
    parser = _command(
        commands,
        "record",
        "record",
        "write what a node publishes to an MCAP file",
        "Each message whole, for `maskbus replay`, and as pictures that Foxglove shows. Ctrl-C ends it.",
        "maskbus record -o run.mcap\n"
        "maskbus record masks/front frames/front -o front.mcap --seconds 60\n"
        "maskbus record --no-view -o long.mcap",
    )
    recording_flags.add_record(parser)
    _endpoint(parser)


def _replay(commands: Any) -> None:
    parser = _command(
        commands,
        "replay",
        "replay",
        "publish a recording again, or hand its frames to a node",
        "Subscribers get the messages as they were recorded, byte for byte. docs/recording.md says more.",
        "maskbus replay run.mcap --info\n"
        "maskbus replay run.mcap --bind tcp://127.0.0.1:7721 --rate 2\n"
        "maskbus replay run.mcap --to-node --model nano --point 320,240",
    )
    recording_flags.add_replay(parser)


def _config(commands: Any) -> None:
    parser = _command(
        commands,
        "config",
        "config_command",
        "print the effective configuration",
        "Takes the flags of serve. Each value comes with its origin: default, file, environment or flag. The output is "
        "TOML that `maskbus serve --config` reads.",
        "maskbus config\nmaskbus config --queue-length 8 > node.toml\nmaskbus config --config node.toml --json",
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    flags.add(parser)


def _doctor(commands: Any) -> None:
    parser = _command(
        commands,
        "doctor",
        "doctor",
        "check what is installed and what is missing",
        "Versions, models and what each still needs, directories, shared memory, and whether a node runs. The exit "
        "code is 1 if something is wrong that the default model needs.",
        "maskbus doctor\nmaskbus doctor --config node.toml --json",
    )
    parser.add_argument("--config", metavar="FILE", help="configuration file (default: the one MASKBUS_CONFIG names)")
    parser.add_argument("--json", action="store_true", help="print JSON")


def _models(commands: Any) -> None:
    parser = _command(
        commands,
        "models",
        "models_command",
        "get the weights of models, and look at those that are there",
        "Nothing is downloaded but by `pull`. What arrives is checked, and checked again before it is used.",
        "maskbus models list\n"
        "maskbus models pull mobile-sam sam2.1-hiera-tiny\n"
        "maskbus models pull mobile-sam --from /media/usb\n"
        "maskbus models verify",
    )
    subcommands = parser.add_subparsers(title="subcommands", metavar="SUBCOMMAND", dest="models", required=True)
    for name, summary, more, example in (
        ("list", "show which weights there are", "Sizes, licences, and what is here.", "--json"),
        ("pull", "download weights and check them", "One that was broken off is gone on with.", "mobile-sam"),
        ("verify", "read the weights that are here, and compare", "The exit code is 1 if any are not right.", ""),
        ("path", "print where weights lie", "The exit code is 1 if they are not there.", "mobile-sam"),
    ):
        sub = _command(subcommands, name, "models_command", summary, more, f"maskbus models {name} {example}".rstrip())
        if name == "list":
            sub.add_argument("--json", action="store_true", help="print JSON, with sources, digests and citations")
        else:
            sub.add_argument("names", nargs="+" if name == "pull" else "*", metavar="NAME", help="as the list has it")
        if name == "pull":
            sub.add_argument(
                "--from",
                dest="source",
                metavar="FILE|URL",
                help="take it from a file, a directory with the file in it, or an http(s) address; one that ends in / "
                "is a directory (default: where it is published)",
            )
        sub.add_argument("--weights-dir", metavar="DIR", help="where weights lie (default: as `maskbus config` says)")
        sub.add_argument("--config", metavar="FILE", help="configuration file (default: the one MASKBUS_CONFIG names)")


def _keys(commands: Any) -> None:
    parser = _command(
        commands,
        "keys",
        "keys_command",
        "make CURVE keys, for a node that other machines may reach",
        "Writes NAME.key_secret, which only its owner may have, and NAME.key, the public key. A node with "
        "--secret-key-file takes encrypted connections only, from clients that know its public key "
        "(MASKBUS_SERVER_KEY: the key or its file); with --client-keys-dir only from those whose public keys lie there "
        "and who name their own secret file in MASKBUS_CLIENT_KEY.",
        "maskbus keys keys --name node\n"
        "maskbus serve --bind tcp://0.0.0.0:7710 --publish tcp://0.0.0.0:7711 --secret-key-file keys/node.key_secret\n"
        "MASKBUS_SERVER_KEY=keys/node.key maskbus ping --endpoint tcp://robot:7710",
    )
    parser.add_argument("directory", metavar="DIR", help="where the two files go; made if it is not there")
    parser.add_argument("--name", default="node", help="their name (default: node)")


def _demo(commands: Any) -> None:
    parser = _command(
        commands,
        "demo",
        "demo",
        "start a node and segment a photo over ZeroMQ",
        "A click, a box and a corrective click on an image the node keeps; then the node is stopped. Writes a picture "
        "of each answer and a strip of all of them, and prints where the time went.",
        "maskbus demo\nmaskbus demo --photo cat.jpg --out pictures\nmaskbus demo --picture docs/images/demo.png",
    )
    parser.add_argument(
        "--photo", metavar="FILE", help="JPEG, PNG or WebP (default: a photo that comes with scikit-image, no download)"
    )
    parser.add_argument("--out", default="demo-out", metavar="DIR", help="where the pictures go (default: demo-out)")
    parser.add_argument("--picture", metavar="FILE", help="the strip of all answers (default: demo.png in --out)")
    parser.add_argument("--model", default="", metavar="NAME", help="the model (default: the node's own default)")


def _endpoint(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--endpoint",
        metavar="ENDPOINT",
        help=f"tcp://HOST:PORT or ipc://PATH (default: MASKBUS_ENDPOINT, else {DEFAULT_ENDPOINT})",
    )


def _deadline(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--deadline",
        type=prompt_text.seconds,
        default=5.0,
        metavar="SECONDS",
        help="how long an answer may take (default: 5)",
    )
