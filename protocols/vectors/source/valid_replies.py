"""Valid replies and published messages: every struct, every mask encoding, every error code."""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from maskbus_wire import bits, geometry, label_map, rle
from maskbus_wire.errors import CODES
from maskbus_wire.image_checks import IMAGE_ENCODINGS
from maskbus_wire.limits import DEFAULT_LIMITS
from maskbus_wire.prompts import Blob, Slot
from maskbus_wire.replies import (
    Cancelled,
    Embedded,
    Error,
    FoundMasks,
    Leased,
    Mask,
    Masks,
    Model,
    Models,
    ModelStats,
    Pong,
    Progress,
    Released,
    Returned,
    Rle,
    Statistics,
    Tensor,
    Timings,
    TopicStats,
    WorkerStats,
)
from source import pictures
from source.vector import Json, plain, typed

_ARRAYS = [pictures.to_bool(rows) for rows in pictures.MASKS]
_HEIGHT, _WIDTH = _ARRAYS[0].shape


def vectors() -> dict[str, Json]:
    """Return them by name."""
    return {
        **_plain_replies(),
        **_errors(),
        **_encodings(),
        **_whole_image(),
        **_everything(),
        **_published(),
        **_other_ways(),
    }


def _plain_replies() -> dict[str, Json]:
    timings = Timings(
        queued_ms=0.5, decode_image_ms=1.25, embed_ms=100.0, decode_ms=2.0, encode_ms=0.25, total_ms=104.125
    )
    model = Model(
        name="echo",
        title="The prompt itself",
        prompts=["points", "boxes"],
        encodings=["rle", "bits"],
        licence="Apache-2.0",
        weights="none needed",
        ready=True,
        everything=True,
        default=True,
    )
    absent = Model(
        name="large",
        title="A large one",
        prompts=["text"],
        encodings=["rle"],
        licence="MIT",
        weights="missing",
        ready=False,
        missing="Its weights are not there.",
        multimask=True,
        tracks=True,
        device="cuda:0",
    )
    pinned = Model(
        name="pinned",
        title="One whose authors publish no checksum",
        prompts=["points"],
        encodings=["rle"],
        licence="Apache-2.0",
        weights="unverified",
        ready=True,
    )
    statistics = Statistics(
        id="6",
        node="a1b2c3",
        version="0.1.0",
        uptime_s=3.5,
        models=[
            ModelStats(
                name="echo",
                queued={"interactive": 2, "batch": 1},
                running=1,
                answered=10,
                errors={"cancelled": 1},
                rate=2.5,
                p50_ms=1.5,
                p99_ms=9.0,
            )
        ],
        workers=[
            WorkerStats(
                model="echo",
                device="cpu",
                state="ready",
                pid=4242,
                restarts=1,
                rss_bytes=2**31,
                cache_bytes=1024,
                cache_entries=2,
                cache_hits=3,
                cache_misses=4,
                cache_evictions=5,
                last_error="It was killed.",
            )
        ],
        topics=[TopicStats(topic="png:masks/front", published=4)],
        images=2,
        shm_bytes=2**30,
        shm_used_bytes=2**20,
        rss_bytes=2**27,
        received=100,
        rejected=3,
        unanswerable=1,
    )
    endpoints = {"endpoints": ["tcp://127.0.0.1:7710"], "publish_endpoints": ["tcp://127.0.0.1:7711"]}
    return {
        "reply-embed": typed(
            Embedded(
                id="1",
                model="echo",
                width=5,
                height=3,
                image_id="f3a9c1",
                cached=True,
                timings=timings,
                stamp=-5,
                frame_id="cam",
                stream="front",
                seq=9,
                notes=["The image was looked at in two parts."],
                embedding_bytes=4_194_304,
            ),
            "Every field.",
        ),
        "reply-embed-shortest": typed(Embedded(model="echo", width=5, height=3), "Only what is required."),
        "reply-release": typed(Released(id="3"), "The image has been let go."),
        "reply-lease": typed(
            Leased(id="10", lease="9c07", path="/dev/shm/maskbus/1f", bytes=18_677_760, generation=2**63 - 1),
            "The shared memory is there.",
        ),
        "reply-return": typed(Returned(id="11"), "The shared memory has been taken back."),
        "reply-segment-shared": typed(
            Masks(
                id="8",
                model="echo",
                width=5,
                height=3,
                encodings=["raw"],
                masks=[
                    Mask(
                        bbox=(0, 0, 5, 3),
                        area=15,
                        predicted_iou=1.0,
                        stability_score=1.0,
                        raw=Blob(shared=(64, 15)),
                    )
                ],
                result=Slot(lease="9c07", index=1, generation=4),
            ),
            "The mask's bytes are in a slot.",
        ),
        "reply-cancel": typed(Cancelled(id="7", cancelled=1), "One request was cancelled."),
        "reply-cancel-none": typed(Cancelled(id="7", cancelled=0), "Nothing of that id was there."),
        "reply-ping": typed(
            Pong(id="5", node="a1b2c3", version="0.1.0", uptime_s=12.5, **endpoints), "The node is there."
        ),
        "reply-describe": typed(
            Models(
                id="4",
                models=[model, absent, pinned],
                image_encodings=list(IMAGE_ENCODINGS),
                limits=asdict(DEFAULT_LIMITS),
            ),
            "Three models, one of which cannot run.",
        ),
        "reply-stats": typed(statistics, "Every field."),
        "reply-stats-shortest": typed(
            Statistics(node="a1b2c3", version="0.1.0", uptime_s=0.0, models=[], workers=[]), "Only what is required."
        ),
    }


def _errors() -> dict[str, Json]:
    details: dict[str, dict[str, Any]] = {
        "busy": {"queue_length": 64},
        "unsupported_version": {"versions": ["1.0"], "path": "maskbus"},
        "invalid_value": {"path": "prompt.points[3]", "stamp": 1, "frame_id": "cam", "stream": "s", "seq": 2},
        "unknown_image": {"path": "image.image_id"},
        "image_expired": {"path": "image.image_id"},
    }
    return {
        f"error-{code}": typed(Error(id="8", code=code, message="Why it failed.", **details.get(code, {})), "An error.")
        for code in CODES
    }


def _masks(fields: Sequence[dict[str, Any]], encodings: list[str], arrays: Sequence[np.ndarray], **more: Any) -> Masks:
    entries = [
        Mask(
            bbox=geometry.bbox(array),
            area=geometry.area(array),
            predicted_iou=1.0 - i / 4,
            stability_score=0.5,
            **field,
        )
        for i, (array, field) in enumerate(zip(arrays, fields, strict=True))
    ]
    height, width = arrays[0].shape if arrays else (_HEIGHT, _WIDTH)
    return Masks(id="s", model="echo", width=width, height=height, masks=entries, encodings=encodings, **more)


def _encodings() -> dict[str, Json]:
    writers: dict[str, tuple[str, Callable[[np.ndarray], bytes]]] = {
        "bits": ("bits", bits.pack),
        "bits+zlib": ("bits_zlib", lambda array: pictures.deflate(bits.pack(array))),
        "png": ("png", pictures.mask_png),
        "raw": ("raw", lambda array: (array.astype(np.uint8) * np.uint8(255)).tobytes()),
    }
    found: dict[str, Json] = {}
    shown = {"masks": pictures.MASKS}
    for encoding, (field, write) in writers.items():
        data = [write(array) for array in _ARRAYS]
        attached = _masks([{field: Blob(attachment=i)} for i in range(len(data))], [encoding], _ARRAYS)
        inline = _masks([{field: Blob(data=one)} for one in data], [encoding], _ARRAYS)
        name = encoding.replace("+", "-")
        found[f"masks-{name}"] = typed(attached, f"Masks as {encoding} in attachments.", data, **shown)
        found[f"masks-{name}-inline"] = typed(inline, f"Masks as {encoding} in the header.", **shown)
    eight = [pictures.mask_png(array, 8) for array in _ARRAYS]
    texts = [base64.b64encode(pictures.mask_png(array)).decode() for array in _ARRAYS]
    runs = [Rle(size=(_HEIGHT, _WIDTH), counts=rle.encode(array)) for array in _ARRAYS]
    all_of_it = {
        "rle": runs[1],
        "bits": Blob(attachment=0),
        "png": Blob(attachment=1),
        "png_base64": texts[1],
        "polygon": pictures.POLYGONS[1],
        "raw": Blob(attachment=2),
    }
    data = [bits.pack(_ARRAYS[1]), pictures.mask_png(_ARRAYS[1]), writers["raw"][1](_ARRAYS[1])]
    return {
        **found,
        "masks-png-8-bit": typed(
            _masks([{"png": Blob(attachment=i)} for i in range(3)], ["png"], _ARRAYS), "PNG of 8 bits.", eight, **shown
        ),
        "masks-png-base64": typed(
            _masks([{"png_base64": text} for text in texts], ["png_base64"], _ARRAYS), "Masks as text.", **shown
        ),
        "masks-rle": typed(_masks([{"rle": one} for one in runs], ["rle"], _ARRAYS), "Masks as COCO RLE.", **shown),
        "masks-polygon": typed(
            _masks([{"polygon": rings} for rings in pictures.POLYGONS], ["polygon"], _ARRAYS),
            "A rectangle, a ring whose hole is joined by a cut, nothing.",
            **shown,
        ),
        "masks-several-encodings": typed(
            _masks([all_of_it], [*all_of_it], _ARRAYS[1:2]), "One mask in six ways.", data, masks=pictures.MASKS[1:2]
        ),
        "masks-none": typed(_masks([], ["rle"], []), "No mask at all."),
        "masks-no-encodings": typed(_masks([{}, {}, {}], [], _ARRAYS), "Boxes, areas and scores only."),
        "masks-labelled": typed(
            _masks([{"label": "red cup", "similarity": 0.25, "rle": runs[0]}], ["rle"], _ARRAYS[:1]),
            "Asked for by text.",
            masks=pictures.MASKS[:1],
        ),
    }


def _whole_image() -> dict[str, Json]:
    whole = np.ones((_HEIGHT, _WIDTH), np.bool_)
    rows = [["#" * _WIDTH] * _HEIGHT, pictures.MASKS[0]]
    labels = label_map.encode(np.stack([whole, _ARRAYS[0]]))
    shape = [_HEIGHT, _WIDTH]
    logits = np.array([[-2.0, 0.5], [3.25, -0.125]], "<f4")
    overlay = pictures.png([bytes(3 * _WIDTH)] * _HEIGHT, _WIDTH, depth=8, colour=2)
    small = Tensor(attachment=0, shape=shape, dtype="uint8")
    large = Tensor(attachment=0, shape=shape, dtype="uint16")
    visible = [["".join("#" if pixel == i + 1 else "." for pixel in row) for row in labels] for i in range(2)]
    several = [{}, {}]
    return {
        "masks-labels": typed(
            _masks(several, ["labels"], [whole, _ARRAYS[0]], labels=small),
            "One map for all; `masks` has what can be seen of each.",
            [labels.tobytes()],
            masks=visible,
        ),
        "masks-labels-16-bit": typed(
            _masks(several, ["labels"], [whole, _ARRAYS[0]], labels=large),
            "The same in 16 bits, little endian.",
            [labels.astype("<u2").tobytes()],
            masks=visible,
        ),
        "masks-labels-inline": typed(
            _masks(
                several,
                ["labels"],
                [whole, _ARRAYS[0]],
                labels=Tensor(data=labels.tobytes(), shape=shape, dtype="uint8"),
            ),
            "The same in the header.",
            masks=visible,
        ),
        "masks-logits": typed(
            _masks([{"logits": Tensor(attachment=0, shape=[2, 2], dtype="float32")}], ["logits"], [whole]),
            "Logits of 2 × 2.",
            [logits.tobytes()],
            logits=logits.tolist(),
        ),
        "masks-overlay": typed(
            _masks(
                [{"rle": Rle(size=(_HEIGHT, _WIDTH), counts=rle.encode(whole))}],
                ["rle", "overlay"],
                [whole],
                overlay=Blob(attachment=0),
            ),
            "A picture with the masks painted over it.",
            [overlay],
            masks=rows[:1],
        ),
    }


def _everything() -> dict[str, Json]:
    order = [1, 0] if _ARRAYS[1].sum() > _ARRAYS[0].sum() else [0, 1]
    arrays, rows = [_ARRAYS[i] for i in order], [pictures.MASKS[i] for i in order]
    points, crops = [(2.5, 1.5), (0.0, 3.0)], [(0, 0, _WIDTH, _HEIGHT), (0, 1, 4, 3)]
    fields = [
        {"point": point, "crop_box": crop, "rle": Rle(size=(_HEIGHT, _WIDTH), counts=rle.encode(array))}
        for array, point, crop in zip(arrays, points, crops, strict=True)
    ]
    found = _masks(fields, ["rle"], arrays)
    packed = _masks([{**field, "rle": None, "bits": Blob(attachment=i)} for i, field in enumerate(fields)], [], arrays)
    shared = {"id": "e", "model": "echo", "width": _WIDTH, "height": _HEIGHT}
    notes = ["Fewer points were decoded at once: 2 in place of 4.", "Nothing was found, so thresholds were lowered."]
    return {
        "reply-everything": typed(
            FoundMasks(**shared, masks=found.masks, encodings=["rle"], image_id="f3a9c1", notes=notes, seq=5),
            "Two objects, the larger first, and what was done otherwise than asked.",
            masks=rows,
        ),
        "reply-everything-bits": typed(
            FoundMasks(**shared, masks=packed.masks, encodings=["bits"]),
            "The same in attachments.",
            [bits.pack(array) for array in arrays],
            masks=rows,
        ),
        "reply-everything-none": typed(FoundMasks(**shared, masks=[], encodings=["rle"]), "Nothing was found."),
        "progress": typed(
            Progress(id="e", done=12, total=64, found=3, masks=found.masks), "Two candidates more.", masks=rows
        ),
        "progress-shortest": typed(Progress(id="e", done=0, total=64, found=0), "Nothing new."),
        "published-everything": typed(
            _masks(fields, ["rle"], arrays, topic="masks/all", published=42),
            "What a request for everything publishes is as any other.",
            topic="masks/all",
            masks=rows,
        ),
    }


def _published() -> dict[str, Json]:
    array, rows = _ARRAYS[0], pictures.MASKS[0]
    runs = {"rle": Rle(size=(_HEIGHT, _WIDTH), counts=rle.encode(array))}
    png = {"png": Blob(attachment=0)}
    stamped = {"stamp": 5, "frame_id": "cam", "stream": "front", "seq": 3, "topic": "masks/front", "published": 41}
    return {
        "published": typed(
            _masks([runs], ["rle"], [array], **stamped), "As the request asked.", topic="masks/front", masks=[rows]
        ),
        "published-png": typed(
            _masks([png], ["png"], [array], **stamped),
            "As a subscriber chose.",
            [pictures.mask_png(array)],
            topic="png:masks/front",
            masks=[rows],
        ),
        "published-retained": typed(
            _masks([runs], ["rle"], [array], **stamped, retained=True),
            "The last value, sent again for a late joiner.",
            topic="masks/front",
            masks=[rows],
        ),
    }


def _other_ways() -> dict[str, Json]:
    later = {
        "maskbus": "1.9",
        "reply": "segment",
        "id": "s",
        "model": "new",
        "width": 2,
        "height": 1,
        "depth": 3,
        "masks": [
            {"bbox": [0, 0, 1, 1], "area": 1, "predicted_iou": 1, "stability_score": 0, "vectors": [1], "label": None}
        ],
        "encodings": ["vectors"],
    }
    code = {"maskbus": "1.9", "reply": "error", "id": "s", "code": "too_hot", "message": "Wait.", "degrees": 90}
    return {
        "reply-later-minor": plain("reply", later, "Unknown fields and encodings of a later minor; ints for floats."),
        "error-later-code": plain("reply", code, "A code that this version does not know."),
    }
