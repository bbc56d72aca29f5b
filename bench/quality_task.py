"""Measure one thing of one model in a process of its own, so that its memory is no other model's.

python bench/quality_task.py TASK ANSWER: what to measure, as JSON, and the file to write the figures to, as JSON.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from maskbus.interfaces import Handler


@dataclass(frozen=True)
class Task:
    """What is to be measured."""

    what: Literal["answers", "times", "frames"]
    """See the functions of `quality_measures`."""
    model: str
    folder: str
    """Of the photos, or of the videos."""
    threads: int
    runtime: str = ""
    """The model's option of this name; empty where it has none."""
    photos: list[str] = field(default_factory=list)
    """Only these; all where it is empty."""
    limit: int | None = None
    """Only the first so many photos, or frames of each video."""
    every: int = 1
    """Only every so many frames."""


def run(task: Task) -> Any:
    """Return the figures; exit with its status where the process fails, which has said why."""
    by = f" by {task.runtime}" if task.runtime else ""
    print(f"{task.model}{by}: {task.what} …", file=sys.stderr, flush=True)
    with tempfile.TemporaryDirectory() as folder:
        answer = Path(folder) / "answer.json"
        command = [sys.executable, str(Path(__file__).resolve()), json.dumps(asdict(task)), str(answer)]
        if status := subprocess.run(command, check=False).returncode:
            sys.exit(status if status > 0 else f"Measuring {task.model} was ended by signal {-status}.")
        return json.loads(answer.read_text(encoding="utf-8"))


def _handler(task: Task) -> Handler:
    from importlib.metadata import entry_points

    from maskbus.interfaces import LoadContext

    if task.model == "cv2.grabCut":
        from quality_plain import PlainGrabCut

        return PlainGrabCut(LoadContext(model=task.model, threads=task.threads))
    found = [entry for entry in entry_points(group="maskbus.handlers") if entry.name == task.model]
    if not found:
        sys.exit(f"No handler is called {task.model!r}.")
    options = {"runtime": task.runtime} if task.runtime else {}
    handler: Handler = found[0].load()(LoadContext(model=task.model, threads=task.threads, options=options))
    return handler


def _measure(task: Task) -> Any:
    import quality_measures
    from quality_photos import examples

    handler = _handler(task)
    try:
        if task.what == "frames":
            return quality_measures.frames(handler, Path(task.folder), task.every, task.limit)
        found = examples(Path(task.folder), task.photos, task.limit)
        return (quality_measures.answers if task.what == "answers" else quality_measures.times)(handler, found)
    finally:
        handler.close()


def main(task: str, answer: str) -> None:
    """Measure, and write the answer."""
    from quality_photos import BadPhoto

    from maskbus.interfaces import ModelUnavailable

    try:
        figures = _measure(Task(**json.loads(task)))
    except (ModelUnavailable, BadPhoto) as problem:
        sys.exit(str(problem))
    Path(answer).write_text(json.dumps(figures), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
