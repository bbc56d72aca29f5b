"""Two sockets that are connected with one another."""

from __future__ import annotations

import socket


def socket_pair() -> tuple[socket.socket, socket.socket]:
    """Return two stream sockets; what is sent on one goes out at once.

    Windows has TCP for it and nothing else, which keeps small messages back until the ones before have been received.
    """
    pair = socket.socketpair()
    for end in pair:
        if end.family in (socket.AF_INET, socket.AF_INET6):
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return pair
