import base64
import json

import pytest

from maskbus.adapters.http import answering, guard
from maskbus.adapters.http.problems import OWN, STATUSES, Refused, refusal
from maskbus.adapters.http.readiness import reason_against
from maskbus.adapters.http.room import Room
from maskbus.adapters.http.settings import Limits
from maskbus_client.errors import BY_CODE, Busy, ClientClosed, NodeUnreachable, ProtocolError
from maskbus_wire.errors import CODES, WireError
from maskbus_wire.prompts import Blob
from maskbus_wire.replies import (
    Attempt,
    Mask,
    Masks,
    Model,
    Models,
    Rle,
    Statistics,
    Tensor,
    TextScore,
    Timings,
    WorkerStats,
)

SQUARE = [0.0, 0.0, 2.0, 0.0, 2.0, 2.0, 0.0, 2.0]
LARGE = [5.0, 5.0, 9.0, 5.0, 9.0, 9.0, 5.0, 9.0]


def mask(**fields):
    return Mask(bbox=(0, 0, 2, 2), area=4, predicted_iou=0.5, stability_score=0.25, **fields)


def answer(*masks, attachments=(), points=(), **fields):
    reply = Masks(model="m", width=10, height=8, masks=list(masks), **fields)
    return json.loads(answering.json_of(answering.segmented(reply, attachments, points)))


def test_the_largest_ring_is_the_segmentation():
    (found,) = answer(mask(polygon=[SQUARE, LARGE]), points=[(1, 1)])["masks"]
    assert found["segmentation"] == [[5, 5], [9, 5], [9, 9], [5, 9]]
    assert len(found["polygons"]) == 2
    assert found["point_coords"] == [[1, 1]]
    (empty,) = answer(mask(polygon=[]))["masks"]
    assert (empty["segmentation"], empty["polygons"]) == ([], [])
    (none,) = answer(mask())["masks"]
    assert set(none) == {"area", "bbox", "predicted_iou", "stability_score"}


def test_all_that_a_reply_may_say():
    plain = answer(
        mask(
            label="cup",
            similarity=0.3,
            probability=0.9,
            point=(3, 4),
            crop_box=(0, 0, 10, 8),
            rle=Rle(size=(8, 10), counts="x"),
        ),
        mask(bits=Blob(attachment=1), raw=Blob(data=b"raw"), bits_zlib=Blob(base64="aGk=")),
        attachments=[b"\0\0\0\0", memoryview(b"bits")],
        labels=Tensor(shape=[1, 4], dtype="uint8", attachment=0),
        scores=[TextScore(text="cup", masks=1, proposals=2)],
        tried=[Attempt(model="first", code="busy", message="Full.")],
        notes=["Smaller."],
        reused=True,
        image_id="i",
        stamp=5,
    )
    first, second = plain["masks"]
    assert (first["label"], first["similarity"], first["probability"]) == ("cup", 0.3, 0.9)
    assert (first["point_coords"], first["crop_box"]) == ([[3, 4]], [0, 0, 10, 8])
    assert first["rle"] == {"size": [8, 10], "counts": "x"}
    assert [base64.b64decode(second[name]) for name in ("bits", "raw", "bits+zlib")] == [b"bits", b"raw", b"hi"]
    assert base64.b64decode(plain["labels"]["base64"]) == bytes(4)
    assert (plain["reused"], plain["notes"], plain["num_masks"]) == (True, ["Smaller."], 2)
    assert plain["tried"] == [{"model": "first", "code": "busy", "message": "Full."}]
    assert plain["scores"] == [{"text": "cup", "masks": 1, "proposals": 2}]
    assert (plain["image_id"], plain["stamp"]) == ("i", 5)
    assert "frame_id" not in plain


def test_times_to_a_thousandth():
    plain = answer(
        timings=Timings(total_ms=12.34567, embed_ms=1 / 3),
        tried=[Attempt(model="first", code="busy", message="Full.", ms=2 / 3)],
    )
    assert plain["timings"] == {"total_ms": 12.346, "embed_ms": 0.333}
    assert plain["tried"][0]["ms"] == 0.667


def test_bytes_that_are_not_there():
    with pytest.raises(ProtocolError):
        answer(mask(png=Blob(attachment=3)))


def test_every_error_of_the_wire_has_a_status():
    assert set(STATUSES) <= set(CODES)
    assert set(CODES) - set(STATUSES) == {"unknown_lease", "unknown_stream", "no_shared_memory"}
    assert not set(OWN) & set(CODES)
    for code, kind in BY_CODE.items():
        found = refusal(kind("Why.", path="prompt.points[3]"))
        assert (found.problem.code, found.problem.error, found.problem.path) == (code, "Why.", "points[3]")
        assert found.status == STATUSES.get(code, 500)
    assert all(400 <= status < 600 for status in [*STATUSES.values(), *(status for status, _ in OWN.values())])


def test_errors_that_are_not_the_nodes():
    assert refusal(NodeUnreachable("tcp://secret")).problem.error == "The node does not answer."
    assert refusal(ClientClosed("closed")).status == 503
    assert refusal(ProtocolError("x")).status == 502
    assert refusal(WireError("too_large", "Many points.", "prompt.points")).problem.path == "points"
    assert refusal(WireError("invalid_value", "Bad.", "image.width")).problem.path == "image"
    assert refusal(WireError("invalid_value", "Bad.", "image.image_id")).problem.path == "image_id"
    bug = refusal(KeyError("secret"))
    assert (bug.status, bug.problem.code) == (500, "internal")
    assert "secret" not in bug.problem.error
    busy = refusal(Busy("Full.", queue_length=5))
    assert busy.headers["Retry-After"]
    assert json.loads(guard.response(busy).body) == {
        "success": False,
        "error": "Full.",
        "code": "busy",
        "queue_length": 5,
    }


def test_room():
    room = Room(Limits(body_bytes=10, held_bytes=15, requests=2))
    with room.seat() as first, room.seat() as second:
        first.hold(10)
        first.hold(4)
        assert room.bytes == 10
        with pytest.raises(Refused) as caught:
            first.hold(11)
        assert caught.value.status == 413
        with pytest.raises(Refused) as caught:
            second.hold(6)
        assert caught.value.status == 503
        second.hold(5)
        with pytest.raises(Refused) as caught, room.seat():
            pass
        assert caught.value.status == 503
    assert (room.requests, room.bytes) == (0, 0)


def model(name="m", **fields):
    base = {"title": "", "prompts": [], "encodings": [], "licence": "", "weights": "", "ready": True}
    return Model(name=name, **base | fields)


def against(*models, workers=()):
    states = [WorkerStats(model=name, device="cpu", state=state, last_error=why) for name, state, why in workers]
    stats = Statistics(node="n", version="1", uptime_s=1, models=[], workers=states)
    return reason_against(Models(models=list(models), image_encodings=[], limits={}), stats)


def test_readiness():
    assert against() == "The node offers no model."
    assert against(model()) == ""
    assert against(model(ready=False, missing="No weights."), model("other")) == ""
    broken = model(default=True, ready=False, missing="No weights.")
    assert against(broken, model("other")) == "The model m cannot run: No weights."
    default = model(default=True)
    assert "loaded" in against(default, workers=[("m", "starting", "")])
    assert against(default, workers=[("m", "starting", ""), ("m", "ready", "")]) == ""
    assert against(default, workers=[("m", "backing-off", "It ran out of memory.")]).endswith("It ran out of memory.")
    assert against(default, workers=[("other", "backing-off", "")]) == ""
