"""The weights of the manifest as small files of a server on loopback, for commands that pages show."""

from __future__ import annotations

import hashlib
import json
import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path

from maskbus.weights import ENTRIES
from support.file_server import serving

_PROGRAM = """
import json, os, sys
from pathlib import Path

here = Path(__file__).parent
os.environ |= {"no_proxy": "*", "XDG_CACHE_HOME": str(here / "cache")}

from maskbus.cli import main
from maskbus.weights import ENTRIES, Entry

ENTRIES.update((plain["name"], Entry(**plain)) for plain in json.loads((here / "entries.json").read_text()))
sys.exit(main(sys.argv[1:]))
"""


@contextmanager
def small_files(folder: Path) -> Iterator[None]:
    """Serve them, and write the program that `function` calls."""
    home = folder / ".published"
    home.mkdir()
    with serving() as server:
        entries = []
        for entry in ENTRIES.values():
            data = entry.name.encode() * 1000
            server.files[f"/{entry.file}"] = data
            changes = {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()}
            entries.append(replace(entry, urls=(f"{server.url}/{entry.file}",), **changes))
        (home / "entries.json").write_text(json.dumps([asdict(entry) for entry in entries]))
        (home / "models.py").write_text(_PROGRAM)
        yield


def function(folder: Path) -> str:
    """Return a shell function that takes the place of `maskbus`."""
    program = shlex.join([sys.executable, str(folder / ".published" / "models.py")])
    return f'maskbus() {{ {program} "$@"; }}'
