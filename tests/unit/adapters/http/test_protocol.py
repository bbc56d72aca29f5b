"""What clients can have written to the log."""

import logging

from maskbus.adapters.http.protocol import Seldom


def test_a_client_cannot_fill_the_log():
    def passes(message, level=logging.WARNING):
        return seldom.filter(logging.LogRecord("name", level, "path", 1, message, None, None))

    seldom = Seldom(3600)
    assert [passes("No HTTP."), passes("No HTTP."), passes("Too many."), passes("No HTTP.")] == [
        True,
        False,
        True,
        False,
    ]
    assert all(passes("A request failed.", logging.ERROR) for _ in range(2))
    assert Seldom(0).filter(logging.LogRecord("name", logging.WARNING, "path", 1, "No HTTP.", None, None))
