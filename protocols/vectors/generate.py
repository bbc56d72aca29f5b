"""Write the golden messages, or with --check see whether they are as they would be written."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from source import (
    dialogs,
    invalid_messages,
    option_messages,
    shared_layout,
    stream_messages,
    valid_replies,
    valid_requests,
)
from source.vector import write

HERE = Path(__file__).resolve().parent


def generated() -> dict[Path, str]:
    """Return what each file must hold."""
    groups = {
        "valid": {
            **valid_requests.vectors(),
            **valid_replies.vectors(),
            **stream_messages.vectors(),
            **option_messages.vectors(),
        },
        "invalid": invalid_messages.vectors(),
        "dialogs": dialogs.vectors(),
        "shared": shared_layout.vectors(),
    }
    return {
        HERE / group / f"{name}.json": write({"name": name, **vector})
        for group, vectors in groups.items()
        for name, vector in vectors.items()
    }


def main() -> int:
    """Run, and return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; fail if a file is not as it should be")
    check = parser.parse_args().check
    wanted = generated()
    present = {path for group in ("valid", "invalid", "dialogs", "shared") for path in (HERE / group).glob("*.json")}
    stale = [path for path in wanted if path not in present or path.read_text(encoding="utf-8") != wanted[path]]
    left = sorted(present - wanted.keys())
    if check:
        for path in (*stale, *left):
            print(f"not as generated: {path.relative_to(HERE)}", file=sys.stderr)
        return 1 if stale or left else 0
    for path in left:
        path.unlink()
    for path in stale:
        path.parent.mkdir(exist_ok=True)
        path.write_text(wanted[path], encoding="utf-8", newline="\n")
    print(f"{len(wanted)} files, {len(stale)} written, {len(left)} removed")
    return 0


if __name__ == "__main__":
    sys.exit(main())
