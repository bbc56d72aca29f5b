"""When the child knows that its parent is gone."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from maskbus.adapters.parent_watch import LOOK, UNTOUCHED, ParentWatch, on_end_of_input


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_parent_that_lets_go() -> None:
    clock, held = Clock(), True
    watch = ParentWatch(lambda: held, clock)
    assert watch.gone() == ""
    assert watch.was_there
    held = False
    assert watch.gone() == ""  # it does not look each time
    assert 0 < watch.patience_ms <= LOOK * 1000 + 1
    clock.now += LOOK
    assert "gone" in watch.gone()


def test_a_parent_that_never_comes() -> None:
    clock = Clock()
    watch = ParentWatch(lambda: False, clock)
    while clock.now <= 100 + UNTOUCHED:
        assert watch.gone() == ""
        clock.now += LOOK
    assert "No parent" in watch.gone()
    assert not watch.was_there


def test_a_parent_that_comes_late() -> None:
    clock, held = Clock(), False
    watch = ParentWatch(lambda: held, clock)
    clock.now += UNTOUCHED - LOOK
    held = True
    assert watch.gone() == ""
    clock.now += UNTOUCHED
    assert watch.gone() == ""


def test_the_end_of_a_pipe_is_told() -> None:
    ours, theirs = os.pipe()
    told = threading.Event()
    thread = on_end_of_input(told.set, ours)
    assert thread is not None
    os.write(theirs, b"what a parent prints does not matter\n" * 1000)
    assert not told.wait(0.05)
    os.close(theirs)
    assert told.wait(10)
    thread.join()
    os.close(ours)


def test_other_inputs_say_nothing(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.touch()
    for name in (os.devnull, path):
        descriptor = os.open(name, os.O_RDONLY)
        assert on_end_of_input(lambda: pytest.fail("told"), descriptor) is None
        os.close(descriptor)
    assert on_end_of_input(lambda: pytest.fail("told"), descriptor) is None  # closed
