"""Sections of a page of the documentation that a benchmark writes."""

from __future__ import annotations

from pathlib import Path


def replace_section(page: Path, name: str, text: str) -> None:
    """Put `text` between the markers `<!-- bench:NAME -->` and `<!-- /bench:NAME -->` of a page.

    Where the markers are missing they are appended; where the page is, it is made.
    """
    begin, end = f"<!-- bench:{name} -->", f"<!-- /bench:{name} -->"
    block = f"{begin}\n{text}\n{end}"
    before = page.read_text(encoding="utf-8") if page.exists() else "# Performance\n"
    head, found, rest = before.partition(begin)
    _, closed, tail = rest.partition(end)
    if found and not closed:
        raise ValueError(f"{page}: {begin} is never closed by {end}")
    page.parent.mkdir(parents=True, exist_ok=True)
    page.write_text(f"{head}{block}{tail}" if found else f"{before.rstrip()}\n\n{block}\n", encoding="utf-8")
