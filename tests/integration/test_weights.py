"""A node whose models need weights: missing, then there, then damaged."""

from __future__ import annotations

from pathlib import Path

import pytest

from maskbus_wire import replies
from maskbus_wire.requests import Describe
from support import waiting
from support.file_server import entry
from support.nodes import live_node
from support.peer import TINY, segment

DATA = bytes(range(256)) * 10
SOURCE = f"""
from maskbus.handlers.echo import EchoHandler
from maskbus.weights import ENTRIES, Entry, availability, resolve

ENTRIES["tested"] = {entry(DATA, "http://127.0.0.1:9/tested.pt")!r}

class Weighty(EchoHandler):
    @classmethod
    def availability(cls, context):
        return availability("tested", context, ["numpy"])

    def __init__(self, context):
        super().__init__(context)
        self.weights = resolve("tested", context)
"""


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, object]:
    (tmp_path / "weighty_plugin.py").write_text(SOURCE)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "w").mkdir()
    return {
        "backoff_s": 0.01,
        "weights_dir": str(tmp_path / "w"),
        "model": {"weighty": {"handler": "weighty_plugin:Weighty"}},
    }


def test_missing_weights_are_said_in_one_line_and_keep_no_other_model(
    settings: dict[str, object], tmp_path: Path
) -> None:
    with live_node(**settings) as running, running.peer() as peer:
        model = next(model for model in peer.ask(Describe()).models if model.name == "weighty")
        words = f"its weights, 0.0 MiB, are missing (maskbus models pull tested --weights-dir {tmp_path / 'w'})"
        assert (model.ready, model.weights, model.missing) == (False, "missing", words)
        reply = peer.ask(segment("weighty"), TINY)
        assert (reply.code, reply.message) == ("model_unavailable", f"I{words[1:]}.")
        assert isinstance(peer.ask(segment("echo"), TINY), replies.Masks)


def test_weights_are_checked_before_they_are_used(settings: dict[str, object], tmp_path: Path) -> None:
    path = tmp_path / "w" / "tested.pt"
    path.write_bytes(DATA)
    with live_node(**settings) as running, running.peer() as peer:
        path.write_bytes(DATA[::-1])  # of the right size: only who reads it can tell
        reply = peer.ask(segment("weighty"), TINY)
        assert reply.code == "model_unavailable"
        assert "does not have the published SHA-256 of tested" in reply.message
        assert isinstance(peer.ask(segment("echo"), TINY), replies.Masks)
        path.write_bytes(DATA)
        waiting.until(
            lambda: isinstance(peer.ask(segment("weighty"), TINY), replies.Masks), "the right weights are not used"
        )
