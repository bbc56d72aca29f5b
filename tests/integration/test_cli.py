"""The command line against real nodes, as processes of their own."""

from __future__ import annotations

import contextlib
import io
import json
import os
import queue
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw

from maskbus.cli import main, own_node, ready_line, some_node
from maskbus.cli.ready_line import ReadyLine
from maskbus_wire import rle

MASKBUS = [sys.executable, "-m", "maskbus"]
ANYWHERE = ["--bind", "tcp://127.0.0.1:*", "--publish", "tcp://127.0.0.1:*"]
PATIENCE = 30.0
posix = pytest.mark.skipif(sys.platform == "win32", reason="signals and terminals are POSIX's here")


@dataclass
class Node:
    process: subprocess.Popen[str]
    ready: ReadyLine

    @property
    def endpoint(self) -> str:
        return self.ready.endpoints[0]

    def ended(self) -> int:
        return self.process.wait(PATIENCE)


def environment() -> dict[str, str]:
    """Return the process's own environment without what would configure a node."""
    return {name: value for name, value in os.environ.items() if not name.startswith("MASKBUS_")}


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("MASKBUS_")]:
        monkeypatch.delenv(name)


@contextlib.contextmanager
def serving(*flags: str, log: Path | None = None) -> Iterator[Node]:
    """Run a node until the block ends; it listens when the block begins."""
    with contextlib.ExitStack() as stack:
        stderr = stack.enter_context(log.open("w")) if log else None
        process = stack.enter_context(
            subprocess.Popen(
                [*MASKBUS, "serve", *ANYWHERE, *flags],
                stdout=subprocess.PIPE,
                stderr=stderr,
                text=True,
                env=environment(),
            )
        )
        try:
            assert process.stdout is not None
            ready = ready_line.parse(process.stdout.readline())
            assert ready is not None
            yield Node(process, ready)
        finally:
            if process.poll() is None:
                process.terminate()


@pytest.fixture(scope="module")
def node() -> Iterator[Node]:
    offered = ("--model", "echo", "--model", "grabcut", "--default-model", "grabcut")
    with serving(*offered, "--log-level", "warning") as served:
        yield served


@dataclass
class Done:
    stdout: str
    stderr: str


def maskbus(*arguments: str, code: int = 0, cwd: Path | None = None) -> Done:
    """Run a command that asks a node, in this process: starting one for each would take most of the time."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), working_in(cwd):
        assert main(arguments) == code, err.getvalue()
    return Done(out.getvalue(), err.getvalue())


@contextlib.contextmanager
def working_in(directory: Path | None) -> Iterator[None]:
    before = Path.cwd()
    os.chdir(directory or before)
    try:
        yield
    finally:
        os.chdir(before)


def as_process(*arguments: str, code: int = 0, cwd: Path | None = None) -> Done:
    """Run a command as a process of its own."""
    done = subprocess.run(
        [*MASKBUS, *arguments], capture_output=True, text=True, timeout=PATIENCE, env=environment(), cwd=cwd
    )
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    return Done(done.stdout, done.stderr)


def answered(*arguments: str, **named: Any) -> Any:
    return json.loads(maskbus(*arguments, "--json", **named).stdout)


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    """Return a picture file: a bright disc on dark noise, which GrabCut cannot miss."""
    pixels = np.random.default_rng(7).integers(20, 60, (120, 160, 3), np.uint8)
    image = Image.fromarray(pixels)
    ImageDraw.Draw(image).ellipse((50, 30, 110, 90), fill=(230, 120, 40))
    path = tmp_path / "disc.png"
    image.save(path)
    return path


def pixels_of(path: Path) -> np.ndarray[Any, np.dtype[np.uint8]]:
    with Image.open(path) as image:
        return np.asarray(image)


# -- asking a node -------------------------------------------------------------------------------------------------


def test_ping(node: Node) -> None:
    plain = answered("ping", "--endpoint", node.endpoint, "--count", "3")
    assert len(plain["round_trips_ms"]) == 3
    assert plain["min_ms"] <= plain["median_ms"] <= plain["max_ms"]
    assert node.endpoint in plain["endpoints"]
    text = as_process("ping", "--endpoint", node.endpoint).stdout
    assert "10 pings" in text


def test_ping_by_ipc(node: Node) -> None:
    ipc = [endpoint for endpoint in node.ready.endpoints if endpoint.startswith("ipc://")]
    if not ipc:
        pytest.skip("there are no ipc sockets here")
    assert answered("ping", "--endpoint", ipc[0])["version"] == node.ready.version


def test_describe(node: Node) -> None:
    plain = answered("describe", "--endpoint", node.endpoint)
    assert [model["name"] for model in plain["models"]] == ["echo", "grabcut"]
    text = as_process("describe", "--endpoint", node.endpoint).stdout
    assert "grabcut (default)" in text
    assert "images in rgb8" in text


def test_stats_and_top(node: Node, photo: Path) -> None:
    answered("segment", str(photo), "--model", "echo", "--point", "3,3", "--endpoint", node.endpoint)
    (echo,) = [model for model in answered("stats", "--endpoint", node.endpoint)["models"] if model["name"] == "echo"]
    assert echo["answered"] >= 1
    for command in (["stats"], ["top", "--once"]):
        text = maskbus(*command, "--endpoint", node.endpoint).stdout
        assert re.search(r"^echo +0 +0 +0 +0 ", text, re.MULTILINE)
        assert re.search(r"^grabcut +cpu +(ready|starting|busy) ", text, re.MULTILINE)


def test_the_environment_names_the_node(node: Node, monkeypatch: pytest.MonkeyPatch, capfd: Any) -> None:
    monkeypatch.setenv("MASKBUS_ENDPOINT", node.endpoint)
    assert main(["ping", "-n", "1"]) == 0
    assert node.endpoint in capfd.readouterr().out


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
        assert isinstance(port, int)
        return port


@pytest.mark.parametrize("command", [["ping", "--deadline", "0.5"], ["stats", "--deadline", "0.5"], ["top", "--once"]])
def test_without_a_node_it_says_what_to_do(command: list[str]) -> None:
    done = maskbus(*command, "--endpoint", f"tcp://127.0.0.1:{free_port()}", code=1)
    assert done.stdout == ""
    assert done.stderr.startswith("maskbus: Nobody answered at tcp://127.0.0.1:")
    assert "maskbus serve" in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("endpoint", [f"ipc:///{'x' * 200}", "tcp://two words:99"])
def test_an_endpoint_that_cannot_be_is_one_line(endpoint: str) -> None:
    done = maskbus("ping", "--endpoint", endpoint, code=1)
    assert done.stderr.startswith("maskbus: ")
    assert done.stderr.count("\n") == 1


# -- segmenting ----------------------------------------------------------------------------------------------------


def test_segment_prints_a_table_and_writes_the_pictures(node: Node, photo: Path) -> None:
    done = maskbus(
        *("segment", "disc.png", "--point", "80,60", "--endpoint", node.endpoint, "--mask-out", "mask.png"),
        cwd=photo.parent,
    )
    assert "grabcut: " in done.stdout
    assert "written: disc-masks.png" in done.stdout
    assert "written: mask.png" in done.stdout
    assert done.stderr == ""
    mask = pixels_of(photo.parent / "mask.png") == 255
    disc = pixels_of(photo)[:, :, 0] == 230
    assert (mask & disc).sum() / (mask | disc).sum() > 0.9
    painted = pixels_of(photo.parent / "disc-masks.png")
    assert painted.shape == (120, 160, 3)


def test_brackets_in_a_name_are_no_markup(node: Node, photo: Path) -> None:
    photo.rename(photo.parent / "[red]cat[bold].png")
    done = maskbus("segment", "[red]cat[bold].png", "--model", "echo", "--endpoint", node.endpoint, cwd=photo.parent)
    assert "No masks." in done.stdout
    assert "written: [red]cat[bold]-masks.png" in done.stdout


def test_segment_answers_in_json_alone(node: Node, photo: Path) -> None:
    arguments = ["--model", "echo", "--box", "10,20,30,50", "--box", "40,20,60,30", "--endpoint", node.endpoint]
    plain = answered("segment", "disc.png", *arguments, "-o", "out.png", "--mask-out", "mask.png", cwd=photo.parent)
    assert plain["model"] == "echo"
    assert [mask["bbox"] for mask in plain["masks"]] == [[10, 20, 20, 30], [40, 20, 20, 10]]
    assert [mask["area"] for mask in plain["masks"]] == [600, 200]
    assert plain["files"] == {"picture": ["out.png"], "masks": ["mask-0.png", "mask-1.png"]}
    assert plain["timings"]["round_trip_ms"] >= plain["timings"]["total_ms"] > 0
    found = rle.decode(plain["masks"][0]["rle"]["counts"], 120, 160)
    assert np.array_equal(found, pixels_of(photo.parent / "mask-0.png") == 255)


def test_segment_in_json_writes_nothing_unasked(node: Node, photo: Path) -> None:
    answered("segment", "disc.png", "--model", "echo", "--point", "3,3", "--endpoint", node.endpoint, cwd=photo.parent)
    assert [path.name for path in photo.parent.iterdir()] == ["disc.png"]


def test_segment_sends_a_mask(node: Node, photo: Path) -> None:
    grey = np.zeros((120, 160), np.uint8)
    grey[10:20, 30:50] = 255
    Image.fromarray(grey).save(photo.parent / "mask.png")
    arguments = ["--model", "echo", "--mask", "mask.png", "--endpoint", node.endpoint, "--encoding", "png"]
    plain = answered("segment", "disc.png", *arguments, cwd=photo.parent)
    assert plain["masks"][0]["bbox"] == [30, 10, 20, 10]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--model", "none"], "`maskbus describe` lists the models."),
        (["--text", "a disc"], "`maskbus describe` says which prompts"),
        (["--encoding", "gif"], "There is no mask encoding 'gif'"),
    ],
)
def test_what_the_node_refuses_is_one_line(node: Node, photo: Path, arguments: list[str], words: str) -> None:
    point = [] if "--text" in arguments else ["--point", "3,3"]
    done = maskbus("segment", str(photo), *point, *arguments, "--endpoint", node.endpoint, code=1, cwd=photo.parent)
    assert done.stdout == ""
    assert done.stderr.startswith("maskbus: ")
    assert words in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.fixture
def lonely(monkeypatch: pytest.MonkeyPatch) -> str:
    """Have the default endpoint be one where no node runs, whatever else this machine does."""
    endpoint = f"tcp://127.0.0.1:{free_port()}"
    monkeypatch.setattr(some_node, "DEFAULT_ENDPOINT", endpoint)
    return endpoint


def test_segment_starts_a_node_where_there_is_none(lonely: str, photo: Path, capfd: Any) -> None:
    assert main(["segment", str(photo), "--model", "echo", "--point", "3,3", "--json"]) == 0
    output = capfd.readouterr()
    assert output.err == f"maskbus: no node runs at {lonely}; starting one for this call.\n"
    plain = json.loads(output.out)
    assert plain["masks"][0]["area"] == 9
    # It is gone with the call.
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", int(plain["endpoint"].rpartition(":")[2])), 1).close()


def test_a_node_that_cannot_start_says_why(lonely: str, photo: Path, capfd: Any) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["segment", str(photo), "--model", "none", "--point", "3,3"])
    assert ended.value.code == 1
    announcement, reason = capfd.readouterr().err.splitlines()
    assert "starting one" in announcement
    assert reason.startswith("maskbus: models: 'none' is not installed")


# -- serving -------------------------------------------------------------------------------------------------------


@posix
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_the_node_cleanly(number: signal.Signals, tmp_path: Path) -> None:
    log = tmp_path / "log"
    with serving("--model", "echo", "--preload", "echo", "--runtime-dir", str(tmp_path / "run"), log=log) as served:
        assert served.ready.models == ["echo"]
        assert len(list((tmp_path / "run").iterdir())) == 2
        served.process.send_signal(number)
        assert served.ended() == 0
        assert served.process.stdout is not None
        assert served.process.stdout.read() == ""  # one line on stdout, and no more
    assert list((tmp_path / "run").iterdir()) == []
    words = log.read_text()
    assert "Stopped." in words
    assert "Traceback" not in words


def test_a_port_that_is_taken_is_one_line(node: Node) -> None:
    done = as_process("serve", "--bind", node.endpoint, "--publish", "tcp://127.0.0.1:*", "--no-preload", code=1)
    assert done.stdout == ""
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("maskbus: ")]
    assert f"Cannot listen at {node.endpoint}" in line
    assert "--bind tcp://127.0.0.1:PORT" in line
    topics = node.ready.publish_endpoints[0]
    done = as_process("serve", "--bind", "tcp://127.0.0.1:*", "--publish", topics, "--no-preload", code=1)
    assert "--publish tcp://127.0.0.1:PORT" in done.stderr


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--bind", "tcp://0.0.0.0:7710"], "allow_remote"),
        (["--config", "none.toml"], "none.toml cannot be read"),
        (["--model", "none"], "'none' is not installed"),
        (["--log-level", "loud"], "log_level (flag)"),
    ],
)
def test_a_wrong_configuration_is_one_line(flags: list[str], words: str, tmp_path: Path) -> None:
    done = as_process("serve", *flags, code=1, cwd=tmp_path)
    assert done.stdout == ""
    assert done.stderr.startswith("maskbus: ")
    assert words in done.stderr
    assert done.stderr.count("\n") == 1


def test_doctor_sees_the_node(node: Node, monkeypatch: pytest.MonkeyPatch, capfd: Any) -> None:
    monkeypatch.setenv("MASKBUS_ENDPOINT", node.endpoint)
    assert main(["doctor", "--json"]) == 0
    findings = {finding["name"]: finding for finding in json.loads(capfd.readouterr().out)["findings"]}
    assert findings[node.endpoint]["state"] == "ok"
    assert findings["nano (default)"]["state"] == "ok"


# -- the live screen -----------------------------------------------------------------------------------------------


class Terminal:
    """A pseudo-terminal, and what has been written to it."""

    def __init__(self) -> None:
        self.ours, self.theirs = os.openpty()
        self._chunks: queue.Queue[bytes] = queue.Queue()
        self._seen = b""
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        with contextlib.suppress(OSError):  # the other end is closed: that is how a terminal says so
            while chunk := os.read(self.ours, 65536):
                self._chunks.put(chunk)

    def wait_for(self, words: str) -> None:
        """Wait until these words are written, after those waited for before."""
        while words.encode() not in self._seen:
            self._seen += self._chunks.get(timeout=PATIENCE)
        self._seen = self._seen.rpartition(words.encode())[2]

    def press(self, key: str) -> None:
        os.write(self.ours, key.encode())

    def close(self) -> None:
        os.close(self.theirs)
        self._reader.join(PATIENCE)
        os.close(self.ours)


@posix
def test_top_follows_a_node_that_is_restarted() -> None:
    terminal = Terminal()
    port = free_port()
    place = ["--bind", f"tcp://127.0.0.1:{port}", "--publish", "tcp://127.0.0.1:*", "--model", "echo", "--no-ipc"]
    command = [*MASKBUS, "top", "--endpoint", f"tcp://127.0.0.1:{port}", "--interval", "0.1"]
    ends = {"stdin": terminal.theirs, "stdout": terminal.theirs, "stderr": terminal.theirs}
    size = {"COLUMNS": "120", "LINES": "40", "TERM": "xterm"}
    with subprocess.Popen(command, env={**environment(), **size}, **ends) as top:
        try:
            terminal.wait_for("no answer")
            for _ in range(2):
                served = subprocess.Popen([*MASKBUS, "serve", *place], stderr=subprocess.DEVNULL, env=environment())
                with served:
                    terminal.wait_for("nothing asked yet")
                    served.terminate()
                terminal.wait_for("no answer")
            terminal.press("q")
            assert top.wait(PATIENCE) == 0
        finally:
            if top.poll() is None:
                top.kill()
            top.wait()
            terminal.close()


# -- the demo ------------------------------------------------------------------------------------------------------


def test_demo_on_a_photo_of_ones_own(photo: Path) -> None:
    done = as_process(
        "demo", "--photo", "disc.png", "--out", "pictures", "--picture", "deep/strip.png", cwd=photo.parent
    )
    written = sorted(path.name for path in (photo.parent / "pictures").iterdir())
    assert written == ["box.png", "click.png", "corrected.png", "photo.png"]
    for name in written:
        assert pixels_of(photo.parent / "pictures" / name).shape == (120, 160, 3)
    assert pixels_of(photo.parent / "deep" / "strip.png").shape[1] > 4 * 160
    assert "a second click" in done.stdout
    assert done.stderr == ""


def test_demo_on_its_own_photo(tmp_path: Path) -> None:
    pytest.importorskip("skimage")
    as_process("demo", "--model", "echo", cwd=tmp_path)
    assert sorted(path.name for path in (tmp_path / "demo-out").iterdir()) == [
        "box.png",
        "click.png",
        "corrected.png",
        "demo.png",
        "photo.png",
    ]


def test_demo_on_the_photo_that_a_demo_has_left(photo: Path) -> None:
    (photo.parent / "photo.png").write_bytes(photo.read_bytes())
    done = as_process("demo", "--photo", "photo.png", "--out", ".", "--model", "echo", cwd=photo.parent)
    assert done.stderr == ""
    assert (photo.parent / "photo.png").read_bytes() == photo.read_bytes()


@posix
def test_a_node_of_ones_own_goes_when_its_command_is_ended(lonely: str) -> None:
    code = (
        "import sys; from maskbus.cli import entry, own_node\n"
        "with entry._termination(), own_node.running('echo') as ready:\n"
        "    print(ready.endpoints[0], flush=True); sys.stdin.read()"
    )
    ends = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", code], text=True, env=environment(), **ends) as process:
        assert process.stdout is not None
        port = int(process.stdout.readline().strip().rpartition(":")[2])
        process.terminate()
        assert process.wait(PATIENCE) == 128 + signal.SIGTERM
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), 1).close()


def test_the_ready_line_of_a_node_of_ones_own() -> None:
    with own_node.running("echo") as ready:
        assert ready.models == ["echo"]
        assert all(endpoint.startswith("tcp://127.0.0.1:") for endpoint in ready.endpoints)
