"""Files of prompts: a table of pictures and what to look for in each, or a line a prompt for all pictures."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from maskbus.cli.failure import CommandFailed

_TABLE = ".csv"
_DELIMITERS = ",;\t"
_IMAGE, _PROMPT, _NOT = "image", "prompt", "not"
_TOO_MANY = "It has more columns than the first line: a prompt with a comma in it stands in quotes."


@dataclass(frozen=True)
class Row:
    """One question."""

    where: str
    """Where it stands, for messages: file and line, or the picture's name."""
    image: str
    """The picture as it was named."""
    photo: Path
    """Where it lies."""
    texts: tuple[str, ...]
    negative_texts: tuple[str, ...] = ()
    problem: str = ""
    """Why it cannot be asked, one sentence; empty: it can."""


def is_table(path: Path) -> bool:
    """Tell whether a file names the pictures itself."""
    return path.suffix.lower() == _TABLE


def lines(path: Path) -> list[str]:
    """Return the prompts of a file that has one a line; empty lines are none.

    Raises:
        OSError: if it cannot be read.
        CommandFailed: if it is no text, or there is none in it.
    """
    found = [line.strip() for line in _text(path).splitlines() if line.strip()]
    if not found:
        raise CommandFailed(f"There is no prompt in {path}.")
    return found


def table(path: Path) -> list[Row]:
    """Return the rows of a CSV file with the columns image, prompt and, if wanted, not; others are left alone.

    Pictures are named relative to the file's own directory. A row that cannot be asked says so itself.

    Raises:
        OSError: if it cannot be read.
        CommandFailed: if it is no such table, or there is no row in it.
    """
    text = _text(path)
    header = next((line for line in text.splitlines() if line.strip()), "")
    # Spreadsheets write semicolons where a comma is the decimal mark.
    delimiter = max(_DELIMITERS, key=header.count)
    try:
        rows = list(_rows(path, csv.reader(text.splitlines(keepends=True), delimiter=delimiter, strict=True)))
    except csv.Error as error:
        raise CommandFailed(f"{path} is not a CSV file: {error}.") from None
    if not rows:
        raise CommandFailed(f"There is no prompt in {path}.")
    return rows


def _rows(path: Path, reader: Iterator[list[str]]) -> Iterator[Row]:
    columns: dict[str, int] = {}
    header: list[str] = []
    end = 0
    for cells in reader:
        line, end = end + 1, reader.line_num  # type: ignore[attr-defined]  # a row may take several lines
        if not any(cell.strip() for cell in cells):
            continue
        if not columns:
            header = cells
            columns = {name.strip().casefold(): at for at, name in enumerate(cells)}
            if not {_IMAGE, _PROMPT} <= columns.keys():
                raise CommandFailed(
                    f"{path}, line {line}: the first line names the columns, {_IMAGE},{_PROMPT} or "
                    f"{_IMAGE},{_PROMPT},{_NOT}; it is {','.join(cells)!r}."
                )
            continue
        row = _row(path, line, {name: cells[at].strip() for name, at in columns.items() if at < len(cells)})
        if not row.problem and any(cell.strip() for cell in cells[len(header) :]):
            row = replace(row, problem=_TOO_MANY)
        yield row


def _row(path: Path, line: int, cells: dict[str, str]) -> Row:
    name, prompt, unwanted = (cells.get(column, "") for column in (_IMAGE, _PROMPT, _NOT))
    photo = path.parent / name
    problem = ""
    if not name:
        problem = "It names no image."
    elif not prompt:
        problem = "It has no prompt."
    elif "\0" in name or not photo.is_file():
        problem = f"There is no picture {photo}."
    texts = (prompt,) if prompt else ()
    return Row(f"{path}, line {line}", name, photo, texts, (unwanted,) if unwanted else (), problem)


def several(photos: Sequence[Path], prompts: Sequence[Sequence[str]]) -> list[Row]:
    """Return the rows where each of the prompts is asked of each picture."""
    return [Row(photo.name, str(photo), photo, tuple(texts)) for photo in photos for texts in prompts]


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise CommandFailed(f"{path} is no text file in UTF-8.") from None
