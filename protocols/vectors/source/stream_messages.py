"""Valid messages about streams: requests, replies, results, and frames to look at."""

from __future__ import annotations

import numpy as np

from maskbus_wire import bits, geometry, rle
from maskbus_wire.prompts import Blob, Image, MaskPrompt, Prompt, Slot
from maskbus_wire.replies import (
    Mask,
    Masks,
    PublishedFrame,
    Rle,
    StreamClosed,
    StreamCounts,
    StreamCredit,
    StreamFrameTaken,
    StreamInfo,
    StreamOpened,
    Streams,
    StreamUpdated,
    Timings,
)
from maskbus_wire.requests import StreamClose, StreamFrame, StreamList, StreamOpen, StreamUpdate, TrackedObject
from source import pictures
from source.vector import Json, plain, typed

_IMAGE = Image(attachment=0, encoding="rgb8", width=pictures.WIDTH, height=pictures.HEIGHT)
_PIXELS = [pictures.pattern().tobytes()]
_ARRAYS = [pictures.to_bool(rows) for rows in pictures.MASKS]
_HEIGHT, _WIDTH = _ARRAYS[0].shape
_STAMPS = {"stamp": 1_763_000_000_123_456_789, "frame_id": "camera_front", "seq": 7}
_COUNTS = StreamCounts(received=100, answered=80, dropped={"newer": 12, "stale": 5, "unwatched": 2})


def vectors() -> dict[str, Json]:
    """Return them by name."""
    return {**_opens(), **_frames(), **_updates(), **_others(), **_replies(), **_results(), **_other_ways()}


def _opens() -> dict[str, Json]:
    whole = StreamOpen(
        id="1",
        stream="front",
        model="grabcut",
        prompt=Prompt(points=[(320.0, 240.0)], labels=[1], boxes=[(10.0, 20.0, 600.0, 400.0)]),
        multimask=True,
        encodings=["rle", "bits", "bits+zlib", "png", "png_base64", "polygon", "raw", "labels", "logits", "overlay"],
        inline=True,
        policy="sample",
        max_fps=2.5,
        max_waiting=3,
        max_age_ms=250,
        age_from="stamp",
        deadline_ms=1000,
        always=True,
        idle_ms=60_000,
        options={"iterations": 5},
    )
    packed = bits.pack(_ARRAYS[0])
    objects = [
        TrackedObject(object_id=0, prompt=Prompt(points=[(3.0, 1.0), (8.0, 3.0)], labels=[1, 0])),
        TrackedObject(object_id=7, prompt=Prompt(points=[(6.0, 0.0)], boxes=[(5.0, 0.0, 9.0, 3.0)])),
        TrackedObject(object_id=8, prompt=Prompt(mask=MaskPrompt(attachment=0, encoding="bits"))),
        TrackedObject(
            object_id=2**31 - 1, prompt=Prompt(mask=MaskPrompt(counts=rle.encode(_ARRAYS[1]), encoding="rle"))
        ),
    ]
    edges = StreamOpen(
        stream="é" * 256, policy="sample", max_fps=1000.0, max_age_ms=3_600_000, deadline_ms=1, idle_ms=3_600_000
    )
    return {
        "stream-open-shortest": typed(StreamOpen(stream="front"), "Only what is required."),
        "stream-open-all-fields": typed(whole, "Every field of a stream that does not track."),
        "stream-open-tracked": typed(
            StreamOpen(id="1", stream="front", model="sam2", track=True, objects=objects, policy="every"),
            "Objects by points, by points and a box, by a mask in an attachment and by runs.",
            [packed],
        ),
        "stream-open-tracked-later": typed(
            StreamOpen(id="1", stream="front", track=True), "It will track what it is given later."
        ),
        "stream-open-text": typed(
            StreamOpen(id="1", stream="front", prompt=Prompt(text=["cup"], negative_text=["glass"])), "Asked by text."
        ),
        "stream-open-extremes": typed(edges, "The longest name, the highest rate, the longest and shortest times."),
        "stream-open-waiting-least": typed(
            StreamOpen(stream="front", policy="every", max_waiting=1, encodings=[]), "One frame at a time; no masks."
        ),
        "stream-open-waiting-most": typed(StreamOpen(stream="front", policy="every", max_waiting=64), "64 at a time."),
    }


def _frames() -> dict[str, Json]:
    size = {"width": pictures.WIDTH, "height": pictures.HEIGHT}
    inline = Image(data=_PIXELS[0], encoding="bgr8", **size)
    slot = Image(slot=Slot(lease="9c07", index=1, generation=4))
    return {
        "stream-frame-shortest": typed(
            StreamFrame(stream="front", image=Image(attachment=0, encoding="jpeg")),
            "Only what is required.",
            [pictures.JPEG],
        ),
        "stream-frame": typed(
            StreamFrame(stream="front", image=_IMAGE, **_STAMPS), "As a camera sends them: without an id.", _PIXELS
        ),
        "stream-frame-ack": typed(
            StreamFrame(id="2", stream="front", image=_IMAGE, ack=True, **_STAMPS), "Every field.", _PIXELS
        ),
        "stream-frame-extremes": typed(
            StreamFrame(stream="front", image=inline, stamp=-(2**63), seq=2**63 - 1), "The pixels in the header."
        ),
        "stream-frame-slot": typed(StreamFrame(stream="front", image=slot, seq=0), "The pixels in shared memory."),
    }


def _updates() -> dict[str, Json]:
    objects = [
        TrackedObject(object_id=1, prompt=Prompt(points=[(3.0, 1.0)])),
        TrackedObject(object_id=2, prompt=Prompt(boxes=[(0.0, 0.0, 4.0, 3.0)])),
    ]
    return {
        "stream-update-shortest": typed(StreamUpdate(stream="front"), "It changes nothing."),
        "stream-update-all-fields": typed(
            StreamUpdate(
                id="3",
                stream="front",
                prompt=Prompt(points=[(300.0, 250.0)]),
                encodings=["png"],
                max_fps=0.5,
                max_age_ms=100,
                always=False,
                options={"iterations": 1},
            ),
            "Every field for a stream that does not track.",
        ),
        "stream-update-emptied": typed(
            StreamUpdate(id="3", stream="front", prompt=Prompt(), encodings=[], max_age_ms=0, options={}),
            "An empty prompt, no encodings and no options are something else than to leave them as they are.",
        ),
        "stream-update-objects": typed(
            StreamUpdate(id="3", stream="front", objects=objects, remove=[0, 2**31 - 1]), "Objects more and fewer."
        ),
    }


def _others() -> dict[str, Json]:
    return {
        "stream-close": typed(StreamClose(id="4", stream="front"), "End it."),
        "stream-list": typed(StreamList(id="5"), "Which streams there are."),
    }


def _replies() -> dict[str, Json]:
    opened = {"stream": "front", "model": "grabcut", "topic": "masks/front/grabcut", "frames_topic": "frames/front"}
    whole = StreamInfo(
        stream="front",
        model="sam2",
        topic="masks/front/sam2",
        policy="newest",
        track=True,
        object_ids=[1, 7],
        width=640,
        height=480,
        counts=_COUNTS,
        under_way=1,
        watched=True,
        rate_in=29.5,
        rate_out=12.25,
        p50_ms=40.5,
        p99_ms=85.0,
        idle_s=0.03125,
        last_error="The frame is no picture.",
    )
    least = StreamInfo(stream="rear", model="echo", topic="masks/rear/echo", policy="sample")
    return {
        "reply-stream-open": typed(StreamOpened(id="1", **opened), "It is there."),
        "reply-stream-open-all-fields": typed(
            StreamOpened(id="1", resumed=True, limit=8, **opened), "It took another's place, and 8 frames may come."
        ),
        "reply-stream-frame": typed(
            StreamFrameTaken(id="2", stream="front", seq=7, limit=19), "Every field: the node has the frame."
        ),
        "reply-stream-frame-shortest": typed(StreamFrameTaken(stream="front"), "Only what is required."),
        "stream-credit": typed(StreamCredit(stream="front", limit=20), "Unasked, so without an id."),
        "reply-stream-update": typed(StreamUpdated(id="3", stream="front"), "It has been changed."),
        "reply-stream-update-seq": typed(
            StreamUpdated(id="3", stream="front", seq=6), "Objects were prompted at this frame."
        ),
        "reply-stream-close": typed(StreamClosed(id="4", stream="front", counts=_COUNTS), "It has ended."),
        "reply-stream-close-unused": typed(
            StreamClosed(id="4", stream="front", counts=StreamCounts()), "It never had a frame."
        ),
        "reply-stream-list": typed(Streams(id="5", streams=[whole, least]), "One with every field, one as it begins."),
        "reply-stream-list-empty": typed(Streams(id="5", streams=[]), "There is none."),
        "published-frame": typed(
            PublishedFrame(stream="front", topic="frames/front", image=_IMAGE, **_STAMPS),
            "A frame, as the node received it.",
            _PIXELS,
            topic="frames/front",
        ),
        "published-frame-file": typed(
            PublishedFrame(stream="front", topic="frames/front", image=Image(attachment=0, encoding="jpeg")),
            "One that came as a file, and without stamps.",
            [pictures.JPEG],
            topic="frames/front",
        ),
    }


def _mask(array: np.ndarray, object_id: int | None, present: bool | None, **fields: object) -> Mask:
    shown = {"bbox": geometry.bbox(array), "area": geometry.area(array)}
    return Mask(**shown, predicted_iou=0.75, stability_score=0.5, object_id=object_id, present=present, **fields)


def _results() -> dict[str, Json]:
    shared = {"model": "sam2", "width": _WIDTH, "height": _HEIGHT, "stream": "front", "topic": "masks/front/sam2"}
    runs = [Rle(size=(_HEIGHT, _WIDTH), counts=rle.encode(array)) for array in _ARRAYS]
    drawn = [(_ARRAYS[0], 1, True, runs[0]), (_ARRAYS[1], 7, True, runs[1]), (_ARRAYS[2], 9, False, runs[2])]
    masks = [_mask(array, number, present, rle=run) for array, number, present, run in drawn]
    packed = [_mask(array, number, True, bits=Blob(attachment=i)) for i, (array, number, *_) in enumerate(drawn[:2])]
    timings = Timings(queued_ms=2.5, decode_ms=30.25, total_ms=33.5)
    followed = Masks(**shared, **_STAMPS, masks=masks, encodings=["rle"], timings=timings, published=77, counts=_COUNTS)
    lost = Masks(
        **shared,
        seq=8,
        masks=[],
        encodings=["rle"],
        published=78,
        counts=_COUNTS,
        notes=["The worker was started again; its objects are lost."],
    )
    topic = "masks/front/sam2"
    return {
        "published-stream": typed(
            Masks(
                **shared,
                seq=0,
                masks=[_mask(_ARRAYS[0], None, None, rle=runs[0])],
                encodings=["rle"],
                published=1,
                counts=StreamCounts(received=1),
            ),
            "The first result of a stream that does not track.",
            topic=topic,
            masks=pictures.MASKS[:1],
        ),
        "published-tracked": typed(
            followed, "Three objects, one of which cannot be seen.", topic=topic, masks=pictures.MASKS
        ),
        "published-tracked-bits": typed(
            Masks(**shared, seq=7, masks=packed, encodings=["bits"], published=77, counts=_COUNTS),
            "As a subscriber chose.",
            [bits.pack(array) for array in _ARRAYS[:2]],
            topic=f"bits:{topic}",
            masks=pictures.MASKS[:2],
        ),
        "published-objects-lost": typed(lost, "No mask, and why.", topic=topic),
    }


def _other_ways() -> dict[str, Json]:
    later = {
        "maskbus": "1.9",
        "op": "stream.open",
        "id": "1",
        "stream": "front",
        "lens": "wide",
        "track": True,
        "objects": [{"object_id": 1, "colour": "red", "prompt": {"points": [[1, 2]], "scribbles": []}}],
        "max_fps": None,
    }
    cause = {
        "maskbus": "1.9",
        "reply": "stream.close",
        "id": "4",
        "stream": "front",
        "counts": {"received": 3, "dropped": {"newer": 1, "too_dark": 2}, "kept": 1},
    }
    return {
        "stream-open-later-minor": plain("request", later, "Unknown fields of a later minor; nil; ints for floats."),
        "stream-close-later-cause": plain("reply", cause, "A cause that this version does not know."),
    }
