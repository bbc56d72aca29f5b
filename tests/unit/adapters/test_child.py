"""The node and the adapter beside each other: when the one ends, the other does."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import msgspec
import pytest

from maskbus.adapters.child import ChildFailed, ChildNode
from maskbus.config import Config
from maskbus.engine import catalogue
from maskbus.engine.launch import ThreadLauncher
from maskbus.handlers.echo import EchoHandler
from maskbus_wire import shared_lock
from support.parents import Mapped, left_in

HANDLERS = {"echo": EchoHandler}


def make(directory: Path, mapping_bytes: int = 1 << 20, **settings: Any) -> ChildNode:
    config = msgspec.convert({"image_dir": str(directory), "default_model": "echo", **settings}, Config)
    return ChildNode(config, catalogue.of(HANDLERS, config), mapping_bytes, launcher=ThreadLauncher(HANDLERS))


def test_ready_line(tmp_path: Path) -> None:
    directory = tmp_path / "memory"
    child = make(directory)
    ready = json.loads(child.ready_line)
    mapped = Mapped(ready["mapping"])
    assert ready["ready"] is True
    assert (ready["bytes"], ready["generation"]) == (mapped.header.file_bytes, mapped.header.generation)
    assert mapped.header.file_bytes == 4096 + (1 << 20)
    mapped.close()
    child.close()
    assert not left_in(directory)


def test_where_it_listens_is_not_the_users_to_say(tmp_path: Path) -> None:
    child = make(tmp_path / "memory", bind=["tcp://127.0.0.1:1"], publish=["tcp://127.0.0.1:2"])
    assert child._bus.endpoints == ["inproc://requests"]
    assert child._bus.publish_endpoints == []
    child.close()


def test_no_room_for_the_mapping(tmp_path: Path) -> None:
    directory = tmp_path / "memory"
    with pytest.raises(ChildFailed, match=r"no room for a mapping of \d+ bytes .* Choose a smaller --mapping"):
        make(directory, 1 << 62)
    assert not left_in(directory)


def test_stop(tmp_path: Path) -> None:
    directory = tmp_path / "memory"
    child = make(directory)
    child.run(lambda line: child.stop())
    assert not left_in(directory)


def test_a_parent_that_lets_go(tmp_path: Path) -> None:
    directory = tmp_path / "memory"
    child = make(directory)
    there = threading.Event()

    def parent(line: str) -> None:
        mapped = Mapped(json.loads(line)["mapping"])
        shared_lock.hold(mapped.descriptor)

        def leave() -> None:
            assert there.wait(20)
            mapped.close()

        threading.Thread(target=leave).start()
        seen = child._mailbox.file.is_held

        def is_held() -> bool:
            held = seen()
            if held:
                there.set()
            return held

        child._mailbox.file.is_held = is_held  # type: ignore[method-assign]

    child.run(parent)
    assert there.is_set()
    assert not left_in(directory)


def test_a_node_that_fails_takes_the_child_along(tmp_path: Path) -> None:
    directory = tmp_path / "memory"
    child = make(directory)

    def broken(now: float) -> None:
        raise RuntimeError("a bug")

    child._bus.broker.tick = broken  # type: ignore[method-assign]
    with pytest.raises(ChildFailed, match=r"^The node ended: RuntimeError: a bug$"):
        child.run(lambda line: None)
    assert not left_in(directory)
