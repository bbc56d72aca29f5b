"""The gateway where clients are slow, many, or gone, and where the node or the gateway itself dies."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import threading
from contextlib import contextmanager, suppress

import httpx
import psutil
import pytest

from maskbus.adapters.http.settings import Limits, Settings
from maskbus.cli import http_line, ready_line
from support.gateway import client, file, gateway, text
from support.nodes import live_node
from support.processes import node_process
from support.waiting import until

BODY = {"image": text(file()), "boxes": [8, 10, 40, 30]}
IMPATIENT = Settings(limits=Limits(header_s=0.5, body_s=0.5, write_s=0.5, requests=2, ask_s=1.0))


@pytest.fixture(scope="module")
def node():
    with live_node(models=["echo", "failing"]) as running:
        yield running


@pytest.fixture(scope="module")
def server(node):
    with gateway(node.tcp, IMPATIENT) as running:
        yield running


@contextmanager
def connection(server, first=b""):
    with socket.create_connection(("127.0.0.1", server.port), 10) as made:
        if first:
            made.sendall(first)
        yield made


def rest(made):
    """Read to the end."""
    parts = []
    with suppress(ConnectionResetError):
        while part := made.recv(65536):
            parts.append(part)
    return b"".join(parts)


def running(node, model="failing"):
    return sum(one.running for one in node.stats().models if one.name == model)


def test_slow_clients_are_cut_off_while_others_are_served(server):
    head = f"POST /segment HTTP/1.1\r\nHost: localhost:{server.port}\r\n"
    slow = "Content-Type: image/png\r\nContent-Length: 1000\r\n\r\n"
    with connection(server) as silent, connection(server, b"GET /healthz HT") as torn, client(server) as http:
        with connection(server, (head + slow + "some").encode()) as dripping:
            assert http.post("/segment", json=BODY).status_code == 200
            answer = rest(dripping)
            assert answer.startswith(b"HTTP/1.1 408 ")
            assert b'"code":"body_too_slow"' in answer
        assert rest(torn) == b""
        assert rest(silent) == b""
        assert http.post("/segment", json=BODY).status_code == 200


def test_a_head_behind_an_answer_may_not_drip_either(server):
    with connection(server, f"GET /healthz HTTP/1.1\r\nHost: localhost:{server.port}\r\n\r\n".encode()) as made:
        assert made.recv(65536).startswith(b"HTTP/1.1 200 ")
        made.sendall(b"GET /he")
        while made.recv(65536):
            pass


def test_an_endless_head_is_refused(server):
    with connection(server, b"GET /healthz HTTP/1.1\r\n") as made:
        with suppress(BrokenPipeError, ConnectionResetError):
            for _ in range(100):
                made.sendall(b"X-More: " + b"x" * 4000 + b"\r\n")
        assert rest(made)[:13] in (b"HTTP/1.1 400 ", b"")


def test_a_huge_body_is_refused_before_it_is_read(server):
    head = f"POST /segment HTTP/1.1\r\nHost: localhost:{server.port}\r\nContent-Type: image/png\r\n"
    with connection(server, f"{head}Content-Length: 99999999999\r\nExpect: 100-continue\r\n\r\n".encode()) as made:
        answer = rest(made)
        assert answer.startswith(b"HTTP/1.1 413 ")
        assert b"100 Continue" not in answer
    with connection(server, f"{head}Content-Length: 9{'9' * 40}\r\n\r\n".encode()) as made:
        assert rest(made).startswith(b"HTTP/1.1 400 ")


def test_a_client_that_does_not_read_is_cut_off(node, server):
    image = text(file("PNG", 4000, 3000))
    body = f'{{"image": "{image}", "boxes": [0, 0, 3000, 3000], "encoding": "raw"}}'.encode()
    head = (
        f"POST /segment HTTP/1.1\r\nHost: localhost:{server.port}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    with socket.socket() as made, client(server) as http:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        made.connect(("127.0.0.1", server.port))
        made.sendall(head.encode() + body)
        here = made.getsockname()
        until(lambda: here in served_from(server), "it is not let in")
        until(lambda: here not in served_from(server), "it is waited for")
        assert http.post("/segment", json=BODY).status_code == 200


def served_from(server):
    """Return who is connected, as the server sees it, which runs in this process."""
    return {one.raddr for one in psutil.Process().net_connections("tcp") if one.laddr[1] == server.port}


def test_a_client_that_goes_away_takes_its_request_along(node, server):
    body = BODY | {"model": "failing", "options": {"work": 60}}
    with client(server) as http:
        with pytest.raises(httpx.ReadTimeout):
            http.post("/segment", json=body, timeout=httpx.Timeout(10, read=0.5))
        until(lambda: running(node) == 0, "it is still computed")
        failing = next(one for one in node.stats().models if one.name == "failing")
        assert failing.errors.get("cancelled")


def test_only_so_many_are_under_way(node, server):
    body = BODY | {"model": "failing", "options": {"work": 60}}
    with client(server) as http:
        threads = [threading.Thread(target=lambda: _given_up(server, body)) for _ in range(2)]
        for thread in threads:
            thread.start()
        until(lambda: "maskbus_http_requests_under_way 2.0" in http.get("/metrics").text, "they do not begin")
        answer = http.post("/segment", json=BODY)
        assert (answer.status_code, answer.json()["code"]) == (503, "busy")
        assert int(answer.headers["retry-after"]) > 0
        assert http.get("/healthz").status_code == 200
        for thread in threads:
            thread.join()
        until(lambda: "maskbus_http_requests_under_way 0.0" in http.get("/metrics").text, "they do not end")
        assert http.post("/segment", json=BODY).status_code == 200


def _given_up(server, body):
    with client(server) as http, suppress(httpx.ReadTimeout):
        http.post("/segment", json=body, timeout=httpx.Timeout(10, read=2.0))


def test_a_gateway_that_stops_ends_what_is_under_way(node, caplog):
    with gateway(node.tcp, IMPATIENT) as server:
        answers = []
        thread = threading.Thread(target=lambda: answers.append(_asked_for_long(server)))
        thread.start()
        until(lambda: running(node) == 1, "it does not begin")
        server.stop()
        server.stop()
        thread.join(10)
        assert not thread.is_alive()
    until(lambda: running(node) == 0, "it is still computed")
    assert [(answer.status_code, answer.json()["code"]) for answer in answers] == [(503, "shutting_down")]
    assert "Traceback" not in caplog.text


def _asked_for_long(server):
    with client(server) as http:
        return http.post("/segment", json=BODY | {"model": "failing", "options": {"work": 60}})


def test_the_node_dies_and_comes_back():
    with node_process() as first, gateway(first.endpoint, IMPATIENT) as server, client(server) as http:
        assert http.post("/segment", json=BODY).status_code == 200
        first.kill()
        answer = http.post("/segment", json=BODY | {"deadline_ms": 500})
        assert (answer.status_code, answer.json()["code"]) in {
            (504, "deadline_exceeded"),
            (503, "node_unreachable"),
        }
        assert http.get("/healthz").status_code == 200
        answer = http.get("/readyz")
        assert answer.status_code in (503, 504)
        assert "maskbus_up 0.0" in http.get("/metrics").text
        with node_process(bind=first.endpoint):
            until(lambda: http.get("/readyz").status_code == 200, "it is not ready again")
            assert http.post("/segment", json=BODY).status_code == 200


def test_nobody_there():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        with gateway(f"tcp://127.0.0.1:{probe.getsockname()[1]}", IMPATIENT) as server, client(server) as http:
            answer = http.get("/readyz")
            assert (answer.status_code, answer.json()["code"]) == (503, "node_unreachable")
            assert int(answer.headers["retry-after"]) > 0


@contextmanager
def served(*flags, environment=()):
    """Run `maskbus serve --http`."""
    command = [sys.executable, "-m", "maskbus", "serve", "--no-ipc", "--model", "echo", "--log-level", "warning"]
    command += ["--bind", "tcp://127.0.0.1:*", "--publish", "tcp://127.0.0.1:*", "--http", "127.0.0.1:0", *flags]
    variables = {key: value for key, value in os.environ.items() if not key.startswith("MASKBUS_")}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=variables | dict(environment))
    try:
        assert ready_line.parse(process.stdout.readline())
        line = http_line.parse(process.stdout.readline())
        assert line is not None
        (child,) = [one for one in psutil.Process(process.pid).children() if "http" in one.cmdline()]
        yield process, line.url, child
    finally:
        process.terminate()
        try:
            process.wait(20)
        finally:
            process.kill()
            process.stdout.close()
            process.wait()


def test_a_gateway_that_dies_is_started_again_and_ends_with_its_node():
    with served(environment={"MAX_WORKERS": "2", "PORT": "1"}) as (process, url, child):
        workers = re.findall(r"^maskbus_worker_up\{.*\}", asked(f"{url}/metrics").text, re.MULTILINE)
        assert len(workers) == 2
        child.kill()

        def back():
            with suppress(httpx.TransportError):
                return asked(f"{url}/readyz").status_code == 200
            return False

        until(back, "it is not back")
        (again,) = [one for one in psutil.Process(process.pid).children() if "http" in one.cmdline()]
        process.kill()
        process.wait()
        psutil.wait_procs([again], timeout=15)
        assert not again.is_running()


def asked(address):
    return httpx.get(address, trust_env=False, timeout=20)


def test_a_port_that_is_taken_is_one_sentence():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        command = [sys.executable, "-m", "maskbus", "serve", "--no-ipc", "--model", "echo", "--log-level", "error"]
        command += ["--bind", "tcp://127.0.0.1:*", "--publish", "tcp://127.0.0.1:*", "--http", str(port)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
        assert done.returncode == 1
        assert done.stdout == ""
        assert done.stderr.splitlines() == [
            f"maskbus: 127.0.0.1:{port}: Address already in use. Name another: [HOST:]PORT (0: any).",
            "maskbus: The gateway for HTTP has not come up.",
        ]


def test_a_variable_that_makes_no_sense_is_one_sentence():
    command = [sys.executable, "-m", "maskbus", "serve", "--no-ipc", "--http"]
    environment = os.environ | {"REDIS_TTL": "soon"}
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, env=environment, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "maskbus: REDIS_TTL: a whole number of 1 to 1000000000 is wanted, not 'soon'.\n"


def test_other_machines_only_where_somebody_says_so():
    command = [sys.executable, "-m", "maskbus", "http", "--listen", "0.0.0.0:0"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert done.stderr == (
        "maskbus: 0.0.0.0:0 can be reached from other machines, and nobody is authenticated there. If the network is "
        "yours alone, say --allow-remote.\n"
    )
