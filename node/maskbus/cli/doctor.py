"""`maskbus doctor`: what is installed, what can run, and what is missing."""

from __future__ import annotations

import argparse
import json
from typing import Any

from rich.markup import escape

from maskbus import __version__
from maskbus.cli import examination, tables
from maskbus.cli.examination import Finding

_MARKS = {"ok": tables.YES, "wrong": tables.NO, "note": tables.NEITHER}


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
    console = tables.console()
    width = max(len(finding.name) for finding in findings)
    section = ""
    for finding in findings:
        if finding.section != section:
            section = finding.section
            console.print(f"[bold]{section}[/]")
        line = f"  {_MARKS[finding.state]} {escape(finding.name):<{width}}  {escape(finding.words)}"
        console.print(line, soft_wrap=True)
    if healthy:
        console.print("[green]The default model can run.[/]")
    else:
        console.print("[red]Something that the default model needs is wrong: see ✗ above.[/]")
