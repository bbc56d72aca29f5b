"""Write the figures of a quality run down for the documentation."""

from __future__ import annotations

from typing import Any

_SENT = {"logits": "logits", "mask": "mask", "clicks": "nothing"}
_NAMES = ("mean", "median", "worst tenth")
_AIMS = {"box": 0.92, "one": 0.85, "five": 0.93, "first": 60, "next": 15}
"""What `nano` is to reach: IoU, and milliseconds."""


def as_markdown(figures: dict[str, Any]) -> str:
    """Return the tables, with what a reader needs to judge them."""
    models = figures["models"]
    which = "photos of Rother et al. 2004" if figures["folder"] == "grabcut" else f"masks of `{figures['folder']}`"
    lines = [
        "<!-- written by `bench/quality.py --docs` -->",
        "",
        f"{', '.join(f'`{model}`' for model in models)}: the same boxes and clicks on the {figures['photos']} {which}, "
        "in one run (`make bench-quality`). IoU with the true mask; the worst tenth of the photos is below the figure.",
        "",
        *_answers(models),
        "",
        "The first click is at the most interior point of the object, each correction at the most interior point of "
        "the largest error. With it go all clicks so far and the logits of the answer before, its mask, or nothing. "
        "Pixels that the masks mark as undecided are not counted.",
        "",
        *_needed(models),
        "",
        "NoC: the clicks it takes, on average, until the IoU is reached; photos that never reach it count as 20.",
        "",
        *_times(figures["times"]),
        "",
        f"Milliseconds, median (90th percentile), of photos scaled to about 500 × 375 pixels, {figures['threads']} "
        "threads: the first click with embedding the photo, the next one without. `cv2.grabCut` is given the box. Peak "
        "memory is of a process that has only this model, everything mode not counted. Everything mode is 1,024 "
        "points; a dash: it would take minutes, or does not exist.",
        "",
    ]
    if targets := _targets(figures):
        lines += [*targets, ""]
    lines += _reliability(models)
    if figures["videos"]:
        lines += [*_videos(figures["videos"]), ""]
    lines += [
        "Photos of one's own: `python bench/quality.py --data FOLDER`. `FOLDER/images/dog.jpg` has the mask "
        "`FOLDER/masks/dog.png` or `.bmp` (255 object, 0 background, 128 not counted), several objects have "
        "`dog_1.png`, `dog_2.png`. `--model nano` measures one model, `--limit 5` five photos. The figures are "
        "printed; this page stays as it is.",
        "",
        f"Machine: {figures['machine']}; load average {figures['load']:.1f} at the end.",
    ]
    return "\n".join(lines)


def _row(*cells: object) -> str:
    return f"| {' | '.join(str(cell) for cell in cells)} |"


def _head(*cells: str, left: int = 1) -> list[str]:
    return [_row(*cells), _row(*(["---"] * left + ["---:"] * (len(cells) - left)))]


def _answers(models: dict[str, Any]) -> list[str]:
    def cells(find: Any) -> list[str]:
        found = [find(one) for one in models.values()]
        return [f"{one[key]:.3f}" if one else "–" for one in found for key in ("mean", "median", "p10")]

    ways = [way for one in models.values() for way in one["ways"].values()]
    corrections = range(1, len(ways[0]["after"]) if ways else 1)
    lines = _head("prompt", *(f"`{model}` {name}" if name == "mean" else name for model in models for name in _NAMES))
    lines.append(_row("box", *cells(lambda one: one["box"])))
    lines.append(_row("one click", *cells(lambda one: next((way["after"][0] for way in one["ways"].values()), None))))
    for way, sent in _SENT.items():
        if any(way in one["ways"] for one in models.values()):
            for n in corrections:
                found = cells(lambda one, way=way, n=n: one["ways"][way]["after"][n] if way in one["ways"] else None)
                lines.append(_row(f"+ {n} corrective, {sent} sent", *found))
    return lines


def _needed(models: dict[str, Any]) -> list[str]:
    rows = []
    for model, one in models.items():
        for way, found in one["ways"].items():
            cells = [(f"{each['clicks']:.2f}", f"{each['never']:.0f}") for each in found["needed"].values()]
            rows.append(_row(f"`{model}`, {_SENT[way]} sent", *(cell for pair in cells for cell in pair)))
    return [*_head("", "NoC@85", "never reached", "NoC@90", "never reached"), *rows] if rows else []


def _times(times: list[dict[str, Any]]) -> list[str]:
    def cell(spread: dict[str, float]) -> str:
        return f"{spread['median']:.0f} ({spread['p90']:.0f})" if spread else "–"

    lines = _head("", "first click", "CPU", "next click", "CPU", "everything mode", "peak memory")
    for one in times:
        everything = one.get("everything_s")
        lines.append(
            _row(
                f"`{one['model']}`{', ' + one['runtime'] if one['runtime'] else ''}",
                *(cell(one[key]) for key in ("first_ms", "first_cpu_ms", "next_ms", "next_cpu_ms")),
                f"{sum(everything) / len(everything):.1f} s" if everything else "–",
                f"{one['peak_mb']:.0f} MB",
            )
        )
    return lines


def _targets(figures: dict[str, Any]) -> list[str]:
    model = figures["models"].get("nano")
    if model is None:
        return []
    sent, way = next(iter(model["ways"].items()))
    clicks, times = way["after"], next(one for one in figures["times"] if one["model"] == "nano")
    reached = (
        ("box", model["box"]["mean"], "mean IoU, box"),
        ("one", clicks[0]["mean"], "mean IoU, one click"),
        ("five", clicks[4]["mean"], f"mean IoU, five clicks in all, {_SENT[sent]} sent"),
    )
    taken = (
        ("first", times["first_ms"].get("median"), f"ms, first click, {times['runtime']}"),
        ("next", times["next_ms"].get("median"), f"ms, next click, {times['runtime']}"),
    )
    lines = _head("`nano`", "target", "measured", "")
    lines += [_row(said, f"≥ {_AIMS[key]}", f"{x:.3f}", "✓" if x >= _AIMS[key] else "✗") for key, x, said in reached]
    lines += [
        _row(said, f"≤ {_AIMS[key]}", f"{x:.1f}", "✓" if x <= _AIMS[key] else "✗")
        for key, x, said in taken
        if x is not None
    ]
    return lines


def _reliability(models: dict[str, Any]) -> list[str]:
    judged = {model: one["reliability"] for model, one in models.items() if "reliability" in one}
    if not judged:
        return []
    lines = ["![What models believe, and what they reach](images/nano-reliability.png)", ""] if "nano" in judged else []
    lines += _head("", "`predicted_iou`, mean", "true mean", "calibration error", "Pearson", "rank correlation")
    for model, one in judged.items():
        figures = (f"{one[key]:.3f}" for key in ("believed", "reached", "error"))
        lines.append(_row(f"`{model}`", *figures, f"{one['pearson']:.2f}", f"{one['rank']:.2f}"))
    lines += [
        "",
        f"`predicted_iou` over box, one click and corrections, {next(iter(judged.values()))['answers']} answers a "
        "model. The calibration error is the mean distance between what is believed and what is reached, in ten bins "
        "of equally many answers (Guo et al. 2017), the points of the picture.",
        "",
    ]
    return lines


def _videos(videos: dict[str, Any]) -> list[str]:
    names = next(iter(videos.values()))["J"]
    lines = _head("", *names, "mean J", "frames")
    for model, one in videos.items():
        counted = f"{one['frames']}" + (f", every {one['every']}th" if one["every"] > 1 else "")
        lines.append(
            _row(
                f"`{model}`",
                *(f"{one['J'].get(name, float('nan')):.3f}" for name in names),
                f"{one['mean_J']:.3f}",
                counted,
            )
        )
    lines += [
        "",
        "J, the mean IoU, on sequences of DAVIS 2016, 854 × 480 pixels: each frame by itself, with its mask's box.",
    ]
    return lines
