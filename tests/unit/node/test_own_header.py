"""What the node changes in the header of an answer, and what it leaves alone."""

import json
from pathlib import Path

import msgspec
import pytest

from maskbus.node import own_header
from maskbus_wire import frames
from maskbus_wire.replies import Answer, Attempt

VECTORS = Path(__file__).resolve().parents[3] / "protocols" / "vectors" / "valid"
ATTEMPT = Attempt(model="a", code="internal", message="Ä sentence.", ms=1.5)


def answers():
    """Yield all golden answers: every encoding, inline and not, none and many masks."""
    for path in sorted(VECTORS.glob("*.json")):
        vector = json.loads(path.read_text(encoding="utf-8"))
        if vector["kind"] == "reply":
            parts = [bytes.fromhex(frame) for frame in vector["frames"]]
            reply = frames.decode_reply(frames.open_header(parts)[0])
            if isinstance(reply, Answer):
                yield pytest.param(parts[0], reply, id=vector["name"])


@pytest.mark.parametrize(("head", "reply"), list(answers()))
def test_all_else_stays_as_it_was(head, reply):
    plain = own_header.opened(head)
    changed = own_header.changed(plain, {"tried": [msgspec.to_builtins(ATTEMPT)], "notes": ["a", "b"], "id": None})
    plain, _ = frames.open_header([changed])
    assert frames.decode_reply(plain) == msgspec.structs.replace(reply, tried=[ATTEMPT], notes=["a", "b"], id="")


@pytest.mark.parametrize("frame", [b"", b"\xc1", b"\x81", b"\x81\xa1a\x01x", b"\x90", b"\x81\xa1\xff\x01", b"\x01"])
def test_what_is_no_header_is_a_value_error(frame):
    with pytest.raises(ValueError):  # noqa: PT011 - any kind of it
        own_header.opened(frame)
