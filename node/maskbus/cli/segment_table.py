"""The answers of several pictures as a CSV file, written while they come."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TextIO

from maskbus.cli.prompt_file import Row
from maskbus.cli.segment_answer import Answer
from maskbus_client.masks import Mask

COLUMNS = (
    *("image", "prompt", "not", "model", "rank", "chosen", "text", "similarity", "probability"),
    *("left", "top", "width", "height", "area", "predicted_iou", "picture", "error"),
)


class ResultsTable:
    """One line a proposal of the ranking, the best first. A context manager: what is there by its end is whole."""

    def __init__(self, path: Path | None) -> None:
        """Begin. The file is made with the first line, and its directory; None: nothing is written."""
        self._path = path
        self._file: TextIO | None = None

    @property
    def is_there(self) -> bool:
        """Return whether the file has been made."""
        return self._file is not None

    def add(self, row: Row, answer: Answer, files: Mapping[str, Sequence[str]], *, best: int) -> None:
        """Add the `best` of an answer; where there is no ranking, its masks; where there are none, one line.

        OSError, here and in `failed`, if it cannot be written.
        """
        shared = {**_named(row), "model": answer.result.model, "picture": next(iter(files.get("picture", ())), "")}
        if answer.ranking is not None and answer.ranking.proposals:
            lines = [
                {
                    "chosen": int(one.chosen),
                    "text": one.label,
                    "similarity": _rounded(one.similarity),
                    "probability": _rounded(one.probability),
                    **_place(one.mask),
                }
                for one in answer.ranking.proposals[:best]
            ]
        else:
            lines = [
                {
                    "chosen": 1,
                    "text": mask.label or "",
                    "similarity": _rounded(mask.similarity),
                    "probability": _rounded(mask.probability),
                    **_place(mask),
                }
                for mask in answer.result
            ]
        self._write([{**shared, "rank": number, **line} for number, line in enumerate(lines, 1)] or [shared])

    def failed(self, row: Row, words: str) -> None:
        """Add a line for what was not answered."""
        self._write([{**_named(row), "error": words}])

    def __enter__(self) -> ResultsTable:
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            self._file.close()

    def _write(self, lines: Sequence[Mapping[str, Any]]) -> None:
        if self._path is None:
            return
        first = self._file is None
        if self._file is None:
            self._path.parent.mkdir(exist_ok=True)
            self._file = self._path.open("w", encoding="utf-8", newline="")
        writer = csv.DictWriter(self._file, COLUMNS, restval="")
        if first:
            writer.writeheader()
        writer.writerows(lines)
        self._file.flush()


def _named(row: Row) -> dict[str, Any]:
    return {"image": row.image, "prompt": "; ".join(row.texts), "not": "; ".join(row.negative_texts)}


def _place(mask: Mask) -> dict[str, Any]:
    left, top, width, height = mask.bbox
    place = {"left": left, "top": top, "width": width, "height": height, "area": mask.area}
    return {**place, "predicted_iou": _rounded(mask.predicted_iou)}


def _rounded(value: float | None) -> str:
    return "" if value is None else f"{value:.6g}"
