"""What `maskbus segment` prints of an answer."""

from __future__ import annotations

import json
from typing import Any

from rich.markup import escape
from rich.table import Table

from maskbus.cli import tables
from maskbus_client.errors import NoMask
from maskbus_client.masks import Mask
from maskbus_client.results import Result

_STAGES = (
    ("queued_ms", "queued"),
    ("decode_image_ms", "picture"),
    ("embed_ms", "embedding"),
    ("decode_ms", "masks"),
    ("encode_ms", "encoding"),
)


def print_table(result: Result, round_trip_ms: float, files: dict[str, list[str]]) -> None:
    """Print a table of the masks, where the time went, and which files were written."""
    if len(result):
        tables.console().print(mask_table(result))
    else:
        print("No masks.")
    # Not by rich: what stands in brackets in a name is part of the name.
    print(timings_line(result, round_trip_ms))
    for path in [*files["picture"], *files["masks"]]:
        print(f"written: {path}")


def mask_table(result: Result) -> Table:
    """Return one row a mask."""
    has_labels = any(mask.label is not None for mask in result)
    table = tables.plain(
        "#", "left", "top", "width", "height", "area", "of the picture", "predicted IoU", "stability", right=range(9)
    )
    if has_labels:
        table.add_column("label")
    pixels = result.width * result.height
    for i, mask in enumerate(result):
        cells = [str(i), *map(str, mask.bbox), str(mask.area), f"{100 * mask.area / pixels:.1f} %"]
        cells += [f"{mask.predicted_iou:.3f}", f"{mask.stability_score:.3f}"]
        table.add_row(*cells, *([escape(mask.label or "")] if has_labels else []))
    return table


def timings_line(result: Result, round_trip_ms: float) -> str:
    """Return where the time went, in one line."""
    timings = result.timings
    parts = [f"{name} {getattr(timings, field):.1f}" for field, name in _STAGES if getattr(timings, field) >= 0.05]
    inside = f" ({', '.join(parts)})" if parts else ""
    return f"{result.model}: {timings.total_ms:.1f} ms in the node{inside}, {round_trip_ms:.1f} ms round trip"


def print_json(result: Result, endpoint: str, round_trip_ms: float, files: dict[str, list[str]]) -> None:
    """Print everything that is known of the answer as one JSON object."""
    plain = {
        "model": result.model,
        "endpoint": endpoint,
        "width": result.width,
        "height": result.height,
        "masks": [_mask(mask) for mask in result],
        "timings": {
            **{name: getattr(result.timings, name) for name in result.timings.__struct_fields__},
            "round_trip_ms": round_trip_ms,
        },
        "files": files,
    }
    print(json.dumps(plain, indent=2, ensure_ascii=False))


def _mask(mask: Mask) -> dict[str, Any]:
    plain: dict[str, Any] = {
        "bbox": list(mask.bbox),
        "area": mask.area,
        "predicted_iou": mask.predicted_iou,
        "stability_score": mask.stability_score,
    }
    if mask.label is not None:
        plain |= {"label": mask.label, "similarity": mask.similarity}
    try:
        plain["rle"] = mask.rle
    except NoMask:  # only logits were asked for
        plain["rle"] = None
    logits = mask.logits()
    if logits is not None:
        plain["logits"] = {"shape": list(logits.shape)}
    return plain
