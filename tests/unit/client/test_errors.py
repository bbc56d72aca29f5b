from __future__ import annotations

import pytest

import maskbus_client.errors as errors
from maskbus_wire import replies
from maskbus_wire.errors import CODES


def test_every_code_of_the_wire_has_an_exception_named_after_it():
    assert set(errors.BY_CODE) == set(CODES)
    for code, kind in errors.BY_CODE.items():
        assert kind.__name__ == code.title().replace("_", "")
        assert kind.code == code


def test_the_tree_is_drawn_with_all_its_leaves():
    kinds = {
        name: kind for name, kind in vars(errors).items() if isinstance(kind, type) and issubclass(kind, Exception)
    }
    drawing = [line.strip("│├└─ ").split("  ")[0] for line in (errors.__doc__ or "").splitlines()]
    assert kinds.keys() <= set(drawing)
    for kind in kinds.values():
        assert issubclass(kind, errors.MaskbusError)


@pytest.mark.parametrize("code", sorted(CODES))
def test_an_error_reply_becomes_its_exception(code):
    reply = replies.Error(id="i", code=code, message="Why.", path="a.b", queue_length=4, versions=["1.0"])
    error = errors.error_of(reply)
    assert type(error) is errors.BY_CODE[code]
    assert str(error) == "Why. (a.b)"
    assert (error.code, error.message, error.path, error.queue_length) == (code, "Why.", "a.b", 4)
    assert error.versions == ("1.0",)
    assert error.request_id == "i"


def test_a_code_of_a_later_version_is_a_plain_node_error():
    error = errors.error_of(replies.Error(code="sunspots", message="Too many."))
    assert type(error) is errors.NodeError
    assert error.code == "sunspots"
    assert str(error) == "Too many."


def test_time_outs_are_time_outs():
    assert isinstance(errors.DeadlineExceeded("Late."), TimeoutError)
    assert str(errors.DeadlineExceeded("Late.")) == "Late."
    assert isinstance(errors.NodeUnreachable("Gone."), TimeoutError)
    assert isinstance(errors.NoMask("None."), LookupError)
