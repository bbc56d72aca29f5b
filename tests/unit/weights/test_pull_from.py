"""Weights from where the user says, and weights without a published digest."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from maskbus.weights import ENTRIES, WeightsError, manifest
from maskbus.weights.check import check, state
from maskbus.weights.place import Place
from maskbus.weights.pull import pull
from support.file_server import FileServer, body, cut, entry
from support.pulling import DATA, PATH, QUICK

NOWHERE = "http://127.0.0.1:9/tested.pt"


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "usb" / "tested.pt"
    path.parent.mkdir()
    path.write_bytes(DATA)
    return path


@pytest.mark.parametrize("named", ["the file", "its directory"])
def test_a_file_is_copied(tmp_path: Path, source: Path, named: str) -> None:
    wanted = entry(DATA, NOWHERE)
    path = pull(wanted, tmp_path / "w", source=str(source if named == "the file" else source.parent))
    assert path.read_bytes() == DATA
    assert source.read_bytes() == DATA


def test_another_file_is_refused_and_what_is_there_stays(tmp_path: Path, source: Path) -> None:
    wanted = entry(bytes(len(DATA)), NOWHERE)
    with pytest.raises(WeightsError, match="is another file"):
        pull(wanted, tmp_path / "w", source=str(source))
    assert state(Place(wanted, tmp_path / "w")).name == "missing"
    source.write_bytes(DATA[:-1])
    with pytest.raises(WeightsError, match=r"has 199999 bytes.* 200000"):
        pull(wanted, tmp_path / "w", source=str(source))


def test_a_file_of_another_model_is_named(tmp_path: Path, source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(manifest.ENTRIES, "bigger", entry(DATA, name="bigger"))
    with pytest.raises(WeightsError, match="the file of bigger, not of tested"):
        pull(entry(bytes(len(DATA))), tmp_path / "w", source=str(source))


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="there is no such file"):
        pull(entry(DATA), tmp_path, source=str(tmp_path / "nothing.pt"))
    with pytest.raises(WeightsError, match="neither a file nor"):
        pull(entry(DATA), tmp_path, source="ftp://127.0.0.1/tested.pt")


def test_the_damaged_file_itself_is_no_source(tmp_path: Path) -> None:
    (tmp_path / "tested.pt").write_bytes(bytes(len(DATA)))
    for name in ("tested.pt", "tested.pt.part"):
        with pytest.raises(WeightsError, match="name another one"):
            pull(entry(DATA), tmp_path, source=str(tmp_path / name))


@pytest.mark.parametrize("address", [PATH, "/weights/"])
def test_an_address_is_the_only_source(server: FileServer, tmp_path: Path, address: str) -> None:
    assert pull(entry(DATA, NOWHERE), tmp_path, source=server.url + address, patience=QUICK).read_bytes() == DATA


def test_a_wrong_address_does_not_fall_back(server: FileServer, tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="404"):
        pull(entry(DATA, server.url + PATH), tmp_path, source=server.url + "/other.pt", patience=QUICK)
    assert len(server.requests) == 1


def test_what_has_no_published_digest_is_pinned_at_the_first_download(server: FileServer, tmp_path: Path) -> None:
    wanted = entry(DATA, server.url + PATH, size=None, sha256=None)
    path = pull(wanted, tmp_path, patience=QUICK)
    pinned = tmp_path / "tested.pt.sha256"
    assert pinned.read_text() == f"{hashlib.sha256(DATA).hexdigest()}  tested.pt\n"
    assert state(Place(wanted, tmp_path)).name == "unverified"
    path.unlink()
    server.files[PATH] = DATA[::-1]
    with pytest.raises(WeightsError, match="was expected"):
        pull(wanted, tmp_path, patience=QUICK)
    server.files[PATH] = DATA
    assert pull(wanted, tmp_path, patience=QUICK) == path


def test_a_file_put_there_by_hand_is_pinned_at_its_first_use(tmp_path: Path) -> None:
    place = Place(entry(DATA, size=None, sha256=None), tmp_path)
    place.path.write_bytes(DATA)
    check(place)
    place.path.write_bytes(DATA[::-1])
    with pytest.raises(WeightsError, match="pinned at its first use"):
        check(place)
    assert state(place).name == "damaged"
    place.pin.unlink()
    check(place)


@pytest.mark.parametrize("text", ["", "nonsense", "0" * 63, "\xff"])
def test_a_pin_that_cannot_be_read_is_not_ignored(tmp_path: Path, text: str) -> None:
    place = Place(entry(DATA, size=None, sha256=None), tmp_path)
    place.path.write_bytes(DATA)
    place.pin.write_bytes(text.encode("latin-1"))
    with pytest.raises(WeightsError, match="sha256"):
        check(place)


def test_a_part_without_a_digest_or_a_version_is_not_gone_on_with(server: FileServer, tmp_path: Path) -> None:
    (tmp_path / "tested.pt.part").write_bytes(b"who knows what")
    wanted = entry(DATA, server.url + PATH, size=None, sha256=None)
    assert pull(wanted, tmp_path, patience=QUICK).read_bytes() == DATA
    assert server.ranges() == [""]


def test_a_part_of_a_known_version_is(server: FileServer, tmp_path: Path) -> None:
    wanted = entry(DATA, server.url + PATH, size=None, sha256=None)
    server.script[PATH] = [cut(70_000)]
    assert pull(wanted, tmp_path, patience=QUICK).read_bytes() == DATA
    assert server.ranges() == ["", "bytes=70000-"]


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (body(b"<html>log in</html>", Content_Type="text/html", Content_Length=19), "web page"),
        (body(DATA), "how long"),
    ],
)
def test_what_may_be_no_file_is_not_pinned(server: FileServer, tmp_path: Path, answer, words: str) -> None:
    server.script[PATH] = [answer]
    with pytest.raises(WeightsError, match=words):
        pull(entry(DATA, server.url + PATH, size=None, sha256=None), tmp_path, patience=QUICK)
    assert not (tmp_path / "tested.pt.sha256").exists()


def test_an_unencrypted_redirect_is_refused() -> None:
    from maskbus.weights import http

    with pytest.raises(WeightsError, match="unencrypted"):
        http._Redirects().redirect_request(
            http.urllib.request.Request("https://weights.invalid/a"), None, 302, "", {}, "http://weights.invalid/a"
        )


def test_every_entry_is_whole() -> None:
    names = {"mobile-sam", "sam-vit-b", "sam-vit-l", "sam-vit-h"}
    for version in ("2", "2.1"):
        names |= {f"sam{version}-hiera-{size}" for size in ("tiny", "small", "base-plus", "large")}
    unverified = {"mobileclip-s1", "mobileclip-s2"}
    names |= {"clip-vit-b-32", "clip-vit-b-32-openai", *unverified}
    assert set(ENTRIES) == names
    assert len({entry.file for entry in ENTRIES.values()}) == len(names)
    assert len({entry.sha256 for entry in ENTRIES.values()}) == len(names) - len(unverified) + 1
    for name, held in ENTRIES.items():
        assert held.name == name
        assert held.urls
        assert all(url.startswith("https://") for url in held.urls)
        assert all((held.title, held.family, held.licence, held.citation, held.homepage.startswith("https://")))
        if name in unverified:
            assert held.sha256 is held.size is None
            continue
        assert held.size is not None
        assert 30e6 < held.size < 3e9
        assert len(held.sha256 or "") == 64
        assert int(held.sha256 or "", 16)
        assert len(held.urls) == 2
        # Every file of a CLIP has one name where it is published.
        assert held.family == "CLIP" or all(url.endswith(f"/{held.file}") for url in held.urls)
        assert len(held.confirmed) >= 2
