"""How the files of several answers are called."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from maskbus.cli.prompt_file import Row
from maskbus.cli.segment_targets import Targets

_LONGEST = 40
_KINDS = ("", "-referred", "-proposals")


def targets(rows: Sequence[Row], directory: Path) -> dict[int, Targets]:
    """Return the files of each row that can be asked, by its position.

    They are called after the picture, with its suffix (shapes-jpg.png) where others have another one, and where it is
    asked about more than once also after the words.
    """
    questions = Counter(row.photo for row in rows)
    suffixes: dict[str, set[str]] = {}
    for photo in questions:
        suffixes.setdefault(photo.stem.casefold(), set()).add(photo.suffix)
    taken: set[str] = set()
    found: dict[int, Targets] = {}
    for at, row in enumerate(rows):
        if row.problem:
            continue
        wanted = row.photo.stem
        if len(suffixes[wanted.casefold()]) > 1:
            wanted = f"{wanted}-{row.photo.suffix[1:]}".rstrip("-")
        if questions[row.photo] > 1:
            wanted = f"{wanted}-{_plain(' '.join(row.texts))}".rstrip("-")
        name = _free(wanted, taken)
        picture, referred, proposals = (directory / f"{name}{kind}.png" for kind in _KINDS)
        found[at] = Targets(picture, referred=referred, proposals=proposals)
    return found


def _free(wanted: str, taken: set[str]) -> str:
    """Return the name, or with a number the next one of which no file is there yet, and take it."""
    name, number = wanted, 1
    # Some file systems take a and A for the same.
    while taken & (names := {f"{name}{kind}".casefold() for kind in _KINDS}):
        number += 1
        name = f"{wanted}-{number}"
    taken |= names
    return name


def _plain(words: str) -> str:
    letters = "".join(letter if letter.isalnum() else " " for letter in words)
    return "-".join(letters.split())[:_LONGEST].strip("-")
