from __future__ import annotations

import pytest

from maskbus_client.endpoints import choose_publish, resolve
from maskbus_client.errors import NodeUnreachable


def test_the_argument_goes_before_the_environment_and_that_before_the_default(monkeypatch):
    monkeypatch.delenv("MASKBUS_ENDPOINT", raising=False)
    assert resolve(None) == "tcp://127.0.0.1:7710"
    monkeypatch.setenv("MASKBUS_ENDPOINT", "ipc:///run/maskbus")
    assert resolve(None) == "ipc:///run/maskbus"
    assert resolve("inproc://here") == "inproc://here"
    monkeypatch.setenv("MASKBUS_ENDPOINT", "")
    assert resolve(None) == "tcp://127.0.0.1:7710"


@pytest.mark.parametrize(
    "endpoint",
    [
        "localhost:7710",
        "tcp://localhost",
        "tcp://:7710",
        "tcp://h:port",
        "tcp://h:0",
        "udp://h:1",
        "ipc://",
        "tcp://h:99999",
    ],
)
def test_what_is_no_endpoint(endpoint):
    with pytest.raises(ValueError, match="endpoint"):
        resolve(endpoint)


@pytest.mark.parametrize(
    ("request_endpoint", "announced", "chosen"),
    [
        ("tcp://10.0.0.5:7710", ["tcp://0.0.0.0:7711"], "tcp://10.0.0.5:7711"),
        ("tcp://robot:7710", ["ipc:///x", "tcp://*:7711"], "tcp://robot:7711"),
        ("tcp://[fe80::1]:7710", ["tcp://[::]:7711"], "tcp://[fe80::1]:7711"),
        ("tcp://10.0.0.5:7710", ["tcp://127.0.0.1:7711", "tcp://10.0.0.5:7712"], "tcp://10.0.0.5:7712"),
        ("tcp://robot:7710", ["tcp://10.0.0.5:7711"], "tcp://10.0.0.5:7711"),
        ("ipc:///a", ["tcp://*:7711", "ipc:///b"], "ipc:///b"),
        ("inproc://a", ["tcp://*:7711", "inproc://b"], "inproc://b"),
    ],
)
def test_topics_come_from_an_endpoint_of_the_same_kind(request_endpoint, announced, chosen):
    assert choose_publish(request_endpoint, announced) == chosen


def test_no_endpoint_of_the_same_kind():
    with pytest.raises(NodeUnreachable, match="tcp://x:2"):
        choose_publish("ipc:///a", ["tcp://x:2"])
    with pytest.raises(NodeUnreachable, match="none"):
        choose_publish("ipc:///a", [])
