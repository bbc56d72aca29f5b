"""Measure what HTTP costs over the bus, and what answers save that are kept.

    python bench/http_gateway.py [--docs] [--seconds S] [--quick] [--only overhead,kept]

The same request, a JPEG of 640×480 and a box, asked of the model `echo`, which takes no time of its own: by the Python
client, and through the gateway as JSON, as a form, and as a bare body. Everything runs on loopback; node, worker,
gateway and clients are processes of their own.
"""

from __future__ import annotations

import argparse
import base64
import contextlib
import json
import multiprocessing
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import cv2
import machine
import numpy as np
from page import replace_section

from maskbus.cli import http_line, ready_line

PARTS = ("overhead", "kept")
DEFAULT_JSON = Path("bench-out/http.json")
CLIENTS = (1, 8, 32)
WIDTH, HEIGHT = 640, 480
BOX = (100, 80, 500, 400)
WAYS = {
    "bus": "bus, Python client",
    "raw": "HTTP, bare body",
    "form": "HTTP, form",
    "json": "HTTP, JSON and Base64",
}
_SETTLE = 0.3
"""Seconds that are not counted."""


def main() -> int:
    """Run, print, and write the section of the documentation."""
    options = _options()
    seconds = 0.5 if options.quick else options.seconds
    results: dict[str, Any] = {"machine": machine.describe(), "jpeg_bytes": len(_jpeg())}
    if "overhead" in options.only:
        with _node("--model", "echo", "--cache", "none") as (endpoint, url):
            results["overhead"] = {
                way: {count: _measure(way, endpoint, url, count, seconds) for count in CLIENTS} for way in WAYS
            }
    if "kept" in options.only:
        results["kept"] = _kept(max(2.0, seconds))
    if not options.quick:
        DEFAULT_JSON.parent.mkdir(parents=True, exist_ok=True)
        DEFAULT_JSON.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    text = markdown(results)
    print(text)
    if options.docs:
        replace_section(options.docs / "performance.md", "http", text)
        print(f"wrote {options.docs / 'performance.md'}", file=sys.stderr)
    return 0


def markdown(results: dict[str, Any]) -> str:
    """Return the section of the documentation."""
    parts = ["<!-- written by `bench/http_gateway.py --docs` -->", ""]
    if "overhead" in results:
        parts += _overhead_rows(results["overhead"], results["jpeg_bytes"])
    if "kept" in results:
        parts += _kept_rows(results["kept"])
    parts.append(f"Machine: {machine.sentence(results['machine'])}.")
    return "\n".join(parts)


def _overhead_rows(found: dict[str, dict[int, dict[str, float]]], size: int) -> list[str]:
    rows = [
        f"One box in a JPEG of {WIDTH}×{HEIGHT} ({size / 1e3:.0f} kB), answered as RLE by `echo`, median and 99th "
        "percentile in milliseconds, and answers a second, by how many clients ask at a time:",
        "",
        "| way | " + " | ".join(f"{count} | p99 | a second" for count in CLIENTS) + " |",
        "| --- |" + " ---: | ---: | ---: |" * len(CLIENTS),
    ]
    for way, by_count in found.items():
        cells = [f"{one['p50_ms']:.1f} | {one['p99_ms']:.1f} | {one['rate']:.0f}" for one in by_count.values()]
        rows.append(f"| {WAYS[way]} | " + " | ".join(cells) + " |")
    raw, bus = found["raw"][CLIENTS[0]]["p50_ms"], found["bus"][CLIENTS[0]]["p50_ms"]
    return [*rows, "", f"A single client pays {raw - bus:.1f} ms for HTTP, with a bare body.", ""]


def _kept_rows(found: dict[str, dict[str, float]]) -> list[str]:
    rows = [
        "The same question to `grabcut`, over HTTP and again and again, by where answers are kept (one client):",
        "",
        "| answers are kept | median | p99 | a second |",
        "| --- | ---: | ---: | ---: |",
    ]
    names = {"none": "nowhere", "memory": "in memory", "redis": "in redis"}
    for store, one in found.items():
        rows.append(f"| {names[store]} | {one['p50_ms']:.1f} ms | {one['p99_ms']:.1f} ms | {one['rate']:.0f} |")
    return [*rows, ""]


def _kept(seconds: float) -> dict[str, dict[str, float]]:
    found: dict[str, dict[str, float]] = {}
    with contextlib.ExitStack() as stack:
        stores = {"none": [], "memory": []}
        if shutil.which("redis-server"):
            stores["redis"] = ["--redis-url", stack.enter_context(_redis())]
        for store, flags in stores.items():
            with _node("--model", "grabcut", "--cache", store, *flags) as (endpoint, url):
                found[store] = _measure("raw", endpoint, url, 1, seconds)
    return found


def _measure(way: str, endpoint: str, url: str, clients: int, seconds: float) -> dict[str, float]:
    """Return median and 99th percentile in milliseconds and answers a second, of `clients` threads in two processes."""
    context = multiprocessing.get_context("spawn")
    shares = [share for share in ((clients + 1) // 2, clients // 2) if share]
    with context.Pool(len(shares)) as pool:
        parts = pool.starmap(_ask, [(way, endpoint, url, share, seconds) for share in shares])
    times = sorted(one for part in parts for one in part)
    if not times:
        raise SystemExit(f"{way}: nothing was answered within {seconds} s")
    return {
        "p50_ms": statistics.median(times) * 1e3,
        "p99_ms": times[max(0, int(len(times) * 0.99) - 1)] * 1e3,
        "rate": len(times) / seconds,
    }


def _ask(way: str, endpoint: str, url: str, clients: int, seconds: float) -> list[float]:
    times: list[float] = []
    ready = threading.Barrier(clients)

    def work() -> None:
        with _way(way, endpoint, url) as ask:
            ask()
            ready.wait()
            begin = time.perf_counter() + _SETTLE
            while (at := time.perf_counter()) < begin + seconds:
                ask()
                if at >= begin:
                    times.append(time.perf_counter() - at)

    threads = [threading.Thread(target=work) for _ in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return times


@contextlib.contextmanager
def _way(way: str, endpoint: str, url: str) -> Iterator[Callable[[], None]]:
    jpeg = _jpeg()
    if way == "bus":
        from maskbus_client import Client

        with Client(endpoint) as client:
            yield lambda: _check(client.segment(jpeg, box=BOX).best.area)
        return
    path, body, media = _request(way, jpeg)
    connection = HTTPConnection(urlsplit(url).netloc, timeout=30)
    connection.connect()
    # http.client sends head and body apart, and would wait for an acknowledgement between them.
    connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def ask() -> None:
        connection.request("POST", path, body, {"Content-Type": media})
        answer = connection.getresponse()
        _check(json.loads(answer.read())["masks"][0]["area"])

    try:
        yield ask
    finally:
        connection.close()


def _request(way: str, jpeg: bytes) -> tuple[str, bytes, str]:
    box = ",".join(map(str, BOX))
    if way == "raw":
        return f"/segment?boxes={box}&encoding=rle", jpeg, "image/jpeg"
    if way == "json":
        fields = {"image": base64.b64encode(jpeg).decode(), "boxes": [BOX], "encoding": "rle"}
        return "/segment", json.dumps(fields).encode(), "application/json"
    parts = [
        b'--edge\r\nContent-Disposition: form-data; name="image"; filename="a.jpg"\r\n\r\n' + jpeg,
        f'--edge\r\nContent-Disposition: form-data; name="boxes"\r\n\r\n{box}'.encode(),
        b'--edge\r\nContent-Disposition: form-data; name="encoding"\r\n\r\nrle',
        b"--edge--\r\n",
    ]
    return "/segment", b"\r\n".join(parts), "multipart/form-data; boundary=edge"


def _check(area: int) -> None:
    if not area:
        raise SystemExit("an answer without a mask")


def _jpeg() -> bytes:
    """Return a picture with something in it: smooth noise, and a bright block where the box is."""
    generator = np.random.default_rng(3)
    noise = generator.integers(0, 256, (HEIGHT // 8, WIDTH // 8, 3), np.uint8)
    image = cv2.resize(noise, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC) // 2
    image[140:340, 180:420] += 100
    image += generator.integers(0, 20, image.shape, np.uint8)
    done, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 85])
    assert done
    return bytes(data)


@contextlib.contextmanager
def _node(*flags: str) -> Iterator[tuple[str, str]]:
    """Run a node with a gateway; yield where both are."""
    command = [sys.executable, "-m", "maskbus", "serve", "--no-ipc", "--log-level", "error", "--http", "127.0.0.1:0"]
    command += ["--bind", "tcp://127.0.0.1:*", "--publish", "tcp://127.0.0.1:*", *flags]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        ready = ready_line.parse(process.stdout.readline())
        gateway = http_line.parse(process.stdout.readline())
        if ready is None or gateway is None:
            raise SystemExit("the node has not come up")
        yield ready.endpoints[0], gateway.url
    finally:
        process.terminate()
        process.wait(20)
        process.stdout.close()


@contextlib.contextmanager
def _redis() -> Iterator[str]:
    """Run a redis of one's own that writes nothing to disk; yield where it is."""
    with tempfile.TemporaryDirectory(prefix="maskbus-bench-") as folder:
        path = Path(folder, "redis.sock")
        command = ["redis-server", "--port", "0", "--unixsocket", str(path), "--save", "", "--appendonly", "no"]
        process = subprocess.Popen([*command, "--dir", folder], stdout=subprocess.DEVNULL)
        try:
            end = time.monotonic() + 20
            while not path.exists():
                if process.poll() is not None or time.monotonic() > end:
                    raise SystemExit("redis has not come up")
                time.sleep(0.02)
            yield f"unix://{path}"
        finally:
            process.terminate()
            process.wait(20)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--docs", nargs="?", const=Path("docs"), type=Path, help="write the section of performance.md")
    parser.add_argument("--seconds", type=float, default=4.0, help="seconds that each rate is counted for")
    parser.add_argument("--quick", action="store_true", help="half a second each, to see that it works")
    parser.add_argument(
        "--only", type=lambda text: tuple(text.split(",")), default=PARTS, help=f"some of {','.join(PARTS)}"
    )
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
