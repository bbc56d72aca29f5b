"""Replay the dialogs against a node, and send it all that it must refuse."""

import pytest
import zmq

from maskbus_wire import frames, replies
from support.nodes import live_node

PATIENCE_MS = 20_000


class Dealer:
    """What a dialog is replayed with: one DEALER socket, and one SUB socket as soon as something is subscribed to."""

    def __init__(self, node):
        self._node = node
        self._requests = self._socket(zmq.DEALER, node.tcp)
        self._topics = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for made in (self._requests, self._topics):
            if made is not None:
                made.close()

    def _socket(self, kind, endpoint):
        made = self._node.context.socket(kind)
        made.linger = 0
        made.rcvtimeo = made.sndtimeo = PATIENCE_MS
        made.connect(endpoint)
        return made

    def send(self, multipart):
        self._requests.send_multipart(multipart)

    def receive(self):
        return self._requests.recv_multipart()

    def subscribe(self, prefix):
        if self._topics is None:
            self._topics = self._socket(zmq.SUB, self._node.topics)
        self._topics.subscribe(prefix)

    def receive_published(self):
        return self._topics.recv_multipart()


@pytest.fixture(scope="module")
def node():
    with live_node(models=["echo"]) as running:
        yield running


def test_a_node_answers_as_the_dialog_says(every, node, replay):
    def check(dialog):
        with Dealer(node) as dealer:
            replay(dealer).run(dialog)

    every("dialog", check)


def test_a_node_refuses_what_is_invalid(every, node):
    def check(invalid_request):
        with Dealer(node) as dealer:
            dealer.send([b"", *(bytes.fromhex(frame) for frame in invalid_request["frames"])])
            delimiter, *parts = dealer.receive()
        assert delimiter == b""
        error = frames.decode_reply(frames.open_header(parts)[0])
        assert isinstance(error, replies.Error)
        assert {"code": error.code, "path": error.path} == invalid_request["error"], error.message

    every("invalid_request", check)


def canned(*answers):
    """Return a peer that gives these headers, whatever it is sent."""
    queue = list(answers)

    class Canned:
        def send(self, multipart):
            self.sent = multipart

        def receive(self):
            return [b"", *frames.encode(queue.pop(0))]

    return Canned()


PING = {
    "name": "ping",
    "steps": [
        {"send": {"header": {"maskbus": "1.0", "op": "ping", "id": "1"}, "attachments": []}},
        {"receive": {"header": {"reply": "ping", "id": "1", "node": {"$any": "text"}}, "attachments": []}},
    ],
}


def pong(**fields):
    plain = {"id": "1", "node": "n", "version": "1", "uptime_s": 1.0, "endpoints": [], "publish_endpoints": []}
    return replies.Pong(**{**plain, **fields})


def test_the_replay_takes_the_right_answer(replay):
    replay(canned(pong())).run(PING)


@pytest.mark.parametrize(
    "answer",
    [pong(id="2"), pong(node=5), replies.Released(id="1"), replies.Error(id="1", code="busy", message="Busy.")],
)
def test_the_replay_notices_a_wrong_answer(replay, answer):
    with pytest.raises(AssertionError, match="ping, step 1"):
        replay(canned(answer)).run(PING)
