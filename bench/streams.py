"""Measure streams: the age of masks in front of a slow model, what the bus carries, and batches of several cameras.

    python bench/streams.py [--docs] [--seconds S] [--minutes M] [--quick] [--only cameras,ceiling,batching]

Everything runs on loopback, in processes of its own.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import machine
from page import replace_section
from streaming import batching, cameras, ceiling

PARTS = ("cameras", "ceiling", "batching")
DEFAULT_JSON = Path("bench-out/streams.json")


def main() -> int:
    """Run, print, and write the section of the documentation."""
    options = _options()
    results: dict[str, Any] = {"machine": machine.describe()}
    seconds = 3.0 if options.quick else options.seconds
    with tempfile.TemporaryDirectory(prefix="maskbus-bench-") as folder:
        scratch = Path(folder)
        if "cameras" in options.only:
            results["minutes"] = options.minutes
            results["cameras"] = {
                "maskbus": cameras.maskbus(scratch, 3.0 if options.quick else options.minutes * 60),
                "imagezmq": cameras.imagezmq(3.0 if options.quick else 20.0),
            }
        if "ceiling" in options.only:
            results["ceiling"] = ceiling.run(scratch, seconds)
        if "batching" in options.only:
            results["batching"] = batching.run(scratch, seconds)
    if not options.quick:
        DEFAULT_JSON.parent.mkdir(parents=True, exist_ok=True)
        DEFAULT_JSON.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    text = markdown(results)
    print(text)
    if options.docs:
        replace_section(options.docs / "performance.md", "streams", text)
        print(f"wrote {options.docs / 'performance.md'}", file=sys.stderr)
    return 0


def markdown(results: dict[str, Any]) -> str:
    """Return the section of the documentation."""
    parts = ["<!-- written by `bench/streams.py --docs` -->", ""]
    if "cameras" in results:
        parts += _cameras(results["cameras"], results["minutes"])
    if "ceiling" in results:
        parts += _ceiling(results["ceiling"])
    if "batching" in results:
        parts += _batching(results["batching"])
    parts.append(f"Machine: {machine.sentence(results['machine'])}.")
    return "\n".join(parts)


def _cameras(found: dict[str, Any], minutes: float) -> list[str]:
    service = cameras.SERVICE_S * 1e3
    rows = [
        f"{cameras.CAMERAS} cameras of {cameras.WIDTH}×{cameras.HEIGHT} at {cameras.FPS} fps, raw over tcp, in front "
        f"of a model that takes {service:.0f} ms a frame:",
        "",
        "|  | results a second | age p50 | age p99 | worst | least and largest share | memory, begin → end |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    names = {"maskbus": f"maskbus, `newest`, {minutes:g} min", "imagezmq": "imagezmq PUB/SUB and a loop, 20 s"}
    for key, one in found.items():
        seconds = one["seconds"]
        rows.append(
            f"| {names[key]} | {one['results'] / seconds:.1f} | {one['p50_ms']:.0f} ms | {one['p99_ms']:.0f} ms | "
            f"{one['worst_ms']:.0f} ms | {one['share_least']:.2f}, {one['share_most']:.2f} | "
            f"{one['rss_begin_mib']:.0f} → {one['rss_end_mib']:.0f} MiB |"
        )
    limit = service + 50
    mark = "✓" if found["maskbus"]["p99_ms"] <= limit else "✗"
    fair = found["maskbus"]["share_least"] >= 0.8 and found["maskbus"]["share_most"] <= 1.2
    return [
        *rows,
        "",
        "Age is from the frame's capture to its result at the subscriber. As only the newest frame of a camera waits, "
        f"the queue in front of a frame that is looked at is its own {service:.0f} ms; it may have waited for up to "
        f"one period of its camera, {1e3 / cameras.FPS:.0f} ms, before.",
        "",
        "| target | measured | |",
        "| --- | ---: | :---: |",
        f"| age p99 ≤ {service:.0f} ms + 50 ms | {found['maskbus']['p99_ms']:.0f} ms | {mark} |",
        f"| share of each camera within ±20 % | {found['maskbus']['share_least']:.2f} to "
        f"{found['maskbus']['share_most']:.2f} | {'✓' if fair else '✗'} |",
        "",
    ]


def _ceiling(found: dict[str, dict[str, float]]) -> list[str]:
    heads = list(next(iter(found.values())))
    rows = [
        "Frames of 1080p (6.2 MB, raw) from cameras to subscribers, a second. Bare sockets carry the frame to each "
        "subscriber; maskbus carries it to the model `echo`, and its masks to each subscriber:",
        "",
        "| cameras → subscribers | " + " | ".join(heads) + " |",
        "| --- | " + " | ".join("---:" for _ in heads) + " |",
    ]
    for label, rates in found.items():
        reference = found.get(f"bare pyzmq PUB/SUB, {'tcp' if 'tcp' in label else 'ipc'}", {})
        cells = [
            f"{rate:.0f}" + (f" ({rate / reference[head]:.2f}×)" if label.startswith("maskbus") else "")
            for head, rate in rates.items()
        ]
        rows.append(f"| {label} | " + " | ".join(cells) + " |")
    rows += ["", "In brackets: against bare PUB/SUB of the same transport; shared memory against ipc.", ""]
    rows += ["| target | measured | |", "| --- | ---: | :---: |"]
    for transport in ("tcp", "ipc"):
        for head in heads:
            ratio = found[f"maskbus, {transport}"][head] / found[f"bare pyzmq PUB/SUB, {transport}"][head]
            mark = "✓" if ratio >= 0.6 else "✗"
            rows.append(f"| {head}, {transport}: ≥ 0.6× of bare PUB/SUB | {ratio:.2f}× | {mark} |")
    return [*rows, ""]


def _batching(found: dict[str, dict[str, float]]) -> list[str]:
    heads = list(next(iter(found.values())))
    call, image = batching.CALL_S * 1e3, batching.IMAGE_S * 1e3
    return [
        f"Images a second of all cameras together, where the model takes {call:.0f} ms a call and {image:.0f} ms an "
        "image, as networks on a GPU do (here it sleeps; a CPU gains nothing from batches, and the models here do not "
        "ask for them there):",
        "",
        "| cameras | " + " | ".join(heads) + " |",
        "| --- | " + " | ".join("---:" for _ in heads) + " |",
        *(
            f"| {label} | " + " | ".join(f"{rate:.1f}" for rate in rates.values()) + " |"
            for label, rates in found.items()
        ),
        "",
    ]


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--docs", nargs="?", const=Path("docs"), type=Path, help="write the section of performance.md")
    parser.add_argument("--seconds", type=float, default=4.0, help="seconds that each rate is counted for")
    parser.add_argument("--minutes", type=float, default=1.0, help="minutes that the cameras run")
    parser.add_argument("--quick", action="store_true", help="a few seconds each, to see that it works")
    parser.add_argument(
        "--only", type=lambda text: tuple(text.split(",")), default=PARTS, help=f"some of {','.join(PARTS)}"
    )
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
