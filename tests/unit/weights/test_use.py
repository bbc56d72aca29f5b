"""What a handler is told of its weights, and what it may load."""

from __future__ import annotations

import hashlib
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from maskbus import directories
from maskbus.interfaces import LoadContext, ModelUnavailable
from maskbus.weights import Weights, availability, digest, manifest, resolve
from support.file_server import entry

DATA = bytes(range(256)) * 100
PUBLISHED = entry(DATA, "http://127.0.0.1:9/tested.pt")


@pytest.fixture(autouse=True)
def published(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: object, **words: object) -> None:
        raise AssertionError("no connection may be opened")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setitem(manifest.ENTRIES, "tested", PUBLISHED)


def context(directory: Path, **options: object) -> LoadContext:
    return LoadContext("tested", weights_dir=directory, options=options)


def test_weights_that_are_there(tmp_path: Path) -> None:
    (tmp_path / "tested.pt").write_bytes(DATA)
    found = availability("tested", context(tmp_path), ["json"])
    assert (found.ready, found.missing, found.weights) == (True, "", "present")
    assert resolve("tested", context(tmp_path)) == Weights(
        tmp_path / "tested.pt", hashlib.sha256(DATA).hexdigest(), "manifest"
    )


def test_what_is_missing_is_one_line_with_the_commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = availability("tested", context(tmp_path), ["json", "no_such_package", "nor_this"])
    assert not found.ready
    assert found.weights == "missing"
    assert found.missing == (
        "no_such_package and nor_this are not installed (pip install 'maskbus[sam]'); "
        f"its weights, 0.0 MiB, are missing (maskbus models pull tested --weights-dir {tmp_path})"
    )
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path))
    found = availability("tested", context(directories.weights()), [])
    assert found.missing == "its weights, 0.0 MiB, are missing (maskbus models pull tested)"
    with pytest.raises(ModelUnavailable, match=r"The weights of tested are missing; get them \(maskbus models pull"):
        resolve("tested", context(tmp_path))


def test_a_part_is_not_enough(tmp_path: Path) -> None:
    (tmp_path / "tested.pt.part").write_bytes(DATA)
    assert availability("tested", context(tmp_path), []).weights == "missing"


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (DATA[:-1], "has 25599 bytes, and the weights of tested have 25600"),
        (DATA[::-1], "does not have the published SHA-256 of tested"),
        (b"", "has 0 bytes"),
    ],
)
def test_wrong_weights_are_refused_before_they_are_used(tmp_path: Path, wrong: bytes, words: str) -> None:
    path = tmp_path / "tested.pt"
    path.write_bytes(wrong)
    for _ in range(2):  # the second time its digest is remembered
        with pytest.raises(ModelUnavailable, match=words):
            resolve("tested", context(tmp_path))
    found = availability("tested", context(tmp_path), [])
    assert not found.ready
    assert words in found.missing
    assert path.read_bytes() == wrong


def test_the_weights_of_another_model_are_refused_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(manifest.ENTRIES, "bigger", entry(DATA[::-1], name="bigger"))
    (tmp_path / "tested.pt").write_bytes(DATA[::-1])
    with pytest.raises(ModelUnavailable, match="holds the weights of bigger, not of tested"):
        resolve("tested", context(tmp_path))
    with pytest.raises(ModelUnavailable, match="holds the weights of bigger, not of tested"):
        resolve("tested", context(tmp_path, weights=str(tmp_path / "tested.pt")))


def test_weights_that_change_under_a_running_node_are_read_again(tmp_path: Path) -> None:
    path = tmp_path / "tested.pt"
    path.write_bytes(DATA)
    resolve("tested", context(tmp_path))
    path.write_bytes(DATA[::-1])
    with pytest.raises(ModelUnavailable):
        resolve("tested", context(tmp_path))


def test_a_large_file_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "tested.pt").write_bytes(DATA)
    resolve("tested", context(tmp_path))
    monkeypatch.setattr(digest.hashlib, "sha256", None)
    assert resolve("tested", context(tmp_path)).digest == hashlib.new("sha256", DATA).hexdigest()


def test_weights_without_a_published_digest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(manifest.ENTRIES, "tested", entry(DATA, size=None, sha256=None))
    (tmp_path / "tested.pt").write_bytes(DATA)
    found = availability("tested", context(tmp_path), [])
    assert (found.ready, found.weights) == (True, "unverified")
    resolve("tested", context(tmp_path))
    (tmp_path / "tested.pt").write_bytes(DATA[::-1])
    with pytest.raises(ModelUnavailable, match="pinned at its first use"):
        resolve("tested", context(tmp_path))
    assert not availability("tested", context(tmp_path), []).ready


def test_a_file_of_the_user_s_own(tmp_path: Path) -> None:
    own = tmp_path / "mine" / "tuned.pt"
    own.parent.mkdir()
    own.write_bytes(b"tuned")
    given = context(tmp_path, weights=str(own))
    assert availability("tested", given, []).ready
    assert resolve("tested", given) == Weights(own, hashlib.sha256(b"tuned").hexdigest(), "file")
    own.unlink()
    found = availability("tested", given, [])
    assert (found.ready, found.weights) == (False, "missing")
    assert str(own) in found.missing
    with pytest.raises(ModelUnavailable, match=r"tuned\.pt"):
        resolve("tested", given)


def test_a_model_nobody_publishes_weights_for(tmp_path: Path) -> None:
    assert "`weights` must name a file" in availability("mine", context(tmp_path), []).missing
    with pytest.raises(ModelUnavailable, match="`weights` must name a file"):
        resolve("mine", context(tmp_path))


def test_nothing_heavy_is_imported() -> None:
    code = """if True:
        import sys
        from pathlib import Path
        from maskbus.interfaces import LoadContext
        from maskbus.weights import availability
        availability("mobile-sam", LoadContext("mobile-sam", weights_dir=Path("nowhere")), ["torch", "transformers"])
        heavy = ("torch", "transformers", "cv2", "http.client", "urllib.request")
        print([name for name in heavy if name in sys.modules])
    """
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
