"""A node as the child of a program: the Python parent, and the command as any parent finds it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import psutil
import pytest

from maskbus.contract import scene
from maskbus.testing import node
from maskbus_client import Child, ChildDied, ClientClosed, DeadlineExceeded, TooLarge, UnknownModel
from maskbus_wire.replies import Error, Masks, Pong
from maskbus_wire.requests import Ping
from support.parents import CHILD, environment, gone_within, left_in, message, raw_parent
from support.peer import TINY, raw, segment

posix = pytest.mark.skipif(os.name == "nt", reason="signals are those of POSIX")
QUIET = ("--log-level", "warning")


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("MASKBUS_")]:
        monkeypatch.delenv(name)


@pytest.fixture
def directory(tmp_path: Path) -> Iterator[Path]:
    made = tmp_path / "memory"
    made.mkdir(mode=0o700)
    yield made
    assert not left_in(made)


def start(directory: Path, *flags: str, **arguments: object) -> Child:
    settings = {"model": "echo", "mapping": "1MiB", "deadline": 20.0} | arguments
    return Child(arguments=[*QUIET, "--image-dir", str(directory), *flags], **settings)  # type: ignore[arg-type]


@pytest.fixture
def child(directory: Path) -> Iterator[Child]:
    with start(directory, model=["echo", "failing"], checksum=True) as made:
        yield made


# -- the Python parent -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("encoding", ["rle", "bits", "bits+zlib", "png", "png_base64", "polygon", "raw", "labels"])
def test_masks_are_those_of_any_other_client(directory: Path, encoding: str) -> None:
    image = scene()
    with node() as running, running.client() as client, start(directory, model="grabcut") as child:
        for points in ([(60, 40)], [(60, 40), (5, 5)]):
            labels = [1, 0][: len(points)]
            one = client.segment(image, points=points, labels=labels, encoding=encoding)
            other = child.segment(image, points=points, labels=labels, encoding=encoding)
            assert one.best.bbox == other.best.bbox
            assert np.array_equal(one.to_array(), other.to_array())


def test_every_operation(child: Child) -> None:
    assert child.ping().endpoints == ["inproc://requests"]
    assert {model.name for model in child.describe().models} == {"echo", "failing"}
    assert child.describe().models[0].default or child.describe().models[1].default
    result = child.segment(TINY, box=(1, 1, 3, 3), stamp=7, frame_id="front", id="mine")
    assert (result.id, result.stamp, result.frame_id, result.best.area) == ("mine", 7, "front", 4)
    with child.image(TINY, model="echo") as image:
        assert image.segment(box=(0, 0, 2, 2)).best.area == 4
        assert image.segment(box=(0, 0, 5, 4)).best.area == 20
        assert child.stats().images == 1
    assert child.stats().images == 0


def test_pixels_with_any_step_and_files(child: Child) -> None:
    wide = np.arange(4 * 12 * 3, dtype=np.uint8).reshape(4, 12, 3)
    assert child.segment(wide[:, 2:7], box=(0, 0, 5, 4)).best.area == 20
    assert child.segment(wide[::2, ::3], box=(0, 0, 4, 2)).best.area == 8
    assert child.segment(np.asfortranarray(wide[:, :, 0]), box=(0, 0, 12, 4)).best.area == 48


def test_errors_are_the_nodes(child: Child) -> None:
    with pytest.raises(UnknownModel) as caught:
        child.segment(TINY, model="nothing")
    assert caught.value.path == "model"
    assert child.ping()


def test_what_does_not_fit(child: Child) -> None:
    with pytest.raises(TooLarge, match="its slot has 524288") as caught:
        child.segment(np.zeros((600, 400, 3), np.uint8))
    assert caught.value.path == "image"
    image = np.zeros((800, 800), np.uint8)
    with pytest.raises(TooLarge):
        child.segment(image, encoding="raw")
    with child.image(np.zeros((800, 200, 3), np.uint8), model="echo") as kept:
        # Four masks of 160000 bytes each are too many for a reply, two are not.
        boxes = [(0, 0, 9, 9 + i) for i in range(4)]
        with pytest.raises(TooLarge, match="smaller encoding") as caught:
            kept.segment(boxes=boxes, encoding="raw")
        assert caught.value.path == "encodings"
        assert [mask.area for mask in kept.segment(boxes=boxes, encoding="bits")] == [81, 90, 99, 108]
        assert len(kept.segment(boxes=boxes[:2], encoding="raw")) == 2


def test_a_late_reply_is_never_taken_for_another(child: Child) -> None:
    child.segment(TINY, model="failing")  # its worker is there
    for _ in range(3):
        with pytest.raises(DeadlineExceeded):
            child.segment(TINY, model="failing", options={"work": 0.4}, deadline=0.1)
        result = child.segment(TINY, box=(0, 0, 3, 1), id="next")
        assert (result.id, result.best.area) == ("next", 3)


def test_threads_take_turns(child: Child) -> None:
    found: list[tuple[int, int]] = []

    def ask(width: int) -> None:
        for _ in range(5):
            found.append((width, child.segment(TINY, box=(0, 0, width, 1)).best.area))

    threads = [threading.Thread(target=ask, args=(width,)) for width in range(1, 5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 20
    assert all(width == area for width, area in found)


def test_close_from_another_thread(directory: Path) -> None:
    child = start(directory, model="failing")
    raised: list[BaseException] = []

    def ask() -> None:
        try:
            child.segment(TINY, options={"hang": 3600})
        except BaseException as error:
            raised.append(error)

    thread = threading.Thread(target=ask)
    thread.start()
    until = time.monotonic() + 20
    while not any(process.cpu_percent() >= 0 for process in psutil.Process(child.pid).children()):
        assert time.monotonic() < until
    child.close()
    thread.join(20)
    assert isinstance(raised[0], ClientClosed)
    with pytest.raises(ClientClosed):
        child.ping()
    child.close()


@posix
def test_the_childs_end_is_noticed_at_once_and_it_can_be_started_again(directory: Path) -> None:
    with start(directory, model=["echo", "failing"]) as child:
        image = child.image(TINY, model="echo")
        process = psutil.Process(child.pid)
        killer = threading.Timer(0.3, process.kill)
        killer.start()
        begin = time.monotonic()
        with pytest.raises(ChildDied, match="ended by signal 9") as caught:
            child.segment(TINY, model="failing", options={"work": 30}, deadline=60)
        assert time.monotonic() - begin < 5
        assert caught.value.exit_code == -9
        with pytest.raises(ChildDied):
            child.ping()
        child.restart()
        assert child.pid != process.pid
        assert image.segment(box=(0, 0, 2, 2)).best.area == 4  # its pixels were sent again


@pytest.mark.parametrize(
    ("command", "sentence"),
    [
        (["/nowhere/maskbus"], "cannot be started"),
        ([sys.executable, "-c", "import sys; sys.exit(3)"], "never ready. The child exited with code 3"),
        ([sys.executable, "-c", "print('hello')"], "where its ready line was due"),
        ([sys.executable, "-c", "print('{\"ready\": true}')"], "where its ready line was due"),
        ([sys.executable, "-c", "import time; time.sleep(3600)"], "not ready within 1 s"),
    ],
)
def test_a_child_that_does_not_come_up(command: list[str], sentence: str) -> None:
    before = set(psutil.Process().children())
    with pytest.raises(ChildDied, match=sentence):
        Child(command=command, start_timeout=30 if "sleep" not in command[-1] else 1)
    assert set(psutil.Process().children()) == before


def test_wrong_flags_are_said_in_one_line(directory: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ChildDied, match="exited with code 1"):
        start(directory, mapping="64KiB")
    said = capfd.readouterr().err
    assert said.strip() == "maskbus: --mapping: a mapping has at least 131072 bytes, not 65536."
    with pytest.raises(ChildDied, match="exited with code 2"):
        start(directory, mapping="much")


# -- the command -------------------------------------------------------------------------------------------------------


def test_a_raw_parent(directory: Path) -> None:
    with raw_parent(directory) as parent:
        assert isinstance(parent.ask(Ping(id="1")), Pong)
        reply, masks = parent.exchange(message(segment(box=[0, 0, 2, 2], encodings=["raw"]), TINY))
        assert isinstance(reply, Masks)
        assert sum(masks[0]) == 4 * 255


def test_nothing_but_the_ready_line_is_on_standard_output(directory: Path) -> None:
    with raw_parent(directory, "--log-level", "debug") as parent:
        parent.ask(segment(), TINY)
        assert parent.process.stdin is not None
        parent.process.stdin.close()
        assert parent.process.stdout is not None
        assert parent.process.stdout.read() == b""
        assert parent.wait() == 0


@pytest.mark.parametrize("way", ["lock", pytest.param("SIGTERM", marks=posix), pytest.param("SIGINT", marks=posix)])
def test_a_clean_end(directory: Path, way: str) -> None:
    with raw_parent(directory) as parent:
        parent.ask(segment(), TINY)
        workers = psutil.Process(parent.process.pid).children(recursive=True)
        begin = time.monotonic()
        if way == "lock":
            time.sleep(0.6)  # so that the child has seen the lock once
            begin = time.monotonic()
            os.close(parent.descriptor)
            parent.descriptor = os.open(os.devnull, os.O_RDONLY)
        else:
            parent.process.send_signal(getattr(signal, way))
        assert parent.wait() == 0
        assert time.monotonic() - begin < 2
        assert not left_in(directory)
        assert not psutil.wait_procs(workers, 10)[1]


@posix
def test_sigterm_lets_what_is_under_way_finish(directory: Path) -> None:
    with raw_parent(directory, models=["failing"]) as parent:
        parent.ask(segment("failing"), TINY)
        before = sum(1 for _ in directory.rglob("*"))
        larger = np.zeros((400, 400, 3), np.uint8)
        request = segment("failing", image=raw(larger), id="last", options={"work": 0.5})
        parent.ring(parent.write(message(request, larger.tobytes())))
        until = time.monotonic() + 20
        while sum(1 for _ in directory.rglob("*")) == before:  # until the node has its pixels
            assert time.monotonic() < until
        parent.process.terminate()
        parent.hear()
        _, frames = parent.read()
        assert b"segment" in frames[0]
        assert b"last" in frames[0]
        assert parent.wait() == 0


def test_the_default_deadline_is_the_nodes_and_the_requests_own_goes_first(directory: Path) -> None:
    with raw_parent(directory, "--deadline-ms", "300", models=["failing"]) as parent:
        parent.ask(segment("failing", deadline_ms=20_000), TINY)
        begin = time.monotonic()
        late = parent.ask(segment("failing", options={"work": 20}), TINY)
        assert isinstance(late, Error)
        assert late.code == "deadline_exceeded"
        assert time.monotonic() - begin < 5
        reply = parent.ask(segment("failing", options={"work": 0.6}, deadline_ms=20_000), TINY)
        assert isinstance(reply, Masks)


def test_the_first_of_the_named_models_is_the_default(directory: Path) -> None:
    with raw_parent(directory, models=["failing", "echo"]) as parent:
        reply = parent.ask(segment("", deadline_ms=20_000), TINY)
        assert isinstance(reply, Masks)
        assert reply.model == "failing"


def test_the_environment_cannot_open_a_port(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    command = [*CHILD, "--image-dir", str(directory), "--model", "echo", *QUIET]
    settings = environment() | {"MASKBUS_BIND": "tcp://127.0.0.1:*", "MASKBUS_PUBLISH": "tcp://127.0.0.1:*"}
    process = subprocess.Popen(command, env=settings, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdin is not None
    try:
        ready = json.loads(process.stdout.readline())
        listening = psutil.Process(process.pid).net_connections("tcp")
        assert len(listening) == int(ready["bell"].startswith("tcp:"))
    finally:
        process.stdin.close()
        process.wait(20)
        process.stdout.close()


@posix
def test_a_child_whose_input_is_no_pipe_lives_by_the_lock(directory: Path) -> None:
    command = [*CHILD, "--image-dir", str(directory), "--model", "echo", *QUIET]
    code = "import json,os,sys,time\nfrom maskbus_wire import shared_lock\n"
    code += "shared_lock.hold(os.open(sys.argv[1], os.O_RDWR))\nprint('held', flush=True)\ntime.sleep(600)"
    with subprocess.Popen(command, env=environment(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        mapping = Path(json.loads(process.stdout.readline())["mapping"])
        with subprocess.Popen([sys.executable, "-c", code, str(mapping)], stdout=subprocess.PIPE) as parent:
            assert parent.stdout is not None
            assert parent.stdout.readline() == b"held\n"
            time.sleep(1.2)
            assert mapping.exists()
            parent.kill()
            assert gone_within(mapping, 5)
        assert process.wait(20) == 0


@posix
def test_named_events_are_refused_where_there_are_none(directory: Path) -> None:
    command = [*CHILD, "--image-dir", str(directory), "--model", "echo", *QUIET, "--events", "program"]
    done = subprocess.run(command, env=environment(), capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 1
    assert "Windows only" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert done.stdout == ""
