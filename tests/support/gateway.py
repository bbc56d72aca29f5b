"""A gateway in a thread, and what one sends to it."""

from __future__ import annotations

import base64
import io
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import numpy as np
from PIL import Image

from maskbus.adapters.http.server import Server
from maskbus.adapters.http.settings import Settings

PATIENCE = 20.0


@contextmanager
def gateway(endpoint: str, settings: Settings | None = None) -> Iterator[Server]:
    """Serve HTTP in front of a node."""
    server = Server(endpoint, "127.0.0.1", 0, settings or Settings())
    thread = threading.Thread(target=server.run, name="gateway")
    thread.start()
    try:
        yield server
    finally:
        server.stop()
        thread.join(PATIENCE)
        assert not thread.is_alive()


@contextmanager
def client(server: Server, **arguments: Any) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.url, timeout=PATIENCE, trust_env=False, **arguments) as found:
        yield found


def file(kind: str = "PNG", width: int = 64, height: int = 48) -> bytes:
    """Return a picture of a bright block on dark ground, as a file."""
    array = np.full((height, width, 3), 30, np.uint8)
    array[height // 4 : height // 2, width // 4 : width // 2] = (220, 200, 90)
    stream = io.BytesIO()
    Image.fromarray(array).save(stream, kind)
    return stream.getvalue()


def text(data: bytes) -> str:
    """Return bytes as Base64."""
    return base64.b64encode(data).decode()
