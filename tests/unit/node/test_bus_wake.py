"""What wakes a node that waits."""

from __future__ import annotations

from support.nodes import live_node


def test_the_number_of_a_signal_is_no_order_to_stop() -> None:
    with live_node() as node:
        node.bus._waker.send(bytes([2, 15, 21]))  # as the interpreter does, before it calls the handler
        assert node.stats().received == 1
        assert node.stats().received == 2
