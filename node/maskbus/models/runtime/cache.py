"""Exports on disk, one folder for each network, with what was measured of it."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from maskbus import directories
from maskbus.file_lock import held
from maskbus.models.runtime.export import FILE
from maskbus.models.runtime.network import Network
from maskbus.weights.digest import sha256

log = logging.getLogger(__name__)

_FORGOTTEN = 30 * 24 * 3600
"""Seconds after which the folder of other weights of the same name is removed."""


class ExportCache:
    """The folder `<name>-<key>` of one network: `onnx/`, `compiled/`, and `about.json` with their SHA-256.

    Whoever uses it holds its lock; what is in the folder and not as `about.json` says is thrown away.
    """

    def __init__(self, root: Path, network: Network) -> None:
        self._root = directories.private(root)
        self._network = network
        self._folder = root / f"{network.name}-{network.key}"
        self._about: dict[str, Any] = {}

    @contextlib.contextmanager
    def locked(self, report: Callable[[str], None]) -> Iterator[None]:
        """Hold the lock, with the folder there and checked."""
        name = self._network.name
        with held(self._root / f"{name}.lock", lambda: report(f"Waiting for another process that prepares {name} …")):
            self._check()
            self._remove_stale()
            yield

    def exported(self, report: Callable[[str], None]) -> Path:
        """Return the network's ONNX file, made if it is not there."""
        onnx = self._folder / "onnx"
        if not onnx.exists():
            report(f"Exporting {self._network.name} (once) …")
            fresh = self._folder / "onnx.part"
            shutil.rmtree(fresh, ignore_errors=True)
            fresh.mkdir()
            try:
                self._network.export(fresh)
                os.replace(fresh, onnx)
            finally:
                shutil.rmtree(fresh, ignore_errors=True)
            self._seal("onnx")
        return onnx / FILE

    def compiled(self, dtype: str) -> Path:
        """Return the directory of what OpenVINO compiled; seal it when that is done."""
        path = self._folder / "compiled" / dtype
        path.mkdir(parents=True, exist_ok=True)
        return path

    def seal_compiled(self, dtype: str) -> None:
        """Note what OpenVINO has written."""
        self._seal(f"compiled/{dtype}")

    def drop_compiled(self, keep: str = "") -> None:
        """Remove what was compiled, but for one precision."""
        for path in (self._folder / "compiled").glob("*"):
            if path.name != keep:
                shutil.rmtree(path, ignore_errors=True)
                self.note(f"compiled/{path.name}", None)

    def noted(self, name: str) -> Any:
        """Return what was noted under a name, None if nothing."""
        return self._about.get(name)

    def note(self, name: str, value: Any) -> None:
        """Keep a value for later starts; None removes it."""
        self._about[name] = value
        kept = {key: entry for key, entry in self._about.items() if entry is not None}
        fresh = self._folder / "about.json.part"
        fresh.write_text(json.dumps(kept, indent=1))
        os.replace(fresh, self._folder / "about.json")

    def _seal(self, part: str) -> None:
        self.note(part, _digests(self._folder / part))

    def _check(self) -> None:
        """Read what is known of the folder, and remove whatever is not as it should be."""
        about = self._read()
        if about is None:
            if self._folder.exists():
                log.warning("%s is not as it was written; it is made anew.", self._folder)
                shutil.rmtree(self._folder)
            self._folder.mkdir(mode=0o700)
            self.note("facts", self._network.facts)
            return
        self._about = about
        for part in ("onnx", *(f"compiled/{path.name}" for path in (self._folder / "compiled").glob("*"))):
            path = self._folder / part
            if path.exists() and about.get(part) != _digests(path):
                log.warning("%s is not as it was written; it is made anew.", path)
                shutil.rmtree(path)
        os.utime(self._folder)  # tells that it is still used

    def _read(self) -> dict[str, Any] | None:
        try:
            about = json.loads((self._folder / "about.json").read_bytes())
        except (OSError, ValueError):
            return None
        return about if isinstance(about, dict) and about.get("facts") == self._network.facts else None

    def _remove_stale(self) -> None:
        """Remove folders of this name: of these weights by other versions, and of other weights not used for long."""
        for folder in self._root.glob(f"{self._network.name}-{'[0-9a-f]' * 16}"):
            if folder == self._folder:
                continue
            try:
                weights = json.loads((folder / "about.json").read_bytes())["facts"]["weights"]
                is_stale = weights == self._network.digest or time.time() - folder.stat().st_mtime > _FORGOTTEN
            except (OSError, ValueError, KeyError, TypeError):
                is_stale = True
            if is_stale:
                log.info("Removing %s, which is not used any more.", folder)
                shutil.rmtree(folder, ignore_errors=True)


def _digests(directory: Path) -> dict[str, str]:
    """Return the SHA-256 of every file in a directory."""
    files = (path for path in directory.rglob("*") if path.is_file() and not path.name.endswith(".checked"))
    return {path.relative_to(directory).as_posix(): sha256(path) for path in sorted(files)}
