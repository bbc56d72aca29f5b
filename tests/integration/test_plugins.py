"""A third party's handler, installed beside maskbus: offered, loaded, and harmless where it is broken."""

from __future__ import annotations

import pytest

from maskbus_wire import replies
from maskbus_wire.requests import Describe
from support.nodes import live_node
from support.peer import TINY, segment

SOURCE = '''
import numpy as np
from maskbus.interfaces import Handler, Masks, ModelInfo

class Embedded:
    nbytes = 8
    def __init__(self, shape):
        self.shape = shape

class Corner(Handler):
    """Answer the first rows and columns, as many as the configuration says."""
    info = ModelInfo(title="Corner", prompts=frozenset({"none"}), licence="MIT", homepage="https://example.org")

    def embed(self, images, job):
        print("a plugin may print")
        return [Embedded((image.height, image.width)) for image in images]

    def decode(self, embedding, prompt, options, job):
        side = self.context.options.get("side", 1)
        mask = np.zeros((1, *embedding.shape), bool)
        mask[:, :side, :side] = True
        ones = np.ones(1, np.float32)
        return Masks(mask, ones, ones)
'''

ENTRY_POINTS = """[maskbus.handlers]
corner = corner_plugin:Corner
corner-broken = corner_plugin_broken:Broken
corner-rude = corner_plugin_rude:Rude
"""


@pytest.fixture
def installed(tmp_path, monkeypatch):
    information = tmp_path / "corner_plugin-1.0.dist-info"
    information.mkdir()
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: corner-plugin\nVersion: 1.0\n")
    (information / "entry_points.txt").write_text(ENTRY_POINTS)
    (tmp_path / "corner_plugin.py").write_text(SOURCE)
    (tmp_path / "corner_plugin_broken.py").write_text("import a_package_that_nobody_has\n")
    (tmp_path / "corner_plugin_rude.py").write_text("import os\nos._exit(0)\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.syspath_prepend(str(tmp_path))


@pytest.mark.usefixtures("installed")
def test_an_installed_plugin_is_offered_and_answers():
    with (
        live_node(model={"big-corner": {"handler": "corner", "options": {"side": 3}}}) as running,
        running.peer() as peer,
    ):
        models = {model.name: model for model in peer.ask(Describe()).models}
        assert {"corner", "big-corner", "echo", "grabcut"} <= set(models)
        assert not {"corner-broken", "corner-rude"} & set(models)
        assert (models["corner"].title, models["corner"].prompts, models["corner"].licence) == (
            "Corner",
            ["none"],
            "MIT",
        )
        for name, area in (("corner", 1), ("big-corner", 9)):
            reply = peer.ask(segment(name), TINY)
            assert isinstance(reply, replies.Masks), reply
            assert (reply.model, reply.masks[0].area) == (name, area)
        reply = peer.ask(segment("corner-broken"), TINY)
        assert reply.code == "unknown_model"
        assert "corner" in reply.message
