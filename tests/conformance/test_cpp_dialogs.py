"""The dialogs, with the C++ client between the replay and the node: it writes the requests and reads the replies."""

import json
import subprocess

import pytest
import zmq

from maskbus_wire import frames
from support import cpp
from support.nodes import live_node

PATIENCE_MS = 20_000


@pytest.fixture(scope="module")
def node():
    with live_node(models=["echo"]) as running:
        yield running


@pytest.fixture(scope="module")
def program():
    return cpp.binary("maskbus_conformance")


class Interpreted:
    """A DEALER and a SUB socket; what goes through them goes through the C++ client as well."""

    def __init__(self, node, program):
        self._node = node
        self._program = program
        self._requests = self._open(zmq.DEALER, node.tcp)
        self._topics = self._open(zmq.SUB, node.topics)
        self.written = 0

    def close(self):
        self._requests.close()
        self._topics.close()

    def send(self, multipart):
        if multipart[:1] == [b""] and len(multipart) > 1:
            encoded = self._told("request", multipart[1:]).get("encoded")
            if encoded is not None:
                self.written += 1
                multipart = [b"", *map(bytes.fromhex, encoded)]
        self._requests.send_multipart(multipart)

    def receive(self):
        multipart = self._requests.recv_multipart()
        self._read("reply", multipart[1:], multipart[1:])
        return multipart

    def subscribe(self, prefix):
        self._topics.subscribe(prefix)

    def receive_published(self):
        multipart = self._topics.recv_multipart()
        self._read("published", multipart, multipart[1:])
        return multipart

    def _read(self, kind, parts, message):
        """Have the client read a message, and compare all that it says of it with what is there."""
        plain, _ = frames.open_header(message)
        plain.pop("maskbus")
        plain.pop("reply")
        told = self._told(kind, parts)
        assert "message" in told, told
        assert_agrees(plain, told["message"], message[1:], kind)

    def _told(self, kind, parts):
        asked = json.dumps({"kind": kind, "frames": [part.hex() for part in parts]})
        done = subprocess.run(
            [self._program], input=f"{asked}\n", capture_output=True, text=True, check=True, timeout=60
        )
        return json.loads(done.stdout)

    def _open(self, kind, endpoint):
        made = self._node.context.socket(kind)
        made.linger, made.rcvtimeo, made.sndtimeo = 0, PATIENCE_MS, PATIENCE_MS
        made.connect(endpoint)
        return made


def assert_agrees(plain, found, attachments, where):
    if isinstance(plain, dict) and plain.keys() & {"attachment", "data"}:
        data = plain["data"] if "data" in plain else attachments[plain["attachment"]]
        content = found["bytes"] if plain.keys() & {"shape", "encoding"} else found
        assert content == {"$hex": data.hex()}, where
        if "encoding" in plain:  # the picture of a published frame
            rest = {name: value for name, value in plain.items() if name not in {"attachment", "data"}}
            assert_agrees(rest, found, attachments, where)
    elif isinstance(plain, dict):
        for name, value in plain.items():
            assert name in found, f"{where}.{name}"
            assert_agrees(value, found[name], attachments, f"{where}.{name}")
    elif isinstance(plain, list):
        assert len(plain) == len(found), where
        for i, value in enumerate(plain):
            assert_agrees(value, found[i], attachments, f"{where}[{i}]")
    else:
        assert found == plain, where


def test_a_node_understands_the_client_and_the_client_the_node(every, node, program, replay):
    def check(dialog):
        peer = Interpreted(node, program)
        try:
            replay(peer).run(dialog)
        finally:
            peer.close()
        sound = dialog["name"] in {
            "ping", "embed-segment-release", "segment-two-boxes", "publish", "cancel-unknown",
            "stream-calls", "stream-closed", "stream-credit", "stream-published",
        }  # fmt: skip
        assert peer.written or not sound

    every("dialog", check)
