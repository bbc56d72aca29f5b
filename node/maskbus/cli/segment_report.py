"""What `maskbus segment` prints of an answer."""

from __future__ import annotations

import json
from typing import Any

import msgspec
from rich.markup import escape
from rich.table import Table

from maskbus.cli import tables
from maskbus.cli.quantities import counted
from maskbus.cli.segment_answer import Answer
from maskbus.cli.text_ranking import Proposal, Ranking
from maskbus_client.errors import NoMask
from maskbus_client.masks import Mask
from maskbus_client.results import Result
from maskbus_wire.replies import Attempt

_STAGES = (
    ("queued_ms", "queued"),
    ("decode_image_ms", "picture"),
    ("embed_ms", "embedding"),
    ("decode_ms", "masks"),
    ("encode_ms", "encoding"),
)


def print_report(answer: Answer, files: dict[str, list[str]], *, best: int) -> None:
    """Print tables of the masks, where the time went, and which files were written; of a ranking the `best`."""
    result, ranking = answer.result, answer.ranking
    if ranking is not None and ranking.proposals:
        tables.console().print(ranking_table(ranking, result, best))
        if len(ranking.proposals) > best:
            print(f"and {len(ranking.proposals) - best} more, less similar")
    # Not by rich: what stands in brackets in a name is part of the name.
    for line in score_lines(result):
        print(line)
    if ranking is None or not ranking.is_answer:
        if ranking is not None and len(result):
            print("The answer:")
        if len(result):
            tables.console().print(mask_table(result))
        elif not result.scores:
            print("No masks.")
    for line in origin_lines(result):
        print(line)
    print(timings_line(result, answer.round_trip_ms))
    for paths in files.values():
        for path in paths:
            print(f"written: {path}")


def mask_table(result: Result) -> Table:
    """Return one row a mask."""
    has_labels = any(mask.label is not None for mask in result)
    table = tables.plain(
        "#", "left", "top", "width", "height", "area", "of the picture", "predicted IoU", "stability", right=range(9)
    )
    if has_labels:
        table.add_column("label")
    for i, mask in enumerate(result):
        cells = [str(i), *map(str, mask.bbox), str(mask.area), _share(mask, result)]
        cells += [f"{mask.predicted_iou:.3f}", f"{mask.stability_score:.3f}"]
        table.add_row(*cells, *([escape(mask.label or "")] if has_labels else []))
    return table


def ranking_table(ranking: Ranking, result: Result, best: int) -> Table:
    """Return one row for each of the `best` of a ranking."""
    several = len(result.scores) > 1
    names = ("similarity", "probability", "left", "top", "width", "height", "area", "share")
    table = tables.plain("#", "", *names, right=[0, *range(2, 10)])
    shown = ranking.proposals[:best]
    if several:
        table.add_column("text", overflow="fold")
    is_unwanted = any(one.more_like for one in shown)
    if is_unwanted:
        table.add_column("more like", overflow="fold")
    for number, one in enumerate(shown, 1):
        cells = [str(number), tables.YES if one.chosen else "", f"{one.similarity:.3f}", _number(one.probability)]
        cells += [*map(str, one.mask.bbox), str(one.mask.area), _share(one.mask, result)]
        cells += [escape(one.label)] if several else []
        cells += [escape(one.more_like or "")] if is_unwanted else []
        table.add_row(*cells, style="" if one.chosen else "dim")
    return table


def score_lines(result: Result) -> list[str]:
    """Return how each text has fared, a line each."""
    lines = []
    for score in result.scores:
        if score.masks:
            found = f"{counted(score.masks, 'mask')}, of {score.proposals} that were looked at"
            # Several may have become one, or some may have been left out, when masks were post-processed.
            answered = sum(mask.label == score.text for mask in result)
            if answered != score.masks:
                found += f"; {answered or 'none'} in the answer"
        elif score.proposals:
            found = (
                f"nothing; of {score.proposals} masks that were looked at the best has a similarity of "
                f"{_number(score.similarity)} and a probability of {_number(score.probability)}"
            )
        else:
            found = "nothing; there was no mask to look at"
        lines.append(f"{score.text}: {found}")
    return lines


def origin_lines(result: Result) -> list[str]:
    """Return what the node did before it answered, or instead of computing: a line each."""
    return [*detour_lines(result), *(["The node had this answer already."] if result.reused else [])]


def detour_lines(result: Result) -> list[str]:
    """Return what the node did otherwise than asked, and which models did not answer: a line each."""
    return [*result.notes, *map(_detour, result.tried)]


def timings_line(result: Result, round_trip_ms: float) -> str:
    """Return where the time went, in one line."""
    timings = result.timings
    parts = [f"{name} {getattr(timings, field):.1f}" for field, name in _STAGES if getattr(timings, field) >= 0.05]
    inside = f" ({', '.join(parts)})" if parts else ""
    return f"{result.model}: {timings.total_ms:.1f} ms in the node{inside}, {round_trip_ms:.1f} ms round trip"


def print_json(answer: Answer, files: dict[str, list[str]], *, best: int) -> None:
    """Print everything that is known of the answer as one JSON object."""
    print(json.dumps(plain(answer, files, best=best), indent=2, ensure_ascii=False))


def plain(answer: Answer, files: dict[str, list[str]], *, best: int) -> dict[str, Any]:
    """Return everything that is known of the answer, of a ranking the `best`."""
    result = answer.result
    found = {
        "model": result.model,
        "endpoint": answer.endpoint,
        "width": result.width,
        "height": result.height,
        "masks": [_mask(mask) for mask in result],
        "notes": result.notes,
        "tried": msgspec.to_builtins(result.tried),
        "reused": result.reused,
        "timings": {
            **{name: getattr(result.timings, name) for name in result.timings.__struct_fields__},
            "round_trip_ms": answer.round_trip_ms,
        },
        "files": files,
    }
    if result.scores:
        found["scores"] = msgspec.to_builtins(result.scores)
    if answer.ranking is not None:
        found["ranking"] = [_proposal(one) for one in answer.ranking.proposals[:best]]
    return found


def _mask(mask: Mask) -> dict[str, Any]:
    plain: dict[str, Any] = {
        "bbox": list(mask.bbox),
        "area": mask.area,
        "predicted_iou": mask.predicted_iou,
        "stability_score": mask.stability_score,
    }
    if mask.label is not None:
        plain |= {"label": mask.label, "similarity": mask.similarity, "probability": mask.probability}
    try:
        plain["rle"] = mask.rle
    except NoMask:  # only logits were asked for
        plain["rle"] = None
    logits = mask.logits()
    if logits is not None:
        plain["logits"] = {"shape": list(logits.shape)}
    return plain


def _proposal(one: Proposal) -> dict[str, Any]:
    scores: dict[str, Any] = {"label": one.label, "similarity": one.similarity, "probability": one.probability}
    if one.more_like is not None:
        scores["more_like"] = one.more_like
    return {"chosen": one.chosen, **_mask(one.mask), **scores}


def _detour(one: Attempt) -> str:
    after = f" after {one.ms:.0f} ms" if one.ms >= 1 else ""
    return f"not by {one.model}{after}: {one.message}"


def _share(mask: Mask, result: Result) -> str:
    return f"{100 * mask.area / (result.width * result.height):.1f} %"


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"
