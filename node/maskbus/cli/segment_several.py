"""`maskbus segment` of several pictures, or of one and several texts: an answer each, and a table of all of them."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from maskbus.cli import (
    failure,
    prompt_file,
    segment_answer,
    segment_names,
    segment_report,
    stream_progress,
    text_prompt,
)
from maskbus.cli.everything_sources import photos_in
from maskbus.cli.failure import CommandFailed
from maskbus.cli.prompt_file import Row
from maskbus.cli.quantities import counted
from maskbus.cli.segment_answer import Answer
from maskbus.cli.segment_photo import read_photo
from maskbus.cli.segment_table import ResultsTable
from maskbus.cli.segment_targets import Targets
from maskbus_client.errors import ClientClosed, MaskbusError, NodeUnreachable
from maskbus_client.sync import Client

_OF_ALL = frozenset({"unknown_model", "unsupported_prompt", "model_unavailable", "unknown_encoding", "shutting_down"})
"""Errors that no other row would be spared."""
_TABLE = "results.csv"


@dataclass
class Session:
    """The questions, and where the answers go."""

    arguments: argparse.Namespace
    title: str
    rows: Sequence[Row]
    targets: Mapping[int, Targets]
    """Position of a row → its files."""
    directory: Path | None
    """Where all of it goes; None: nowhere."""
    failures: list[str] = field(default_factory=list)
    answers: int = 0
    masks: int = 0
    reused: int = 0

    def run(self, client: Client, settings: dict[str, Any]) -> int:
        """Ask one after the other; return 1 if any has failed.

        Args:
            client: Of the node.
            settings: Arguments of `Client.segment` that all have.

        Raises:
            MaskbusError: where there is no going on. What was answered by then is written.
        """
        plain: list[dict[str, Any]] = []
        with ResultsTable(None if self.directory is None else self.directory / _TABLE) as table:
            try:
                with stream_progress.shown(self.title, len(self.rows), self._look) as tick:
                    for at, row in enumerate(self.rows):
                        found = self._one(client, at, row, settings, table)
                        if self.arguments.json:
                            plain.append(found)
                        tick()
            finally:
                self._report(plain, written=table.is_there)
        return 1 if self.failures else 0

    def _one(self, client: Client, at: int, row: Row, settings: dict[str, Any], table: ResultsTable) -> dict[str, Any]:
        names = {"image": row.image, "prompt": list(row.texts), "not": list(row.negative_texts)}
        try:
            if row.problem:
                raise CommandFailed(row.problem)
            photo = read_photo(row.photo)
            prompt = text_prompt.prompt(self.arguments, row.texts, row.negative_texts)
            answer = segment_answer.ask(client, photo.data, {**prompt, **settings})
            files: dict[str, list[str]] = {}
            if self.directory is not None:
                self.directory.mkdir(exist_ok=True)
                files = self.targets[at].write(answer, photo, self.arguments.rank)
        except (CommandFailed, MaskbusError, OSError) as error:
            if isinstance(error, (NodeUnreachable, ClientClosed)) or getattr(error, "code", "") in _OF_ALL:
                raise
            words = failure.explain(error) or str(error)
            self.failures.append(f"{row.where}: {words}")
            table.failed(row, words)
            return {**names, "error": words}
        self.answers += 1
        self.masks += len(answer.result)
        self.reused += answer.result.reused
        table.add(row, answer, files, best=self.arguments.rank)
        if not self.arguments.json:
            self._say(row, answer)
        return {**names, **segment_report.plain(answer, files, best=self.arguments.rank)}

    def _say(self, row: Row, answer: Answer) -> None:
        lines = segment_report.score_lines(answer.result) or [counted(len(answer.result), "mask")]
        for line in [*lines, *segment_report.detour_lines(answer.result)]:
            print(f"{row.photo.name}: {line}", flush=True)

    def _look(self) -> tuple[int, str]:
        failed = f", {len(self.failures)} failed" if self.failures else ""
        return self.answers + len(self.failures), f"{self.answers} of {len(self.rows)} answered{failed}"

    def _report(self, plain: list[dict[str, Any]], *, written: bool) -> None:
        if self.arguments.json:
            print(json.dumps(plain, indent=2, ensure_ascii=False))
        elif self.answers or self.failures:
            there = f", {self.reused} of which the node had already" if self.reused else ""
            failed = f"; {len(self.failures)} failed" if self.failures else ""
            print(f"Found {counted(self.masks, 'mask')} in {counted(self.answers, 'answer')}{there}{failed}.")
            if written:
                print(f"written: {self.directory}, with {_TABLE}")
        sys.stdout.flush()
        for words in self.failures:
            print(f"maskbus: {words}", file=sys.stderr)


def prepare(arguments: argparse.Namespace) -> Session:
    """Return what is to be asked.

    Raises:
        CommandFailed: for what does not go together, and where there is nothing to ask.
        OSError: if a file cannot be read.
    """
    named = [flag for flag, given in _given(arguments).items() if given]
    if named:
        raise CommandFailed(
            f"{named[0]} is for one picture; several are segmented by --text or --text-file"
            + (", and `maskbus stream` looks at the same place in each." if named[0] in _PLACES else ".")
        )
    text_prompt.prompt(arguments, ("…",))  # what does not go together is the same for all
    rows, source = _rows(arguments)
    if all(row.problem for row in rows):
        raise CommandFailed(f"{rows[0].where}: {rows[0].problem}")
    directory = Path(arguments.out) if arguments.out else None
    if directory is None and not arguments.json:
        directory = Path(f"{source.resolve().stem}-masks")
    if directory is None:
        return Session(arguments, source.name, rows, {}, None)
    if directory.exists() and not directory.is_dir():
        raise CommandFailed(f"--out {directory} is a file: several pictures go to a directory.")
    if not directory.parent.is_dir():
        raise CommandFailed(f"--out {directory}: there is no directory {directory.parent}.")
    targets = segment_names.targets(rows, directory)
    read = {row.photo.resolve() for row in rows}
    for path in (path for one in targets.values() for path in one.paths().values()):
        if path.resolve() in read:
            raise CommandFailed(f"--out {directory} would overwrite {path}, which is to be segmented.")
    return Session(arguments, source.name, rows, targets, directory)


_PLACES = ("--point", "--box")


def _given(arguments: argparse.Namespace) -> dict[str, Any]:
    return {
        "--point": arguments.points,
        "--box": arguments.boxes,
        "--mask": arguments.mask,
        "--mask-out": arguments.mask_out,
        "--referred": arguments.referred,
        "--proposals": arguments.proposals,
    }


def _rows(arguments: argparse.Namespace) -> tuple[list[Row], Path]:
    """Return the questions, and what they are all about."""
    if arguments.text_file is not None:
        file = Path(arguments.text_file)
        if arguments.texts:
            raise CommandFailed("--text-file has the texts: leave out --text.")
        if prompt_file.is_table(file):
            if arguments.photo is not None:
                raise CommandFailed(f"{file} names the pictures: leave out {arguments.photo}.")
            return prompt_file.table(file), file
        prompts: list[Sequence[str]] = [[line] for line in prompt_file.lines(file)]
        if arguments.photo is None:
            raise CommandFailed(f"{file} has prompts alone: name a picture or a folder of pictures as well.")
    else:
        prompts = [arguments.texts]
        if not arguments.texts:
            raise CommandFailed(f"{arguments.photo} is a folder: say with --text what to look for in its pictures.")
    source = Path(arguments.photo)
    return prompt_file.several(photos_in(source) if source.is_dir() else [source], prompts), source
