"""A web server on loopback that serves files well, or as badly as it is told."""

from __future__ import annotations

import hashlib
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from maskbus.weights import Entry

Answer = Callable[["Request"], None]


class Request:
    """One request, and what it can be answered with."""

    def __init__(self, handler: BaseHTTPRequestHandler, server: FileServer) -> None:
        self.path = handler.path
        self.headers = dict(handler.headers)
        self.handler = handler
        self.server = server

    def head(self, status: int, **headers: Any) -> None:
        self.handler.send_response(status)
        for name, value in headers.items():
            self.handler.send_header(name.replace("_", "-"), str(value))
        self.handler.end_headers()

    def send(self, data: bytes) -> None:
        self.handler.wfile.write(data)
        self.handler.wfile.flush()

    def start(self, *, ranges: bool = True) -> bytes:
        """Send the head of an answer as a good server would, and return the body that belongs to it."""
        data, tag = self.server.files[self.path], self.server.tag(self.path)
        asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        if ranges and asked and self.headers.get("If-Range", tag) == tag:
            start = int(asked[1])
            if start >= len(data):
                self.head(416, Content_Range=f"bytes */{len(data)}", Content_Length=0)
                return b""
            where = f"bytes {start}-{len(data) - 1}/{len(data)}"
            self.head(206, Content_Range=where, Content_Length=len(data) - start, ETag=tag)
            return data[start:]
        self.head(200, Content_Length=len(data), ETag=tag)
        return data


class FileServer:
    """Files by path, and for a path what its next requests are answered; after that it is served well."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.script: dict[str, list[Answer]] = {}
        self.requests: list[Request] = []
        self.gate = threading.Event()
        """What `stall` waits for."""
        self.url = ""

    def tag(self, path: str) -> str:
        return f'"{hashlib.md5(self.files[path], usedforsecurity=False).hexdigest()}"'

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        request = Request(handler, self)
        self.requests.append(request)
        steps = self.script.get(request.path, [])
        step = steps.pop(0) if steps else good
        if step is good and request.path not in self.files:
            step = status(404)
        step(request)

    def ranges(self) -> list[str]:
        return [request.headers.get("Range", "") for request in self.requests]


@contextmanager
def serving() -> Iterator[FileServer]:
    server = FileServer()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            try:
                server.answer(self)
            except (BrokenPipeError, ConnectionResetError):
                self.close_connection = True

        def log_message(self, format: str, *arguments: Any) -> None:
            pass

    httpd = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.url = f"http://127.0.0.1:{httpd.server_port}"
    thread = threading.Thread(target=lambda: httpd.serve_forever(poll_interval=0.01))
    thread.start()
    try:
        yield server
    finally:
        server.gate.set()
        httpd.shutdown()
        httpd.server_close()
        thread.join()


def good(request: Request) -> None:
    request.send(request.start())


def without_ranges(request: Request) -> None:
    request.send(request.start(ranges=False))


def cut(count: int, *, ranges: bool = True) -> Answer:
    """End the connection after so many bytes."""

    def answer(request: Request) -> None:
        request.send(request.start(ranges=ranges)[:count])

    return answer


def stall(count: int) -> Answer:
    """Send so many bytes and then nothing, until the gate opens; then the rest."""

    def answer(request: Request) -> None:
        body = request.start()
        request.send(body[:count])
        request.server.gate.wait()
        request.send(body[count:])

    return answer


def trickle(request: Request) -> None:
    """Send a byte now and then, for ever."""
    for byte in request.start():
        request.send(bytes([byte]))
        if request.server.gate.wait(0.02):
            return


def status(code: int) -> Answer:
    return lambda request: request.head(code, Content_Length=0)


def moved(url: str) -> Answer:
    return lambda request: request.head(302, Location=url, Content_Length=0)


def body(data: bytes, **headers: Any) -> Answer:
    """Answer these bytes, whatever was asked for."""

    def answer(request: Request) -> None:
        request.head(200, **headers)
        request.send(data)

    return answer


def entry(data: bytes, *urls: str, **changes: Any) -> Entry:
    """Return an entry of the manifest for a file of these bytes."""
    known: dict[str, Any] = {
        "name": "tested",
        "title": "A file of a test",
        "family": "Tests",
        "file": "tested.pt",
        "urls": urls,
        "size": len(data),
        "sha256": hashlib.sha256(data).hexdigest(),
        "licence": "CC0-1.0",
        "citation": "nobody",
        "homepage": "",
    }
    return Entry(**{**known, **changes})
