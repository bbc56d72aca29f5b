from __future__ import annotations

from maskbus.contract import HandlerContract
from maskbus.handlers.echo import EchoHandler
from maskbus.handlers.failing import FailingHandler


class TestEcho(HandlerContract):
    handler = EchoHandler


class TestFailing(HandlerContract):
    handler = FailingHandler


class TestGrabCut(HandlerContract):
    from maskbus.handlers.grabcut import GrabCutHandler as handler

    segments_scene = True
