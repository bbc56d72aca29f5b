"""How files of shared memory go; tests/windows has what Windows does otherwise."""

from __future__ import annotations

from pathlib import Path

from maskbus import removal


def test_a_file_goes_even_while_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"x")
    assert not removal.is_removed(path)
    with path.open("rb"):
        removal.remove(path)
    assert removal.is_removed(path)
    removal.remove(path)
    assert list(tmp_path.iterdir()) == []
