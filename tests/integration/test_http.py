"""A real node, a real gateway, and clients that speak HTTP."""

from __future__ import annotations

import base64
import html
import io
import json
import shutil
import socket
import subprocess
from contextlib import suppress

import httpx
import numpy as np
import pytest
from PIL import Image
from prometheus_client.parser import text_string_to_metric_families

from maskbus.adapters.http.settings import Additions, Limits, Settings
from maskbus_wire import bits, polygon, rle
from maskbus_wire.requests import Cancel, EverythingOptions, PostProcessing
from support.gateway import client, file, gateway, text
from support.nodes import live_node
from support.peer import segment
from support.waiting import until

WIDTH, HEIGHT = 64, 48
BOX = (8, 10, 40, 30)


@pytest.fixture(scope="module")
def node():
    with live_node(models=["echo", "grabcut", "failing"], queue_length=1) as running:
        yield running


@pytest.fixture(scope="module")
def server(node):
    with gateway(node.tcp) as running:
        yield running


@pytest.fixture(scope="module")
def http(server):
    with client(server) as found:
        yield found


@pytest.fixture(scope="module")
def png():
    return file()


def boxed():
    mask = np.zeros((HEIGHT, WIDTH), np.bool_)
    mask[BOX[1] : BOX[3], BOX[0] : BOX[2]] = True
    return mask


def fine(response):
    assert response.status_code == 200, response.text
    assert response.headers["content-type"] == "application/json"
    plain = response.json()
    assert plain["success"] is True
    return plain


def refused(response, status, code):
    assert response.headers["content-type"] == "application/json"
    plain = response.json()
    assert (response.status_code, plain["success"], plain["code"]) == (status, False, code), plain
    assert not plain["error"][0].islower()
    assert plain["error"].endswith((".", "…"))
    assert "\n" not in plain["error"]
    assert "Traceback" not in response.text
    return plain


# -- what comes in -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_json_with_base64(http, kind):
    plain = fine(http.post("/segment", json={"image": text(file(kind)), "points": [[10, 20, True], [30, 20, False]]}))
    assert (plain["model"], plain["width"], plain["height"], plain["num_masks"]) == ("echo", WIDTH, HEIGHT, 1)
    (mask,) = plain["masks"]
    assert (mask["area"], mask["bbox"]) == (9, [9, 19, 3, 3])
    assert mask["segmentation"] == [[9, 19], [12, 19], [12, 22], [9, 22]]
    assert mask["polygons"] == [mask["segmentation"]]
    assert mask["point_coords"] == [[10, 20], [30, 20]]
    assert (mask["predicted_iou"], mask["stability_score"]) == (1, 1)
    assert plain["timings"]["total_ms"] > 0
    assert (plain["tried"], plain["notes"], plain["reused"]) == ([], [], False)


def test_a_data_url_and_a_box_by_itself(http, png):
    image = f"data:image/png;base64,{text(png)}"
    (mask,) = fine(http.post("/segment", json={"image": image, "boxes": BOX}))["masks"]
    assert mask["bbox"] == [8, 10, 32, 20]
    several = fine(http.post("/segment", json={"image": image, "boxes": [BOX, (1, 2, 5, 6)]}))
    assert [mask["area"] for mask in several["masks"]] == [640, 16]


def test_labels_apart(http, png):
    body = {"image": text(png), "points": [[10, 20], [10, 20]], "labels": [1, 0]}
    assert fine(http.post("/segment", json=body))["masks"][0]["area"] == 0


@pytest.mark.parametrize("media", ["image/png", "application/octet-stream"])
def test_an_image_as_the_body_and_the_rest_in_the_address(http, png, media):
    query = {"boxes": "8,10,40,30", "frame_id": "camera", "stamp": str(2**60), "seq": "-3", "encoding": "rle,polygon"}
    plain = fine(http.post("/segment", params=query, content=png, headers={"content-type": media}))
    assert (plain["frame_id"], plain["stamp"], plain["seq"]) == ("camera", 2**60, -3)
    (mask,) = plain["masks"]
    assert np.array_equal(rle.decode(mask["rle"]["counts"], HEIGHT, WIDTH), boxed())
    assert len(mask["polygons"]) == 1


def test_a_form(http, png):
    files = {"image": ("photo.png", png, "image/png")}
    fields = {"points": "[[10, 20, true]]", "encoding": "rle", "options": '{"a": 1}', "deadline_ms": "5000"}
    assert fine(http.post("/segment", files=files, data=fields))["masks"][0]["bbox"] == [9, 19, 3, 3]
    request = {"request": '{"boxes": [[8, 10, 40, 30]], "model": "echo"}'}
    assert fine(http.post("/segment", files=files, data=request))["masks"][0]["area"] == 640
    inside = {"image": text(png), "points": "10,20"}
    assert fine(http.post("/segment", files={"mask": mask_file()}, data=inside))["num_masks"] == 1


def mask_file():
    stream = io.BytesIO()
    Image.fromarray(boxed().astype(np.uint8) * 255).save(stream, "PNG")
    return stream.getvalue()


def test_masks_and_logits_to_refine(http, png):
    first = fine(http.post("/segment", json={"image": text(png), "boxes": BOX, "encodings": ["rle", "logits"]}))
    (found,) = first["masks"]
    for prompt in (
        {"mask": text(mask_file())},
        {"mask": found["rle"]},
        {"mask": {"encoding": "rle", "counts": found["rle"]["counts"]}},
        {"logits": {"shape": found["logits"]["shape"], "base64": found["logits"]["base64"]}},
    ):
        assert fine(http.post("/segment", json={"image": text(png), **prompt}))["masks"][0]["area"] == 640
    apart = fine(http.post("/segment", files={"image": png, "mask": mask_file()}))
    assert apart["masks"][0]["area"] == 640


def test_everything_where_there_is_no_prompt(http, png):
    settings = {"points_per_side": 2, "max_masks": 3}
    plain = fine(http.post("/segment", json={"image": text(png), "model": "grabcut", "settings": settings}))
    assert 0 < plain["num_masks"] <= 3
    assert all(len(mask["point_coords"]) == 1 for mask in plain["masks"])
    assert plain["masks"][0]["crop_box"] == [0, 0, WIDTH, HEIGHT]
    query = {"model": "grabcut", "settings.points_per_side": "1", "preset": "fast"}
    assert fine(http.post("/segment", params=query, content=png, headers={"content-type": "image/png"}))["success"]


# -- what goes out -----------------------------------------------------------------------------------------------------


def test_every_encoding(http, png):
    names = ["rle", "bits", "bits+zlib", "png", "png_base64", "polygon", "raw", "labels", "logits", "overlay"]
    plain = fine(http.post("/segment", json={"image": text(png), "boxes": [BOX], "encodings": names}))
    (mask,) = plain["masks"]

    def held(name):
        return base64.b64decode(mask[name], validate=True)

    def picture(data):
        return np.asarray(Image.open(io.BytesIO(data)))

    wanted = boxed()
    assert np.array_equal(rle.decode(mask["rle"]["counts"], *mask["rle"]["size"]), wanted)
    assert np.array_equal(bits.unpack(held("bits"), HEIGHT, WIDTH), wanted)
    assert np.array_equal(bits.unpack_zlib(held("bits+zlib"), HEIGHT, WIDTH), wanted)
    assert np.array_equal(picture(held("png")) > 0, wanted)
    assert np.array_equal(picture(held("png_base64")) > 0, wanted)
    rings = [[number for point in ring for number in point] for ring in mask["polygons"]]
    assert np.array_equal(polygon.decode(rings, HEIGHT, WIDTH), wanted)
    assert np.array_equal(np.frombuffer(held("raw"), np.uint8).reshape(HEIGHT, WIDTH) > 0, wanted)
    logits = mask["logits"]
    assert logits["dtype"] == "float32"
    array = np.frombuffer(base64.b64decode(logits["base64"]), "<f4").reshape(logits["shape"])
    assert np.array_equal(array > 0, wanted)
    labels = plain["labels"]
    array = np.frombuffer(base64.b64decode(labels["base64"]), labels["dtype"]).reshape(labels["shape"])
    assert np.array_equal(array, wanted.astype(np.uint8))
    assert picture(base64.b64decode(plain["overlay"])).shape == (HEIGHT, WIDTH, 3)


def test_a_mask_as_a_png_file(http, png):
    accept = {"accept": "image/png", "content-type": "image/png"}
    for query in ({"boxes": "8,10,40,30"}, {"boxes": "8,10,40,30", "encoding": "png"}):
        answer = http.post("/segment", params=query, content=png, headers=accept)
        assert answer.headers["content-type"] == "image/png"
        assert np.array_equal(np.asarray(Image.open(io.BytesIO(answer.content))) > 0, boxed())
    overlay = http.post("/segment", params={"boxes": "8,10,40,30", "encoding": "overlay"}, content=png, headers=accept)
    assert np.asarray(Image.open(io.BytesIO(overlay.content))).shape == (HEIGHT, WIDTH, 3)
    two = http.post("/segment", params={"boxes": "[8,10,40,30],[1,1,4,4]"}, content=png, headers=accept)
    assert "there are 2" in refused(two, 406, "not_acceptable")["error"]
    rle_file = http.post("/segment", params={"boxes": "1,1,4,4", "encoding": "rle"}, content=png, headers=accept)
    refused(rle_file, 406, "not_acceptable")
    both = {"accept": "application/json, image/png", "content-type": "image/png"}
    fine(http.post("/segment", params={"boxes": "1,1,4,4", "encoding": "png"}, content=png, headers=both))


def test_an_image_that_the_node_keeps(http, png):
    kept = fine(http.post("/embed", content=png, headers={"content-type": "image/png"}))
    assert (kept["width"], kept["height"]) == (WIDTH, HEIGHT)
    body = {"image_id": kept["image_id"], "boxes": BOX}
    assert fine(http.post("/segment", json=body))["image_id"] == kept["image_id"]
    fine(http.delete(f"/images/{kept['image_id']}"))
    refused(http.post("/segment", json=body), 404, "unknown_image")
    refused(http.delete(f"/images/{kept['image_id']}"), 404, "unknown_image")
    again = fine(http.post("/segment", json={"image": text(png), "boxes": BOX, "keep": True}))
    assert fine(http.post("/segment", json=body | {"image_id": again["image_id"]}))["num_masks"] == 1


# -- what is wrong -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "status", "code", "path"),
    [
        ({"points": [[1, 2]]}, 400, "invalid_field", "image"),
        ({"image": "?"}, 422, "invalid_image", "image"),
        ({"image": text(b"GIF89a, say")}, 422, "invalid_image", "image"),
        ({"image": text(file()[:60])}, 422, "invalid_image", "image"),
        ({"points": [[1, 2, 3, 4]]}, 400, "invalid_field", "points[0]"),
        ({"points": [[1, 2, 7]]}, 422, "invalid_value", "points[0][2]"),
        ({"points": [[1, 2, 1], [1, 2]]}, 400, "invalid_field", "points"),
        ({"points": [[1, 2, 1]], "labels": [1]}, 400, "invalid_field", "labels"),
        ({"points": [[1, 2]], "labels": [1, 0]}, 422, "invalid_value", "labels"),
        ({"points": [[1, 2], [3, 4], [640, 2]]}, 422, "invalid_value", "points[2]"),
        ({"points": "1,2"}, 400, "invalid_field", "points"),
        ({"boxes": [[5, 5, 1, 1]]}, 422, "invalid_value", "boxes[0]"),
        ({"boxes": [1, 2, 3]}, 400, "invalid_field", "boxes[0]"),
        ({"point": [[1, 2]]}, 400, "invalid_field", ""),
        ({"boxes": BOX, "encoding": "tiff"}, 422, "unknown_encoding", "encoding"),
        ({"boxes": BOX, "encoding": "rle", "encodings": ["rle"]}, 400, "invalid_field", "encoding"),
        ({"boxes": BOX, "model": "nobody"}, 404, "unknown_model", "model"),
        ({"image": "", "image_id": "zz", "boxes": BOX}, 404, "unknown_image", "image_id"),
        ({"points": []}, 422, "invalid_value", "points"),
        ({"boxes": BOX, "lane": "bogus"}, 422, "invalid_value", "lane"),
        ({"boxes": BOX, "deadline_ms": 0}, 422, "invalid_value", "deadline_ms"),
        ({"boxes": BOX, "max_side": 5}, 422, "invalid_value", "max_side"),
        ({"boxes": BOX, "post": {"smooth": 100}}, 422, "invalid_value", "post.smooth"),
        ({"boxes": BOX, "preset": "dense"}, 422, "invalid_value", "preset"),
        ({"multimask": True}, 422, "invalid_value", "multimask"),
        ({"text": "cup"}, 422, "unsupported_prompt", "text"),
        ({"boxes": BOX, "negative_text": "cup"}, 422, "invalid_value", "negative_text"),
        ({"boxes": BOX, "model": "failing", "options": {"raise": "in private"}}, 500, "internal", ""),
        ({"boxes": BOX, "model": "failing", "options": {"exit": True}}, 502, "worker_died", ""),
        ({"boxes": BOX, "model": "failing", "options": {"work": 9}, "deadline_ms": 100}, 504, "deadline_exceeded", ""),
    ],
)
def test_every_kind_of_wrong_has_its_status(http, png, body, status, code, path):
    found = refused(http.post("/segment", json={"image": text(png)} | body if path != "image" else body), status, code)
    assert found.get("path", "") == path


def test_a_short_deadline_says_nothing_about_the_node(png):
    # A line long enough for the requests that the gateway has given up a moment before the node does.
    with live_node(models=["echo"]) as node, gateway(node.tcp) as server, client(server) as http:
        for _ in range(5):
            answer = http.post("/segment", json={"image": text(png), "boxes": BOX, "fresh": True, "deadline_ms": 1})
            if answer.status_code != 200:
                refused(answer, 504, "deadline_exceeded")


def test_models_in_the_order_in_which_they_are_tried(http, png):
    for route in ("echo", "echo,grabcut", '["echo"]'):
        plain = fine(http.post("/segment", files={"image": png}, data={"points": "10,20", "route": route}))
        assert plain["model"] == "echo"
    body = {"image": text(png), "boxes": BOX, "route": ["failing", "echo"], "fresh": True, "options": {"raise": "no"}}
    plain = fine(http.post("/segment", json=body))
    assert (plain["model"], [attempt["model"] for attempt in plain["tried"]]) == ("echo", ["failing"])


def raw_exchange(server, data):
    with socket.create_connection(("127.0.0.1", server.port), 10) as connection:
        connection.sendall(data)
        answer = b"".join(iter(lambda: connection.recv(4096), b""))
    head, _, body = answer.partition(b"\r\n\r\n")
    return head, body


@pytest.mark.parametrize(
    "data",
    [
        b"NONSENSE\r\n\r\n",
        b"POST /segment HTTP/1.1\r\nHost: localhost\r\nContent-Length: -5\r\n\r\n",
        b"POST /segment HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    ],
)
def test_what_is_no_http(server, data, caplog):
    for _ in range(3):
        head, body = raw_exchange(server, data)
        assert head.startswith(b"HTTP/1.1 400 Bad Request")
        assert b"content-type: application/json" in head.lower()
        assert json.loads(body)["code"] == "malformed"
    assert len(caplog.records) <= 1


def test_bodies_that_are_none(http, png):
    post = http.post
    media = {"content-type": "application/json"}
    refused(post("/segment", content=b"{", headers=media), 400, "malformed")
    refused(post("/segment", content=b"[1]", headers=media), 400, "invalid_field")
    refused(post("/segment", content=b'{"options": ' + b'{"a": ' * 100_000, headers=media), 400, "malformed")
    refused(post("/segment", content=png, headers={"content-type": "image/gif"}), 415, "unsupported_media_type")
    refused(post("/segment", content=png), 415, "unsupported_media_type")
    refused(post("/segment", data={"a": "b"}), 415, "unsupported_media_type")
    zipped = {"content-type": "image/png", "content-encoding": "gzip"}
    refused(post("/segment", content=png, headers=zipped), 415, "unsupported_media_type")
    refused(post("/segment", content=b"", headers={"content-type": "image/png"}), 400, "invalid_field")
    form = {"content-type": "multipart/form-data"}
    refused(post("/segment", content=b"--x", headers=form), 400, "malformed")
    form = {"content-type": "multipart/form-data; boundary=x"}
    refused(post("/segment", content=b"--x\r\nnothing", headers=form), 400, "malformed")
    refused(post("/segment", files={"photo": png}), 400, "invalid_field")
    refused(post("/segment", files=[("image", png), ("image", png)]), 400, "invalid_field")
    refused(post("/segment", files={"image": png}, data={"points": "[["}), 400, "invalid_field")
    refused(post("/segment?points=1,2", json={"image": text(png), "points": [[1, 2]]}), 400, "invalid_field")
    refused(post("/embed", json={"image": text(png), "points": [[1, 2]]}), 400, "invalid_field")


def test_a_full_queue_says_when_to_come_back(http, node, png):
    def load():
        return next((model for model in node.stats().models if model.name == "failing"), None)

    with node.peer() as peer:
        peer.send(segment("failing", box=(1, 1, 3, 3), options={"work": 20}, id="first"), bytes(60))
        until(lambda: load() is not None and load().running == 1, "it does not begin")
        peer.send(segment("failing", box=(1, 1, 3, 3), id="second"), bytes(60))
        until(lambda: sum(load().queued.values()) == 1, "it does not wait")
        answer = http.post("/segment", json={"image": text(png), "boxes": BOX, "model": "failing"})
        assert refused(answer, 503, "busy")["queue_length"] == 1
        assert int(answer.headers["retry-after"]) > 0
        for name in ("second", "first"):
            peer.send(Cancel(target=name))
        until(lambda: load().running == 0, "it does not end")


def test_methods_and_paths(http):
    refused(http.get("/nothing"), 404, "not_found")
    answer = http.get("/segment")
    refused(answer, 405, "method_not_allowed")
    assert answer.headers["allow"] == "POST"
    refused(http.options("/segment"), 405, "method_not_allowed")
    refused(http.post("/models"), 405, "method_not_allowed")
    head = http.head("/healthz")
    assert (head.status_code, head.content) == (200, b"")
    assert "access-control-allow-origin" not in answer.headers


def test_other_sites_are_turned_away(http, png):
    refused(http.get("/healthz", headers={"host": "evil.example"}), 403, "forbidden")
    form = {"files": {"image": png}, "data": {"boxes": "1,1,3,3"}}
    refused(http.post("/segment", headers={"origin": "http://evil.example"}, **form), 403, "forbidden")
    refused(http.post("/segment", headers={"origin": "null"}, **form), 403, "forbidden")
    fine(http.post("/segment", headers={"origin": str(http.base_url).rstrip("/")}, **form))
    fine(http.get("/healthz", headers={"host": "localhost:1234"}))
    with gateway("tcp://127.0.0.1:1", Settings(allow_remote=True)) as server, client(server) as anywhere:
        fine(anywhere.get("/healthz", headers={"host": "robot.local"}))
        refused(anywhere.get("/healthz", headers={"host": "a", "origin": "http://b"}), 403, "forbidden")


# -- what is said of it ------------------------------------------------------------------------------------------------


def test_models_and_health(http):
    models = fine(http.get("/models"))
    assert {model["name"] for model in models["models"]} == {"echo", "grabcut", "failing"}
    assert "jpeg" in models["image_encodings"]
    assert fine(http.get("/healthz"))["status"] == "alive"
    assert fine(http.get("/readyz"))["status"] == "ready"


def test_metrics(http, png):
    def look():
        answer = http.get("/metrics")
        assert answer.headers["content-type"].startswith("text/plain")
        return {
            (sample.name, *sorted(sample.labels.values())): sample.value
            for family in text_string_to_metric_families(answer.text)
            for sample in family.samples
        }

    before = look()
    fine(http.post("/segment", json={"image": text(png), "boxes": BOX}))
    refused(http.post("/segment", json={"image": text(png), "boxes": BOX, "model": "x" * 99}), 404, "unknown_model")
    after = look()

    def more(*name):
        return after.get(name, 0) - before.get(name, 0)

    assert more("maskbus_http_requests_total", "/segment", "200", "echo") == 1
    assert more("maskbus_http_requests_total", "", "/segment", "404") == 1
    for stage in ("queued", "decode_image", "embed", "decode", "encode", "http"):
        assert more("maskbus_http_stage_seconds_count", *sorted((stage, "echo"))) == 1
    assert more("maskbus_answered_total", "echo") == 1
    assert after["maskbus_up",] == 1
    assert after["maskbus_http_requests_under_way",] == 0
    assert after["maskbus_http_held_bytes",] == 0
    assert after["maskbus_worker_up", "0", "cpu", "echo"] == 1


def test_the_page_and_the_description_are_self_contained(http):
    page = http.get("/docs")
    assert page.headers["content-type"].startswith("text/html")
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert "src=" not in page.text
    assert "<link" not in page.text
    assert f"curl -s '{str(http.base_url).rstrip('/')}/segment" in html.unescape(page.text)
    assert http.get("/openapi.json").json()["openapi"] == "3.1.0"


def test_the_examples_of_the_page(http, tmp_path):
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed")
    from maskbus.adapters.http import docs_page

    (tmp_path / "photo.jpg").write_bytes(file("JPEG", 480, 460))
    for path, example in docs_page.EXAMPLES.items():
        script = example.format(base=str(http.base_url).rstrip("/")).replace("curl -s", "curl -sS --fail-with-body")
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", script], cwd=tmp_path, capture_output=True, text=True, timeout=60
        )
        assert done.returncode == 0, (path, done.stdout, done.stderr)
    assert np.asarray(Image.open(tmp_path / "mask.png")).shape == (460, 480)


# -- what is added, and what is too much -------------------------------------------------------------------------------


def test_what_the_gateway_adds(node, png):
    settings = Settings(
        additions=Additions(
            max_side=1536, post=PostProcessing(min_area=10), everything=EverythingOptions(max_masks=1, retry=False)
        )
    )
    with gateway(node.tcp, settings) as server, client(server) as http:
        body = {"image": text(png), "model": "grabcut", "settings": {"points_per_side": 2}}
        assert fine(http.post("/segment", json=body))["num_masks"] <= 1
        body["settings"]["max_masks"] = 0
        fine(http.post("/segment", json=body))


def test_bodies_that_are_too_large(node, png):
    limits = Limits(body_bytes=4000, held_bytes=6000)
    with gateway(node.tcp, Settings(limits=limits)) as server, client(server) as http:
        headers = {"content-type": "image/png"}
        refused(http.post("/embed", content=bytes(5000), headers=headers), 413, "too_large")

        def endless():
            while True:
                yield bytes(1000)

        # It may have closed the connection while this side still wrote.
        with suppress(httpx.WriteError, httpx.RemoteProtocolError):
            refused(http.post("/embed", content=endless(), headers=headers), 413, "too_large")
        fine(http.post("/embed", content=png, headers=headers))
        assert "maskbus_http_held_bytes 0.0" in http.get("/metrics").text
