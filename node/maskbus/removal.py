"""How files of shared memory go: at once, or where somebody still has them open as soon as he lets go of them.

Windows removes no file that is open or mapped. There it is marked, by an empty file beside it: a mark tells workers to
let go, and whoever removes another file of the same directory tries again with all that are marked.
"""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path

_MARK = ".gone"


def is_removed(path: Path) -> bool:
    """Tell whether a file is gone, or shall be."""
    return not path.exists() or _is_marked(path)


if sys.platform == "win32":

    def remove(path: Path) -> None:
        """Remove a file, which may be gone already, or mark it. Safe to call again."""
        try:
            path.unlink(missing_ok=True)
        except OSError:
            with contextlib.suppress(OSError):  # the directory is gone, or on its way
                _mark(path).touch()
        for mark in path.parent.glob(f"*{_MARK}"):
            with contextlib.suppress(OSError):
                mark.with_suffix("").unlink(missing_ok=True)
                mark.unlink(missing_ok=True)

    def _mark(path: Path) -> Path:
        return path.with_name(path.name + _MARK)

    def _is_marked(path: Path) -> bool:
        return _mark(path).exists()
else:

    def remove(path: Path) -> None:
        """Remove a file, which may be gone already. Safe to call again."""
        path.unlink(missing_ok=True)

    def _is_marked(path: Path) -> bool:
        return False
