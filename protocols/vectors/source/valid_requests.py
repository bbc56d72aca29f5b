"""Valid requests: every operation, every form of image and prompt."""

from __future__ import annotations

import base64

import msgpack
import numpy as np

from maskbus_wire import bits, rle
from maskbus_wire.prompts import Image, LogitsPrompt, MaskPrompt, Prompt, Slot
from maskbus_wire.requests import (
    Cancel,
    Describe,
    Embed,
    Everything,
    EverythingOptions,
    Lease,
    Ping,
    Release,
    Return,
    Segment,
    Stats,
)
from source import pictures
from source.vector import Json, plain, typed

_RGB = pictures.pattern()
_IMAGE = Image(attachment=0, encoding="rgb8", width=pictures.WIDTH, height=pictures.HEIGHT)
_PIXELS = [_RGB.tobytes()]
_HELD = Image(image_id="f3a9c1")
_SLOT = Slot(lease="9c07", index=0, generation=2)


def vectors() -> dict[str, Json]:
    """Return them by name."""
    return {
        **_operations(),
        **_everything(),
        **_raw_images(),
        **_files(),
        **_prompts(),
        **_mask_prompts(),
        **_other_ways(),
    }


def _operations() -> dict[str, Json]:
    everything = Segment(
        id="all-fields",
        image=Image(image_id="f3a9c1"),
        model="grabcut",
        lane="stream",
        deadline_ms=250,
        stamp=1_700_000_000_123_456_789,
        frame_id="camera_front",
        stream="front",
        seq=7,
        prompt=Prompt(points=[(1.5, 2.0)], labels=[1]),
        encodings=["rle", "bits", "bits+zlib", "png", "png_base64", "polygon", "raw", "labels", "logits", "overlay"],
        multimask=True,
        inline=True,
        keep=True,
        publish="masks/front",
        options={"iterations": 5, "border": {"left": 1, "kinds": ["a", None, True, 0.5, b"\x00\xff"]}},
    )
    extreme = Segment(image=_HELD, stamp=-(2**63), seq=2**63 - 1, deadline_ms=3_600_000, id="é漢字😀")
    return {
        "segment-shortest": typed(Segment(image=_HELD), "Only what is required."),
        "segment-all-fields": typed(everything, "Every field of the operation, and every encoding."),
        "segment-extremes": typed(extreme, "The smallest stamp, the largest seq and deadline, text beyond ASCII."),
        "segment-no-encodings": typed(Segment(image=_HELD, encodings=[]), "Boxes, areas and scores only."),
        "embed": typed(Embed(id="1", image=_IMAGE, model="echo"), "Have an image kept.", _PIXELS),
        "embed-stamped": typed(
            Embed(id="2", image=_IMAGE, lane="batch", stamp=5, frame_id="cam", stream="s", seq=0),
            "As a stream.",
            _PIXELS,
        ),
        "segment-slots": typed(
            Segment(
                id="8",
                image=Image(slot=_SLOT),
                prompt=Prompt(points=[(1.0, 2.0)]),
                encodings=["raw"],
                result=Slot(lease="9c07", index=63, generation=2**63 - 2),
            ),
            "Pixels and masks in shared memory.",
        ),
        "embed-slot": typed(Embed(id="9", image=Image(slot=_SLOT)), "Have an image in shared memory kept."),
        "lease": typed(Lease(id="10", slots=3, slot_bytes=6_220_800), "Ask for shared memory."),
        "return": typed(Return(id="11", lease="9c07"), "Give it back."),
        "release": typed(Release(id="3", image_id="f3a9c1"), "Let go of it."),
        "describe": typed(Describe(id="4"), "What is offered."),
        "ping": typed(Ping(id="5"), "Is the node there."),
        "ping-without-id": typed(Ping(), "An id may be left out."),
        "stats": typed(Stats(id="6"), "How the node is doing."),
        "cancel": typed(Cancel(id="7", target="5f1d"), "Take a request back."),
    }


def _everything() -> dict[str, Json]:
    settings = EverythingOptions(
        points_per_side=48,
        points_per_batch=64,
        pred_iou_thresh=0.85,
        stability_score_thresh=0.5,
        stability_score_offset=1.5,
        box_nms_thresh=0.75,
        crop_n_layers=2,
        crop_nms_thresh=0.25,
        crop_overlap_ratio=0.375,
        crop_n_points_downscale_factor=2,
        min_mask_region_area=100,
        min_area=500,
        max_masks=65_535,
        retry=False,
    )
    all_fields = Everything(
        id="all-fields",
        image=_IMAGE,
        model="echo",
        lane="batch",
        deadline_ms=600_000,
        stamp=1_700_000_000_123_456_789,
        frame_id="camera_front",
        stream="front",
        seq=7,
        encodings=["rle", "bits", "bits+zlib", "png", "png_base64", "polygon", "raw", "labels", "overlay"],
        inline=True,
        keep=True,
        publish="masks/front",
        preset="dense",
        settings=settings,
        progress=True,
    )
    said = Everything(
        id="12",
        image=_IMAGE,
        model="echo",
        lane="batch",
        preset="fast",
        settings=EverythingOptions(points_per_side=8, pred_iou_thresh=0.5, retry=True),
        progress=True,
    )
    least = EverythingOptions(
        points_per_side=1,
        points_per_batch=0,
        pred_iou_thresh=0.0,
        stability_score_thresh=0.0,
        stability_score_offset=0.001,
        box_nms_thresh=0.0,
        crop_n_layers=0,
        crop_nms_thresh=0.0,
        crop_overlap_ratio=0.0,
        crop_n_points_downscale_factor=1,
        min_mask_region_area=0,
        min_area=0,
        max_masks=0,
    )
    most = EverythingOptions(
        points_per_side=256,
        points_per_batch=4096,
        pred_iou_thresh=1.0,
        stability_score_thresh=1.0,
        stability_score_offset=100.0,
        box_nms_thresh=1.0,
        crop_n_layers=3,
        crop_nms_thresh=1.0,
        crop_overlap_ratio=0.999,
        crop_n_points_downscale_factor=2,
        max_masks=65_535,
    )
    full = EverythingOptions(points_per_side=256, crop_n_layers=3, crop_n_points_downscale_factor=2)
    return {
        "everything-shortest": typed(Everything(image=_HELD), "Only what is required."),
        "everything-all-fields": typed(all_fields, "Every field of the operation, and every setting.", _PIXELS),
        "everything": typed(said, "A preset, settings that differ from it, and progress.", _PIXELS),
        "everything-settings": typed(
            Everything(id="13", image=_HELD, preset="dense", settings=settings), "Every setting, of a kept image."
        ),
        "everything-least": typed(Everything(image=_HELD, settings=least), "The least that each setting may be."),
        "everything-most": typed(Everything(image=_HELD, settings=most), "The most that each setting may be."),
        "everything-grid": typed(
            Everything(image=_HELD, settings=full), "262144 points: 256 × 256 in each of four layers."
        ),
        "everything-encodings": typed(
            Everything(id="14", image=_HELD, encodings=["bits", "labels"], publish="masks/all", keep=True),
            "As two encodings, published.",
        ),
        "everything-slot": typed(Everything(id="15", image=Image(slot=_SLOT)), "Pixels in shared memory."),
    }


def _image(name: str, about: str, image: Image, pixels: np.ndarray, data: bytes | None, tolerance: int = 0) -> Json:
    shown = {"height": pixels.shape[0], "width": pixels.shape[1], "rgb": pixels.tobytes(), "tolerance": tolerance}
    return typed(Segment(id=name, image=image), about, [] if data is None else [data], pixels=shown)


def _raw_images() -> dict[str, Json]:
    height, width = pictures.HEIGHT, pictures.WIDTH
    alpha = np.full((height, width, 1), 128, np.uint8)
    grey = np.repeat(_RGB[:, :, :1], 3, axis=2)
    layouts = {
        "rgb8": _RGB,
        "bgr8": _RGB[:, :, ::-1],
        "rgba8": np.concatenate((_RGB, alpha), axis=2),
        "bgra8": np.concatenate((_RGB[:, :, ::-1], alpha), axis=2),
        "mono8": _RGB[:, :, :1],
    }
    found = {}
    for encoding, layout in layouts.items():
        image = Image(attachment=0, encoding=encoding, width=width, height=height)
        shown = grey if encoding == "mono8" else _RGB
        found[f"image-{encoding}"] = _image(encoding, f"Raw {encoding}.", image, shown, layout.tobytes())
    padded = b"".join(row.tobytes() + b"\xee" * 5 for row in _RGB)
    stepped = Image(attachment=0, encoding="rgb8", width=width, height=height, step=20)
    inline = Image(data=_RGB.tobytes(), encoding="rgb8", width=width, height=height)
    text = Image(base64=base64.b64encode(_RGB.tobytes()).decode(), encoding="rgb8", width=width, height=height)
    second = Segment(image=Image(attachment=1, encoding="rgb8", width=width, height=height))
    return {
        **found,
        "image-step": _image("step", "Rows 20 bytes apart.", stepped, _RGB, padded),
        "image-step-unpadded-end": _image("step", "The last row is not padded.", stepped, _RGB, padded[:-5]),
        "image-inline": _image("inline", "The pixels stand in the header.", inline, _RGB, None),
        "image-base64-raw": _image("base64", "The pixels as Base64 text.", text, _RGB, None),
        "image-second-attachment": typed(second, "Attachment 0 is not used.", [b"unused", _RGB.tobytes()]),
    }


def _files() -> dict[str, Json]:
    jpeg, turned, webp, png = pictures.JPEG, pictures.jpeg_turned(), pictures.WEBP, pictures.pattern_png()
    shown, upright = pictures.jpeg_pixels(), np.rot90(pictures.jpeg_pixels(), -1).copy()
    text = base64.b64encode(png).decode()
    lines = "\n".join(text[i : i + 60] for i in range(0, len(text), 60))
    size = {"width": pictures.WIDTH, "height": pictures.HEIGHT}
    return {
        "image-jpeg": _image("jpeg", "A JPEG file.", Image(attachment=0, encoding="jpeg"), shown, jpeg, 3),
        "image-jpeg-turned": _image(
            "turned",
            "EXIF orientation 6: width and height are those of the upright image.",
            Image(attachment=0, encoding="jpeg", width=8, height=16),
            upright,
            turned,
            3,
        ),
        "image-png": _image("png", "A PNG file.", Image(attachment=0, encoding="png"), _RGB, png),
        "image-png-sized": _image("png", "With its size.", Image(attachment=0, encoding="png", **size), _RGB, png),
        "image-webp": _image("webp", "A WebP file.", Image(attachment=0, encoding="webp"), _RGB, webp),
        "image-jpeg-inline": _image(
            "inline", "A file in the header.", Image(data=jpeg, encoding="jpeg"), shown, None, 3
        ),
        "image-base64": _image("base64", "A file as Base64.", Image(base64=text, encoding="png"), _RGB, None),
        "image-base64-lines": _image(
            "lines", "Base64 with line ends.", Image(base64=lines, encoding="png"), _RGB, None
        ),
        "image-data-url": _image(
            "url",
            "A data-URL; the encoding may be left out.",
            Image(base64=f"data:image/png;base64,{text}"),
            _RGB,
            None,
        ),
        "image-data-url-other-type": _image(
            "url", "Its media type is not looked at.", Image(base64=f"data:text/plain;base64,{text}"), _RGB, None
        ),
        "image-held": typed(Segment(image=_HELD), "A reference to an image that the node holds."),
    }


def _prompted(about: str, prompt: Prompt, *attachments: bytes) -> Json:
    image = Image(image_id="f3a9c1")
    return typed(Segment(id="prompt", image=image, prompt=prompt), about, attachments)


def _prompts() -> dict[str, Json]:
    logits = np.array([[-1.5, 0.0, 2.25], [1e-3, -1e3, 7.0]], "<f4").tobytes()
    return {
        "prompt-none": _prompted("Everything.", Prompt()),
        "prompt-point": _prompted("One point; its label is 1.", Prompt(points=[(3.0, 1.0)])),
        "prompt-points": _prompted(
            "Points between pixels, with labels.", Prompt(points=[(0.0, 0.0), (4.75, 2.5)], labels=[1, 0])
        ),
        "prompt-box": _prompted("One box.", Prompt(boxes=[(0.5, 0.0, 4.0, 3.0)])),
        "prompt-boxes": _prompted("Two objects.", Prompt(boxes=[(0.0, 0.0, 2.0, 3.0), (2.0, 0.0, 5.0, 3.0)])),
        "prompt-box-and-points": _prompted(
            "One object.", Prompt(points=[(1.0, 1.0), (2.0, 2.0)], labels=[0, 1], boxes=[(0.0, 0.0, 5.0, 3.0)])
        ),
        "prompt-text": _prompted("Two texts.", Prompt(text=["red cup", "Löffel"])),
        "prompt-text-negative": _prompted("A text, and what it is not.", Prompt(text=["cup"], negative_text=["glass"])),
        "prompt-logits": _prompted(
            "Logits of 2 × 3.", Prompt(points=[(1.0, 1.0)], logits=LogitsPrompt(attachment=0, shape=(2, 3))), logits
        ),
        "prompt-logits-inline": _prompted(
            "Logits in the header.", Prompt(logits=LogitsPrompt(data=logits, shape=(2, 3)))
        ),
    }


def _mask_prompts() -> dict[str, Json]:
    rows = pictures.MASKS[1]
    mask = pictures.to_bool(rows)
    packed = bits.pack(mask)
    forms = {
        "raw": (MaskPrompt(attachment=0, encoding="raw"), (mask.astype(np.uint8) * np.uint8(255)).tobytes()),
        "raw-ones": (MaskPrompt(attachment=0, encoding="raw"), mask.astype(np.uint8).tobytes()),
        "bits": (MaskPrompt(attachment=0, encoding="bits"), packed),
        "bits-zlib": (MaskPrompt(attachment=0, encoding="bits+zlib"), pictures.deflate(packed)),
        "png": (MaskPrompt(attachment=0, encoding="png"), pictures.mask_png(mask)),
        "png-8-bit": (MaskPrompt(attachment=0, encoding="png"), pictures.mask_png(mask, 8)),
        "bits-inline": (MaskPrompt(data=packed, encoding="bits"), None),
        "bits-base64": (MaskPrompt(base64=base64.b64encode(packed).decode(), encoding="bits"), None),
        "rle": (MaskPrompt(counts=rle.encode(mask), encoding="rle"), None),
    }
    return {
        f"prompt-mask-{name}": typed(
            Segment(id="mask", image=Image(image_id="f3a9c1"), prompt=Prompt(mask=prompt)),
            "A mask to refine, of an image of 10 × 4 pixels.",
            [] if data is None else [data],
            masks=[rows],
        )
        for name, (prompt, data) in forms.items()
    }


def _other_ways() -> dict[str, Json]:
    start = {"maskbus": "1.0", "op": "segment", "id": "", "image": {"image_id": "f3a9c1"}}
    later = {
        **start,
        "maskbus": "1.7",
        "mood": "new",
        "prompt": {"points": [[1.0, 2.0]], "scribbles": [[[1, 2], [3, 4]]]},
        "image": {"image_id": "f3a9c1", "colour_space": {"name": "srgb"}},
    }
    nil = {**start, "deadline_ms": None, "stamp": None, "publish": None, "prompt": {"mask": None}}
    reversed_order = dict(reversed(start.items()))
    single = msgpack.packb({**start, "prompt": {"points": [[1.5, 2.0]]}}, use_single_float=True)
    wide = (
        b"\xdf\x00\x00\x00\x03"  # map 32
        b"\xd9\x07maskbus\xda\x00\x031.0"  # str 8, str 16
        b"\xdb\x00\x00\x00\x02op\xa5embed"  # str 32
        b"\xa5image\xde\x00\x04"  # map 16
        b"\xaaattachment\xd3\x00\x00\x00\x00\x00\x00\x00\x00"  # int 64
        b"\xa8encoding\xa5mono8"
        b"\xa5width\xcf\x00\x00\x00\x00\x00\x00\x00\x02"  # uint 64
        b"\xa6height\xd0\x01"  # int 8
    )
    return {
        "other-unknown-fields": plain("request", later, "A later minor; unknown fields at every depth are ignored."),
        "other-nil": plain("request", nil, "nil is the same as leaving a field out."),
        "other-order": plain("request", reversed_order, "Fields in another order."),
        "other-int-for-float": plain(
            "request",
            {**start, "prompt": {"points": [[1, 2]], "boxes": [[0, 0, 4, 3]]}},
            "Whole numbers as coordinates.",
        ),
        "other-single-floats": plain("request", single, "32-bit floats as coordinates."),
        "other-wide": plain("request", wide, "Lengths and numbers in wider forms than needed.", [b"\x01\x02"]),
    }
