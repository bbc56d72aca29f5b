import pytest
import zmq

from maskbus.node.bus import _is_local


class Frame:
    def __init__(self, address):
        self._address = address

    def get(self, name):
        assert name == "Peer-Address"
        if self._address is None:
            raise zmq.ZMQError(zmq.EINVAL)
        return self._address


@pytest.mark.parametrize(
    ("address", "local"),
    [
        (None, True),  # inproc
        ("localhost:1000:1000:4711", True),  # ipc, with the peer's credentials
        ("127.0.0.1", True),
        ("127.8.9.10", True),
        ("::1", True),
        ("::ffff:127.0.0.1", True),
        ("192.168.1.5", False),
        ("10.127.0.1", False),
        ("fe80::1", False),
        ("::ffff:10.0.0.1", False),
        ("", False),
    ],
)
def test_who_is_on_this_machine(address, local):
    assert _is_local(Frame(address)) is local
