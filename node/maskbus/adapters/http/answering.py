"""A reply of the node as JSON, or as the one PNG that it holds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from maskbus.adapters.http.problems import Refused
from maskbus.adapters.http.results import Array, EmbedResult, MaskResult, SegmentResult, rounded
from maskbus_client import reply_bytes
from maskbus_wire.frames import Buffer
from maskbus_wire.prompts import Blob
from maskbus_wire.replies import Answer, Embedded, Mask, Masks, Tensor

Ring = list[tuple[float, float]]


def embedded(reply: Embedded) -> EmbedResult:
    """Return the answer to `/embed`."""
    return EmbedResult(embedding_bytes=reply.embedding_bytes, **_common(reply))


def segmented(reply: Masks, attachments: Sequence[Buffer], points: Sequence[tuple[float, float]]) -> SegmentResult:
    """Return the answer to `/segment`.

    Args:
        reply: The node's.
        attachments: Its bytes.
        points: Those of the prompt, x and y in pixels.

    Raises:
        ProtocolError: if bytes are not where the reply says.
    """

    def held(blob: Blob | None, name: str) -> bytes | None:
        return None if blob is None else bytes(reply_bytes.held(blob, attachments, name))

    def array(tensor: Tensor | None, name: str) -> Array | None:
        data = held(tensor, name)
        if tensor is None or data is None:
            return None
        return Array(shape=tensor.shape, dtype=tensor.dtype, base64=data)

    def mask_of(mask: Mask, path: str) -> MaskResult:
        rings = None if mask.polygon is None else [_ring(ring) for ring in mask.polygon]
        return MaskResult(
            area=mask.area,
            bbox=mask.bbox,
            predicted_iou=mask.predicted_iou,
            stability_score=mask.stability_score,
            point_coords=list(points) if mask.point is None else [mask.point],
            crop_box=mask.crop_box,
            label=mask.label,
            similarity=mask.similarity,
            probability=mask.probability,
            segmentation=None if rings is None else max(rings, key=_area, default=[]),
            polygons=rings,
            rle=mask.rle,
            png=held(mask.png, f"{path}.png"),
            png_base64=mask.png_base64,
            bits=held(mask.bits, f"{path}.bits"),
            bits_zlib=held(mask.bits_zlib, f"{path}.bits+zlib"),
            raw=held(mask.raw, f"{path}.raw"),
            logits=array(mask.logits, f"{path}.logits"),
        )

    return SegmentResult(
        num_masks=len(reply.masks),
        masks=[mask_of(mask, f"masks[{i}]") for i, mask in enumerate(reply.masks)],
        reused=reply.reused,
        scores=reply.scores,
        labels=array(reply.labels, "labels"),
        overlay=held(reply.overlay, "overlay"),
        **_common(reply),
    )


def picture(result: SegmentResult) -> bytes:
    """Return the one PNG file of an answer: the overlay, or the mask. Refused if there is none, or several."""
    if result.overlay is not None:
        return result.overlay
    files = [mask.png for mask in result.masks if mask.png is not None]
    if len(files) != 1:
        raise Refused(
            "not_acceptable",
            f"A PNG file holds one mask, and there are {len(files)}: ask for the encoding overlay, or accept JSON.",
            headers={"Vary": "Accept"},
        )
    return files[0]


def json_of(result: msgspec.Struct) -> bytes:
    """Return the JSON of an answer; bytes in it become Base64."""
    return msgspec.json.encode(result)


def _common(reply: Answer) -> dict[str, Any]:
    return {
        "success": True,
        "model": reply.model,
        "width": reply.width,
        "height": reply.height,
        "cached": reply.cached,
        "timings": rounded(reply.timings),
        "tried": [rounded(attempt) for attempt in reply.tried],
        "notes": reply.notes,
        "image_id": reply.image_id,
        "stamp": reply.stamp,
        "frame_id": reply.frame_id,
        "stream": reply.stream,
        "seq": reply.seq,
    }


def _ring(flat: Sequence[float]) -> Ring:
    return list(zip(flat[0::2], flat[1::2], strict=True))


def _area(ring: Ring) -> float:
    """Return the area inside a ring, by the shoelace formula."""
    total = 0.0
    for (x0, y0), (x1, y1) in zip(ring, [*ring[1:], ring[0]] if ring else [], strict=True):
        total += x0 * y1 - x1 * y0
    return abs(total) / 2
