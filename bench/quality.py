"""Measure how good and how fast the built-in models answer: boxes, clicks, frames of videos.

python bench/quality.py [--data FOLDER] [--model nano] [--limit N] [--json FILE] [--picture FILE] [--docs]

Every model is measured in processes of its own, on the same photos with the same clicks. The photos are the 50 of
Rother et al. 2004 with their masks, the videos sequences of DAVIS 2016 (Perazzi et al.), each frame by itself with the
box of its mask. Beside the models runs plain `cv2.grabCut` with the same boxes.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import machine
import quality_figures as sums
import quality_page
import quality_task
from page import replace_section
from quality_clicks import CORRECTIONS, GOALS, MOST_CLICKS
from quality_photos import examples, is_folder
from quality_plain import NAME as PLAIN
from quality_task import Task

ROOT = Path(__file__).resolve().parents[1]
MODELS = ("nano", "grabcut", PLAIN)
WITH_RUNTIMES = ("nano",)
"""Models that any of `maskbus.networks` computes."""
PLAINEST = "opencv"
"""The runtime that is always there: it computes the answers, so that they are the same wherever they are measured."""
EVERY = {"grabcut": 5}
"""Of a slow model's videos only every so many frames are looked at."""
PICTURE = ROOT / "docs" / "images" / "nano-reliability.png"
PHOTOS_HELP = """\
Photos of your own: --data names a folder with images/ and masks/. images/dog.jpg has the mask
masks/dog.png or masks/dog.bmp; where there are several objects, masks/dog_1.png, masks/dog_2.png
and so on. In a mask 255 is the object, 0 background, and 128, if there is any, is not counted."""


def main() -> int:
    options = _options()
    folder = options.data if is_folder(options.data) else options.data / "grabcut"
    if not is_folder(folder):
        print(f"Skipped: there are no photos in {folder} (images/ and masks/ are needed; --data names the folder).")
        return 0
    found = examples(folder, options.photo, options.limit)
    if not found:
        sys.exit(f"No photo in {folder / 'images'} has a mask in {folder / 'masks'}: images/dog.jpg, masks/dog.png.")
    figures, rows = _measure(options, folder)
    figures.update(
        photos=len(found),
        folder=folder.name,
        threads=options.threads,
        machine=machine.sentence(machine.describe()),
        load=machine.load_average(),
    )
    print(quality_page.as_markdown(figures))
    for model, each in rows["answers"].items():
        worst = sorted(each, key=lambda row: _first(row)["iou"])[:5]
        print(f"{model} is worst at", ", ".join(f"{row['photo']} {_first(row)['iou']:.2f}" for row in worst))
    if options.json:
        options.json.write_text(json.dumps({**figures, "rows": rows}, indent=1) + "\n", encoding="utf-8")
    whole = folder == options.data / "grabcut" and not (options.limit or options.photo or options.model)
    if options.docs and not whole:
        print("docs/performance.md stays as it is: it shows all models on all photos of --data/grabcut.")
    if options.picture or (options.docs and whole):
        import quality_picture

        quality_picture.draw(figures["models"], options.picture or PICTURE)
    if options.docs and whole:
        replace_section(ROOT / "docs" / "performance.md", "quality", quality_page.as_markdown(figures))
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description="Measure the answers of the built-in models on photos and videos with masks.",
        epilog=PHOTOS_HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--data",
        type=Path,
        default=ROOT.parent / "shared" / "data",
        metavar="FOLDER",
        help="photos in FOLDER/grabcut and videos in FOLDER/davis, or photos in FOLDER itself (see below)",
    )
    parser.add_argument("--model", action="append", help=f"only this one (repeatable; without: {', '.join(MODELS)})")
    parser.add_argument("--photo", action="append", default=[], help="only the photo of this name, without its ending")
    parser.add_argument("--limit", type=int, metavar="N", help="only the first N photos, and N frames of each video")
    parser.add_argument("--threads", type=int, default=2, metavar="N", help="CPU threads of a model (2)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every figure of every photo there")
    parser.add_argument("--picture", type=Path, metavar="FILE", help="write the picture of the estimates there")
    parser.add_argument("--docs", action="store_true", help="write tables and picture into docs/")
    options = parser.parse_args()
    for name in ("limit", "threads"):
        if getattr(options, name) is not None and getattr(options, name) < 1:
            parser.error(f"--{name} must be at least 1.")
    return options


def _measure(options: argparse.Namespace, folder: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the figures, and by model what they were made of."""
    videos = options.data / "davis"
    filmed = (videos / "JPEGImages").is_dir() and (videos / "Annotations").is_dir()
    shared: dict[str, Any] = {"threads": options.threads, "photos": options.photo, "limit": options.limit}
    answers: dict[str, Any] = {}
    times: list[dict[str, Any]] = []
    frames: dict[str, Any] = {}
    for model in options.model or MODELS:
        runtimes = _runtimes(model)
        plainest = Task("answers", model, str(folder), runtime=runtimes[0], **shared)
        answers[model] = quality_task.run(plainest)
        for runtime in runtimes:
            figures = quality_task.run(replace(plainest, what="times", runtime=runtime))
            times.append({"model": model, "runtime": runtime, **figures})
        if filmed and model != PLAIN:
            filming = replace(plainest, what="frames", folder=str(videos), every=EVERY.get(model, 1))
            frames[model] = quality_task.run(filming)
    summed = {
        "models": {model: _summary(rows) for model, rows in answers.items()},
        "times": [_spreads(one) for one in times],
        "videos": {model: _videos(model, rows) for model, rows in frames.items()},
    }
    return summed, {"answers": answers, "times": times, "frames": frames}


def _runtimes(model: str) -> list[str]:
    """Return what is installed that computes a model, the plainest first; one empty name where that is no question."""
    from maskbus import networks

    if model not in WITH_RUNTIMES:
        return [""]
    others = [name for name in networks.RUNTIMES if name not in ("auto", PLAINEST) and networks.is_installed(name)]
    return [PLAINEST, *others]


def _first(row: dict[str, Any]) -> dict[str, float]:
    """Return the answer to one click; to the box where a model takes no clicks."""
    clicks: list[list[dict[str, float]]] = list(row["clicks"].values())
    answer: dict[str, float] = clicks[0][0] if clicks else row["box"]
    return answer


def _summary(rows: list[dict[str, Any]]) -> dict[str, Any]:
    ways: dict[str, Any] = {}
    for way in rows[0]["clicks"]:
        dialogues = [row["clicks"][way] for row in rows]
        ways[way] = {
            "after": [sums.summary([sums.after(each, n) for each in dialogues]) for n in range(CORRECTIONS + 1)],
            "needed": {f"{goal:.2f}": sums.clicks_needed(dialogues, goal, MOST_CLICKS) for goal in GOALS},
        }
    found: dict[str, Any] = {"box": sums.summary([row["box"] for row in rows]), "ways": ways}
    if ways:
        best = next(iter(ways))
        judged = [row["box"] for row in rows]
        judged += [one for row in rows for one in row["clicks"][best][: CORRECTIONS + 1]]
        found["reliability"] = sums.reliability(judged)
    return found


def _spreads(times: dict[str, Any]) -> dict[str, Any]:
    spread = {
        f"{click}_{unit}": sums.spread(times[click], unit) for click in ("first", "next") for unit in ("ms", "cpu_ms")
    }
    return {**{key: times[key] for key in times if key not in ("first", "next")}, **spread}


def _videos(model: str, rows: dict[str, list[dict[str, float]]]) -> dict[str, Any]:
    means = {video: sums.summary(each)["mean"] for video, each in rows.items() if each}
    return {
        "every": EVERY.get(model, 1),
        "frames": sum(map(len, rows.values())),
        "J": means,
        "mean_J": sum(means.values()) / len(means),
    }


if __name__ == "__main__":
    sys.exit(main())
