"""`maskbus doctor`: what is installed, what can run, and what is missing."""

from __future__ import annotations

import argparse
import json
import os
import sys
from typing import Any

from maskbus import __version__
from maskbus.cli import examination
from maskbus.cli.examination import Finding

_MARKS = {"ok": ("✓", "32"), "wrong": ("✗", "31"), "note": ("·", "2")}
"""State → its mark, and the terminal's code for its colour."""


def run(arguments: argparse.Namespace) -> int:
    """Print what was found; return 1 if something is wrong that the default model needs."""
    findings = examination.examine(arguments.config)
    healthy = not any(finding.state == "wrong" and finding.needed for finding in findings)
    if arguments.json:
        plain: dict[str, Any] = {"version": __version__, "healthy": healthy}
        plain["findings"] = [finding.plain() for finding in findings]
        print(json.dumps(plain, indent=2, ensure_ascii=False))
    else:
        _print(findings, healthy)
    return 0 if healthy else 1


def _print(findings: list[Finding], healthy: bool) -> None:
    width = max(len(finding.name) for finding in findings)
    section = ""
    for finding in findings:
        if finding.section != section:
            section = finding.section
            print(_styled(section, "1"))
        mark, style = _MARKS[finding.state]
        print(f"  {_styled(mark, style)} {finding.name:<{width}}  {finding.words}")
    if healthy:
        print(_styled("The default model can run.", "32"))
    else:
        print(_styled("Something that the default model needs is wrong: see ✗ above.", "31"))


def _styled(text: str, style: str) -> str:
    # Not by rich: this command must work where rich is what is missing.
    plain = not sys.stdout.isatty() or "NO_COLOR" in os.environ
    return text if plain else f"\x1b[{style}m{text}\x1b[0m"
