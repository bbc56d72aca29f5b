"""A real node, cameras, the viewer, and a page that is a WebSocket client."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import threading
from contextlib import contextmanager, suppress

import cv2
import httpx
import numpy as np
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus

from maskbus.adapters.viewer import browser, watch
from maskbus.adapters.viewer.server import Server
from maskbus_wire.prompts import Prompt
from maskbus_wire.requests import StreamList, TrackedObject
from support.camera import Camera
from support.nodes import live_node
from support.viewing import Page, Picture, address, token, viewer
from support.waiting import until

BOX = Prompt(boxes=[(50, 60, 150, 180)])


@pytest.fixture(scope="module", autouse=True)
def _impatient():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(watch, "INTERVAL", 0.1)
        patch.setattr(watch, "_PATIENCE", 0.5)
        yield


@pytest.fixture(scope="module")
def node():
    with live_node(models=["echo", "grabcut"]) as running:
        yield running


@pytest.fixture(scope="module")
def server(node):
    with viewer(node.tcp) as running:
        yield running


def camera(node, name, **settings):
    return Camera(node.tcp, name, context=node.context, **{"model": "echo", **settings})


def info(node, name):
    with node.peer() as peer:
        return next((one for one in peer.ask(StreamList()).streams if one.stream == name), None)


def look(page, name, side=320):
    """Show a stream on the page once the viewer knows it."""
    told = page.told("streams", lambda message: name in {one["stream"] for one in message["streams"]})
    page.send(do="show", streams={name: side})
    return next(one for one in told["streams"] if one["stream"] == name)


def grey(number):
    """Draw a picture that says which one it is."""
    return np.full((60, 80, 3), 40 + number % 150, np.uint8)


def number_of(picture: Picture) -> int:
    return round(float(cv2.imdecode(np.frombuffer(picture.jpeg, np.uint8), cv2.IMREAD_COLOR).mean())) - 40


def test_masks_lie_on_the_frame_that_they_belong_to(node, server):
    with camera(node, "pair", picture=grey, fps=60, prompt=Prompt(boxes=[(8, 8, 40, 30)])), Page(server) as page:
        look(page, "pair")
        for _ in range(15):
            picture = page.picture(lambda head: head["masks"] is not None)
            assert number_of(picture) == picture.head["seq"] % 150
            (mask,) = picture.head["masks"]
            assert mask["area"] == 32 * 22
            assert (picture.head["width"], picture.head["height"]) == (80, 60)
            assert picture.head["age_ms"] < 20_000


def test_the_page_learns_how_every_stream_is_doing(node, server):
    with camera(node, "told", prompt=BOX), Page(server) as page:
        until(lambda: info(node, "told").counts.dropped.get("unwatched"), "frames are looked at for nobody")
        look(page, "told")
        busy = page.told("streams", lambda message: any(one["counts"]["answered"] > 3 for one in message["streams"]))
        one = next(one for one in busy["streams"] if one["stream"] == "told")
        assert (one["model"], one["policy"], one["watched"]) == ("echo", "newest", True)
        assert one["counts"]["received"] >= one["counts"]["answered"]
        assert one["counts"]["dropped"].get("unwatched", 0) > 0
        assert one["rate_in"] > 0
        assert busy["trouble"] == ""
        assert busy["endpoint"] == node.tcp


def test_nothing_is_computed_that_nobody_looks_at(node, server):
    with camera(node, "idle", prompt=BOX):
        with Page(server) as page:
            page.told("streams", lambda message: "idle" in {one["stream"] for one in message["streams"]})
            assert not info(node, "idle").watched
            look(page, "idle")
            page.picture(lambda head: head["masks"])
            assert info(node, "idle").watched
            page.send(do="show", streams={})
            until(lambda: not info(node, "idle").watched, "it is still computed for a page that shows something else")
            look(page, "idle")
            page.picture(lambda head: head["masks"])
        until(lambda: not info(node, "idle").watched, "it is still computed for a page that has gone")


def test_clicks_change_the_prompt_and_the_masks(node, server):
    with camera(node, "click"), Page(server) as page:
        look(page, "click")
        page.send(do="point", stream="click", x=100, y=50)
        assert page.told("said")["level"] == "done"
        page.picture(lambda head: head["masks"] and head["masks"][0]["area"] == 9)
        page.send(do="point", stream="click", x=101, y=50, label=0)
        page.picture(lambda head: head["masks"] and head["masks"][0]["area"] == 3)
        page.send(do="box", stream="click", box=[10, 10, 30, 20])
        page.picture(lambda head: head["masks"] and head["masks"][0]["area"] > 150)
        page.send(do="back", stream="click")
        page.picture(lambda head: head["masks"] and head["masks"][0]["area"] == 3)
        page.send(do="clear", stream="click")
        page.picture(lambda head: head["masks"] == [])


def test_the_nodes_own_sentence_says_what_is_wrong_with_a_click(node, server):
    with camera(node, "wrong", model="grabcut", prompt=BOX, fps=5), Page(server) as page:
        look(page, "wrong")
        page.send(do="box", stream="wrong", box=[30, 10, 10, 20])
        said = page.told("said")
        assert said["level"] == "error"
        assert said["stream"] == "wrong"
        assert "x0" in said["text"]
        page.send(do="point", stream="nobody", x=1, y=1)
        assert page.told("said")["text"] == "There is no stream 'nobody' any more."
        # What only shows when a frame's turn comes: the frame is seen all the same.
        page.send(do="point", stream="wrong", x=5, y=5, label=0)
        assert page.told("said")["level"] == "done"
        broken = page.told("streams", lambda message: any(one["last_error"] for one in message["streams"]))
        assert "background" in next(one["last_error"] for one in broken["streams"] if one["stream"] == "wrong")
        page.picture(lambda head: head["masks"] is None)


def test_objects_are_followed_corrected_and_removed(node, server):
    first = TrackedObject(object_id=1, prompt=BOX)
    with camera(node, "follow", track=True, objects=[first]), Page(server) as page:
        look(page, "follow")
        page.picture(lambda head: head["masks"] and head["masks"][0]["object"] == 1)
        page.send(do="point", stream="follow", x=250, y=60, object=2)
        assert "Object 2 is followed" in page.told("said")["text"]
        seen = page.picture(lambda head: head["masks"] and len(head["masks"]) == 2).head["masks"]
        assert seen[0]["colour"] != seen[1]["colour"]
        page.told("streams", lambda message: any(one["object_ids"] == [1, 2] for one in message["streams"]))
        page.send(do="remove", stream="follow", object=1)
        assert "no longer" in page.told("said")["text"]
        page.picture(lambda head: [mask["object"] for mask in head["masks"] or []] == [2])
        page.send(do="remove", stream="follow", object=8)
        assert page.told("said")["level"] == "error"


def test_a_page_that_stops_reading_gets_nothing_more_and_holds_up_nobody(node, server, monkeypatch):
    monkeypatch.setattr(browser, "_STALLED", 0.3)
    source = camera(node, "stop", picture=grey, fps=50, prompt=Prompt(boxes=[(8, 8, 40, 30)]))
    with source, Page(server) as page, Page(server) as other:
        look(page, "stop")
        page.picture()
        page.receive(ack=False)
        before = source.sent
        look(other, "stop")
        other.picture(lambda head: head["seq"] > before + 30)
        with pytest.raises(TimeoutError):
            page.socket.recv(0.1)
        other.socket.close()
        until(lambda: not info(node, "stop").watched, "it is still computed for a page that has stopped")
        after = source.sent
        page.send(do="ack")
        page.picture(lambda head: head["seq"] > after)


def test_a_node_that_goes_and_comes_back_is_met_again():
    port = free_port()
    where = {"bind": [f"tcp://127.0.0.1:{port}"], "models": ["echo"]}
    with viewer(f"tcp://127.0.0.1:{port}") as server, Page(server) as page:
        assert "does not answer" in page.told("streams")["trouble"]
        with live_node(**where) as first:
            cam = Camera(first.tcp, "back", model="echo", prompt=BOX)
            with cam:
                look(page, "back")
                page.send(do="point", stream="back", x=5, y=5)
                page.told("streams", lambda message: any(one["clicks"] for one in message["streams"]))
                first.bus.stop()
                page.told("streams", lambda message: message["trouble"])
                with live_node(**where):
                    until(lambda: cam.opened > 1, "the camera did not open its stream again")
                    later = cam.sent
                    again = page.told("streams", lambda message: not message["trouble"] and message["streams"])
                    assert again["streams"][0]["clicks"] == []  # the new stream knows nothing of them
                    picture = page.picture(lambda head: head["masks"] and head["seq"] >= later)
                    assert picture.head["masks"][0]["area"] == 100 * 120


def test_only_streams_with_the_prefix_are_shown(node):
    cameras = camera(node, "north-1"), camera(node, "south-1")
    with cameras[0], cameras[1], viewer(node.tcp, prefix="north") as server, Page(server) as page:
        told = page.told("streams", lambda message: message["streams"])
        assert {one["stream"] for one in told["streams"]} == {"north-1"}


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Eye:
    """A page that only looks."""

    def __init__(self, name):
        self.sides = {name: 80}

    def stir(self):
        pass


def test_frames_whose_masks_do_not_come_are_kept_small(node, monkeypatch):
    monkeypatch.setattr(watch, "_BUDGET", 100_000)

    async def look():
        one = watch.Watch(node.context, node.tcp, "")
        looking = asyncio.create_task(one.run())
        one.join(Eye("wait"))
        most = 0
        while len(one.reels.get("wait", ())) < 50:  # as raw pixels these are 720,000 bytes
            await asyncio.sleep(0.01)
            most = max(most, one.reels["wait"].nbytes if one.reels else 0)
        looking.cancel()
        with suppress(asyncio.CancelledError):
            await looking
        return most

    failing = Prompt(points=[(5, 5)], labels=[0])
    with camera(node, "wait", picture=grey, fps=60, model="grabcut", prompt=failing):
        assert asyncio.run(asyncio.wait_for(look(), 30)) <= 200_000


# -- who may look ------------------------------------------------------------------------------------------------------


def test_the_page_needs_the_key_and_nothing_but_this_server(server):
    where = f"http://{address(server)}"
    with httpx.Client(trust_env=False) as client:
        page = client.get(server.url)
        assert page.status_code == 200
        policy = page.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert page.headers["referrer-policy"] == "no-referrer"
        assert "access-control-allow-origin" not in page.headers
        assert "://" not in page.text.replace("xmlns", "")
        for locked in (f"{where}/", f"{where}/?token=", f"{where}/?token=guess"):
            answer = client.get(locked)
            assert answer.status_code == 403
            assert "maskbus view" in answer.text
        for name in ("main.js", "view.css", "icon.svg"):
            assert client.get(f"{where}/static/{name}").status_code == 200
        assert client.get(f"{where}/static/../app.py").status_code == 404
        assert client.get(f"{where}/static/%2e%2e/app.py").status_code == 404
        assert client.post(server.url).status_code == 405


def test_another_name_for_this_machine_is_turned_away(server):
    with httpx.Client(trust_env=False) as client:
        for host in ("evil.example", f"evil.example:{address(server).partition(':')[2]}", ""):
            assert client.get(server.url, headers={"Host": host}).status_code in (400, 403)
        assert client.get(server.url, headers={"Host": "localhost:9"}).status_code == 200  # a tunnel


@pytest.mark.parametrize("origin", [None, "http://evil.example", "https://127.0.0.1", "null", "http://127.0.0.1:1"])
def test_a_page_of_another_site_gets_no_connection(server, origin):
    with pytest.raises(InvalidStatus) as turned, Page(server, origin=origin):
        pass
    assert turned.value.response.status_code == 403


@pytest.mark.parametrize(
    ("first", "code"),
    [
        ({"do": "hello", "token": "guess"}, browser.WRONG_TOKEN),
        ({"do": "hello", "token": ""}, browser.WRONG_TOKEN),
        ({"do": "show", "streams": {}}, browser.WRONG_TOKEN),
        ({"do": "hello"}, browser.WRONG_TOKEN),
    ],
)
def test_without_the_key_nothing_is_told(server, first, code):
    with Page(server, greet=False) as page:
        page.send(**first)
        with pytest.raises(ConnectionClosed) as closed:
            page.receive(ack=False)
        assert closed.value.rcvd.code == code


@pytest.mark.parametrize("nonsense", ["{}", "x" * 100_000, '{"do":"point"}', b"\x00"])
def test_nonsense_ends_the_connection_and_nothing_else(server, nonsense, caplog):
    with Page(server) as page, Page(server) as other:
        page.socket.send(nonsense)
        with pytest.raises(ConnectionClosed):
            page.until(lambda message: False)
        other.told("streams")
    assert "Traceback" not in caplog.text


def test_no_more_pages_than_it_takes(server, monkeypatch):
    monkeypatch.setattr(browser, "MOST_BROWSERS", 1)
    with Page(server) as one:
        one.told("streams")
        with Page(server) as other, pytest.raises(ConnectionClosed) as closed:
            other.receive(ack=False)
        assert closed.value.rcvd.code == browser.TOO_MANY


# -- the command -------------------------------------------------------------------------------------------------------


@contextmanager
def command(*arguments):
    environment = {key: value for key, value in os.environ.items() if not key.startswith("MASKBUS_")}
    process = subprocess.Popen(
        [sys.executable, "-m", "maskbus", "view", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    )
    killer = threading.Timer(30, process.kill)
    killer.start()
    try:
        yield process
    finally:
        process.kill()
        process.communicate()
        killer.cancel()


def test_the_command_says_where_the_page_is_and_ends_cleanly(node):
    with command("--endpoint", node.tcp, "--port", "0") as process:
        line = process.stdout.readline()
        url = line.partition(" ready: ")[2].split()[0]
        with httpx.Client(trust_env=False) as client:
            assert client.get(url).status_code == 200
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=20)
        assert (process.returncode, out, err) == (0, "", "")


def test_a_port_that_is_taken_is_one_sentence(server):
    port = address(server).rpartition(":")[2]
    with command("--port", port) as process:
        out, err = process.communicate(timeout=20)
    assert process.returncode == 1
    assert out == ""
    assert err.count("\n") == 1
    assert "--port" in err


def test_an_endpoint_that_is_none_is_named():
    with pytest.raises(ValueError, match="nonsense"):
        Server("nonsense", port=0)


def test_the_token_is_another_one_each_time(server):
    assert len(token(server)) >= 32
    with viewer("tcp://127.0.0.1:1") as other:
        assert token(other) != token(server)
