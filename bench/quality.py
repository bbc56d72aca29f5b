"""Measure how good the answers of a built-in model are: boxes, one click, five corrective clicks.

python bench/quality.py [--data ../shared/data] [--model grabcut] [--json FILE] [--docs] [--limit N] [--noc]

The photos are the 50 of Rother et al. 2004 with their masks (255 object, 0 background, 128 not counted). IoU never
counts a pixel that is 128. The corrective clicks are simulated as usual in interactive segmentation: each is put at the
most interior point of the largest error of the answer before (largest inscribed circle). They are measured with that
answer's mask sent along as the mask to refine, and again with the clicks alone. Beside the model runs plain
`cv2.grabCut` with the same box on the same photos.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import machine
import numpy as np
import numpy.typing as npt
from page import replace_section
from quality_figures import after, agreement, as_markdown, clicks_to, pearson, summary

from maskbus.interfaces import DecodeOptions, Embedding, Handler, Image, LoadContext, Masks, Prompt

CORRECTIONS = 5
MOST_CLICKS = 20
Bool = npt.NDArray[np.bool_]
UInt8 = npt.NDArray[np.uint8]


class Times(NamedTuple):
    """Milliseconds; of the CPU over all threads, which a busy machine changes less."""

    ms: float
    cpu_ms: float

    def plus(self, other: Times) -> Times:
        return Times(self.ms + other.ms, self.cpu_ms + other.cpu_ms)


class Unhurried:
    """A job without deadline."""

    def check(self) -> None:
        return

    def remaining(self) -> float:
        return float("inf")


JOB = Unhurried()


@dataclass(frozen=True)
class Photo:
    name: str
    bgr: UInt8
    truth: UInt8


def read_photos(folder: Path, limit: int | None) -> list[Photo]:
    photos = []
    for path in sorted((folder / "images").iterdir())[:limit]:
        truth = cv2.imread(str(folder / "masks" / f"{path.stem}.bmp"), cv2.IMREAD_GRAYSCALE)
        bgr = cv2.imread(str(path))
        if truth is None or bgr is None:
            raise SystemExit(f"{path} or its mask cannot be read.")
        photos.append(Photo(path.stem, np.asarray(bgr, np.uint8), np.asarray(truth, np.uint8)))
    return photos


def iou(mask: Bool, truth: UInt8) -> float:
    counted = truth != 128
    target = truth == 255
    union = np.count_nonzero((mask | target) & counted)
    return np.count_nonzero(mask & target & counted) / union if union else 1.0


def tight_box(truth: UInt8) -> npt.NDArray[np.float32]:
    ys, xs = np.nonzero(truth == 255)
    return np.array([[xs.min(), ys.min(), xs.max(), ys.max()]], np.float32)


def innermost(region: Bool) -> tuple[float, float, float]:
    """Return x, y of the centre of the largest circle inside `region`, and its radius."""
    depth = cv2.distanceTransform(np.pad(region.astype(np.uint8), 1), cv2.DIST_L2, 5)[1:-1, 1:-1]
    row, column = divmod(int(depth.argmax()), depth.shape[1])
    return float(column), float(row), float(depth[row, column])


def next_click(mask: Bool, truth: UInt8) -> tuple[float, float, int] | None:
    """Return x, y and label of the click that corrects the largest error; None where nothing is wrong."""
    counted = truth != 128
    missed = innermost((truth == 255) & ~mask & counted)
    wrong = innermost((truth == 0) & mask)
    if max(missed[2], wrong[2]) == 0:
        return None
    return (missed[0], missed[1], 1) if missed[2] >= wrong[2] else (wrong[0], wrong[1], 0)


def timed(call: Callable[[], Any]) -> tuple[Any, Times]:
    wall, cpu = time.perf_counter(), time.process_time()
    result = call()
    return result, Times((time.perf_counter() - wall) * 1000, (time.process_time() - cpu) * 1000)


def answer(handler: Handler, embedding: Embedding, prompt: Prompt) -> tuple[Masks, Times]:
    return timed(lambda: handler.decode(embedding, prompt, DecodeOptions(), JOB))


def plain_grabcut(bgr: UInt8, box: npt.NDArray[np.float32]) -> Bool:
    mask = np.zeros(bgr.shape[:2], np.uint8)
    x0, y0, x1, y1 = (int(value) for value in box[0])
    mask[y0 : y1 + 1, x0 : x1 + 1] = cv2.GC_PR_FGD
    cv2.setRNGSeed(0)
    cv2.grabCut(bgr, mask, (0, 0, 1, 1), np.zeros((1, 65)), np.zeros((1, 65)), 5, cv2.GC_INIT_WITH_MASK)
    return np.asarray((mask & 1).astype(bool), np.bool_)


def click_on(
    handler: Handler, embedding: Embedding, photo: Photo, most_clicks: int, with_mask: bool
) -> list[dict[str, float]]:
    """Click on the object, then on the largest error again and again; return the figures of each answer."""
    x, y, _ = innermost(photo.truth == 255)
    points, labels = [(x, y)], [1]
    clicks: list[dict[str, float]] = []
    mask: Bool | None = None
    while True:
        prompt = Prompt(
            points=np.array(points, np.float32), labels=np.array(labels, np.int8), mask=mask if with_mask else None
        )
        masks, taken = answer(handler, embedding, prompt)
        mask = masks.masks[0]
        clicks.append(
            {
                "iou": iou(mask, photo.truth),
                **taken._asdict(),
                "predicted_iou": float(masks.predicted_iou[0]),
                "stability_score": float(masks.stability_score[0]),
            }
        )
        following = next_click(mask, photo.truth)
        if len(clicks) >= most_clicks or following is None:
            break
        points.append(following[:2])
        labels.append(following[2])
    return clicks


def measure(handler: Handler, photo: Photo, most_clicks: int) -> dict[str, Any]:
    box = tight_box(photo.truth)
    embeddings, embed_time = timed(lambda: handler.embed([Image(photo.bgr, "bgr")], JOB))
    boxed, box_time = answer(handler, embeddings[0], Prompt(boxes=box))
    plain, plain_time = timed(lambda: plain_grabcut(photo.bgr, box))
    clicks = click_on(handler, embeddings[0], photo, most_clicks, with_mask=True)
    bare = click_on(handler, embeddings[0], photo, CORRECTIONS + 1, with_mask=False)
    clicks[0].update(Times(clicks[0]["ms"], clicks[0]["cpu_ms"]).plus(embed_time)._asdict())
    return {
        "photo": photo.name,
        "embed": embed_time._asdict(),
        "box": {
            "iou": iou(boxed.masks[0], photo.truth),
            **box_time.plus(embed_time)._asdict(),
            "predicted_iou": float(boxed.predicted_iou[0]),
            "stability_score": float(boxed.stability_score[0]),
        },
        "plain": {"iou": iou(plain, photo.truth), **plain_time._asdict()},
        "clicks": clicks,
        "clicks_without_mask": bare,
    }


def main() -> int:
    parser = argparse.ArgumentParser(description="Measure the answers of a built-in model on the 50 GrabCut photos.")
    parser.add_argument("--data", type=Path, default=Path(__file__).resolve().parents[2] / "shared" / "data")
    parser.add_argument("--model", default="grabcut")
    parser.add_argument("--json", type=Path, help="write every figure of every photo there")
    parser.add_argument("--docs", action="store_true", help="write the table into docs/performance.md")
    parser.add_argument("--limit", type=int, help="only the first so many photos")
    parser.add_argument("--noc", action="store_true", help=f"click on up to {MOST_CLICKS} times, for NoC@85 and NoC@90")
    parser.add_argument("--threads", type=int, default=0, help="threads the model may use; 0 lets it choose")
    options = parser.parse_args()
    folder = options.data / "grabcut"
    if not (folder / "images").is_dir() or not (folder / "masks").is_dir():
        print(f"Skipped: there are no photos in {folder} (images/ and masks/ are needed; --data names the folder).")
        return 0
    found = [entry for entry in entry_points(group="maskbus.handlers") if entry.name == options.model]
    if not found:
        raise SystemExit(f"No handler is called {options.model!r}.")
    handler: Handler = found[0].load()(LoadContext(model=options.model, threads=options.threads))
    photos = read_photos(folder, options.limit)
    handler.embed([Image(photos[0].bgr, "bgr")], JOB)  # What is loaded on first use is not the photos' time.
    most = MOST_CLICKS if options.noc else CORRECTIONS + 1
    rows = [measure(handler, photo, most) for photo in photos]
    handler.close()

    series = {
        "box": summary([row["box"] for row in rows]),
        "plain cv2.grabCut, box": summary([row["plain"] for row in rows]),
        "one click": summary([row["clicks"][0] for row in rows]),
    }
    for number in range(1, CORRECTIONS + 1):
        series[f"+ {number} corrective"] = summary([after(row["clicks"], number) for row in rows])
    for number in range(1, CORRECTIONS + 1):
        series[f"+ {number}, no mask sent"] = summary([after(row["clicks_without_mask"], number) for row in rows])
    answers = [row["box"] for row in rows] + [click for row in rows for click in row["clicks"][: CORRECTIONS + 1]]
    figures: dict[str, Any] = {
        "model": options.model,
        "photos": len(rows),
        "machine": machine.sentence(machine.describe()),
        "threads": cv2.getNumThreads(),
        "load": machine.load_average(),
        "peak_mb": machine.peak_megabytes(),
        "predicted_iou_mean": float(np.mean([one["predicted_iou"] for one in answers])),
        "true_iou_mean": float(np.mean([one["iou"] for one in answers])),
        "predicted_iou_correlation": pearson(answers, "predicted_iou"),
        "predicted_iou_rank_correlation": agreement(answers, "predicted_iou"),
        "stability_rank_correlation": agreement(answers, "stability_score"),
        "series": series,
    }
    if options.noc:
        for goal in (0.85, 0.9):
            noc = [clicks_to(row["clicks"], goal, most) for row in rows]
            figures[f"noc_{round(goal * 100)}"] = float(np.mean(noc))

    print(f"{options.model} on {len(rows)} photos. Corrective clicks send the mask of the answer before, or say so.")
    print(f"{'':24}{'mean IoU':>9}{'median':>8}{'p10':>8}{'even':>8}{'odd':>8}{'ms':>7}{'CPU ms':>8}")
    for name, one in series.items():
        print(
            f"{name:24}{one['mean_iou']:9.3f}{one['median_iou']:8.3f}{one['p10_iou']:8.3f}"
            f"{one['half_even']:8.3f}{one['half_odd']:8.3f}{one['median_ms']:7.0f}{one['median_cpu_ms']:8.0f}"
        )
    print(
        "ms: median a photo; box and one click with embed, corrective clicks decode alone. even, odd: half the photos."
    )
    print(
        f"rank correlation with the IoU: predicted_iou {figures['predicted_iou_rank_correlation']:.2f}, "
        f"stability_score {figures['stability_rank_correlation']:.2f}"
    )
    if options.noc:
        print(f"clicks needed, at most {most}: NoC@85 {figures['noc_85']:.2f}, NoC@90 {figures['noc_90']:.2f}")
    print(f"peak memory {figures['peak_mb']:.0f} MB, plain cv2.grabCut included")
    print(figures["machine"])
    if options.json:
        options.json.write_text(json.dumps({**figures, "rows": rows}, indent=1) + "\n", encoding="utf-8")
    if options.docs:
        page = Path(__file__).resolve().parents[1] / "docs" / "performance.md"
        replace_section(page, "quality", as_markdown(figures))
    return 0


if __name__ == "__main__":
    sys.exit(main())
