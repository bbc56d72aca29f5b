"""What `maskbus segment` finds out before it bothers a node."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from maskbus.cli import connection, main, own_node, segment_photo


@pytest.fixture
def photo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    def unwanted(*arguments: object, **named: object) -> None:
        raise AssertionError("a node was looked for")

    monkeypatch.setattr(connection, "look", unwanted)
    monkeypatch.setattr(own_node, "running", unwanted)
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "photo.png"
    Image.fromarray(np.zeros((40, 60, 3), np.uint8)).save(path)
    return path


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--point", "61,3"], "The point 61,3 lies outside of photo.png, which has 60 × 40 pixels."),
        (["--point=-1,3"], "lies outside"),
        (["--box", "1,1,61,30"], "The box 1,1,61,30 reaches outside"),
        (["--box", "1,1,5,5", "--box", "7,7,9,9", "--point", "3,3"], "one box at a time"),
        (["--point", "3,3", "-o", "out.jpg"], "--out writes a PNG file"),
        (["--point", "3,3", "-o", "photo.png"], "would overwrite"),
        (["--point", "3,3", "-o", "./none/out.png"], "there is no directory none"),
        (["--point", "3,3", "--mask-out", "out"], "--mask-out writes a PNG file"),
        (["--mask", "none.png"], "none.png: No such file"),
        (["--mask", "text.png"], "text.png is not a PNG picture"),
        (["--mask", "cut.png"], "cut.png is damaged"),
        (["--mask", "small.png"], "The mask small.png has 4 × 3 pixels, photo.png has 60 × 40."),
        (["--mask", "mask.png", "-o", "mask.png"], "would overwrite"),
    ],
)
def test_what_cannot_be_is_said_before_a_node_is_needed(
    photo: Path, arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("text.png").write_text("no picture")
    Path("cut.png").write_bytes(photo.read_bytes()[:-30])
    Image.fromarray(np.zeros((3, 4), np.uint8)).save("small.png")
    Image.fromarray(np.zeros((40, 60), np.uint8)).save("mask.png")
    assert main(["segment", photo.name, *arguments]) == 1
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err.startswith("maskbus: ")
    assert words in output.err
    assert output.err.count("\n") == 1


@pytest.mark.parametrize("content", [b"", b"text", b"\x89PNG\r\n\x1a\n", b"GIF89a" + b"\0" * 50])
def test_what_is_no_picture_is_refused(photo: Path, content: bytes, capsys: pytest.CaptureFixture[str]) -> None:
    photo.write_bytes(content)
    assert main(["segment", "photo.png", "--point", "1,1"]) == 1
    assert capsys.readouterr().err == "maskbus: photo.png is not a JPEG, PNG or WebP picture.\n"


def test_a_directory_is_no_picture(photo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["segment", str(photo.parent), "--point", "1,1"]) == 1
    assert capsys.readouterr().err.count("\n") == 1


def test_a_mask_is_what_is_not_black(photo: Path) -> None:
    grey = np.zeros((40, 60), np.uint8)
    grey[3, 4], grey[5, 6] = 1, 255
    Image.fromarray(grey).save("mask.png")
    mask = segment_photo.read_mask("mask.png", segment_photo.read_photo("photo.png"))
    assert mask.dtype == np.bool_
    assert mask.sum() == 2
    assert mask[3, 4]
    assert mask[5, 6]


def test_a_wrong_endpoint_is_one_line(photo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["segment", "photo.png", "--point", "1,1", "--endpoint", "localhost"]) == 1
    output = capsys.readouterr().err
    assert output.startswith("maskbus: --endpoint: ")
    assert output.count("\n") == 1
