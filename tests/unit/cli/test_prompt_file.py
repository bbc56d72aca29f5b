"""Files of prompts, and how what is made of them is called."""

from __future__ import annotations

from pathlib import Path

import pytest

from maskbus.cli import prompt_file, segment_names
from maskbus.cli.failure import CommandFailed
from maskbus.cli.prompt_file import Row


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("in").mkdir()
    for name in ("a.png", "b.png", "ü.png"):
        Path("in", name).write_bytes(b"looked at later")


def table(text: str, name: str = "in/prompts.csv", encoding: str = "utf-8") -> list[Row]:
    path = Path(name)
    path.write_text(text, encoding=encoding, newline="")
    return prompt_file.table(path)


def test_a_table_names_pictures_beside_it() -> None:
    first, second, third = table('image,prompt,not\na.png,a cup,\nb.png,"red, or blue",a dog\n ü.png , cat ,  \n')
    assert first == Row("in/prompts.csv, line 2", "a.png", Path("in/a.png"), ("a cup",))
    assert second == Row("in/prompts.csv, line 3", "b.png", Path("in/b.png"), ("red, or blue",), ("a dog",))
    assert (third.image, third.texts, third.negative_texts, third.problem) == ("ü.png", ("cat",), (), "")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_what_spreadsheets_write_is_read(encoding: str, delimiter: str, end: str) -> None:
    lines = ["Number,Prompt,Image", "1,cup,a.png"]
    (row,) = table("".join(line.replace(",", delimiter) + end for line in lines), encoding=encoding)
    assert (row.photo, row.texts) == (Path("in/a.png"), ("cup",))


def test_rows_that_cannot_be_asked_say_so_with_their_line() -> None:
    rows = table('image,prompt\na.png,"a\ncup"\n\nnone.png,x\n,x\na.png,\na.png\nb.png,y\n')
    assert [(row.where.rpartition(" ")[2], row.problem) for row in rows] == [
        ("2", ""),
        ("5", "There is no picture in/none.png."),
        ("6", "It names no image."),
        ("7", "It has no prompt."),
        ("8", "It has no prompt."),
        ("9", ""),
    ]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "There is no prompt in in/prompts.csv"),
        ("image,prompt\n\n", "There is no prompt in"),
        ("\npicture,prompt\na.png,x\n", "line 2: the first line names the columns, image,prompt or"),
        ("a.png,a cup\n", "line 1: the first line names the columns"),
        ('image,prompt\na.png,"x', "is not a CSV file"),
    ],
)
def test_what_is_no_table_is_refused(text: str, words: str) -> None:
    with pytest.raises(CommandFailed, match=words):
        table(text)


def test_a_file_of_another_kind_has_a_prompt_a_line() -> None:
    Path("prompts.txt").write_text("\ufeffa cup\n\n  a dog, too \r\n", encoding="utf-8")
    assert prompt_file.lines(Path("prompts.txt")) == ["a cup", "a dog, too"]
    assert not prompt_file.is_table(Path("prompts.txt"))
    assert prompt_file.is_table(Path("PROMPTS.CSV"))


@pytest.mark.parametrize(("data", "words"), [(b"", "There is no prompt"), (b"\xff\xd8\xff\xe0", "no text file")])
def test_what_has_no_prompts_is_refused(data: bytes, words: str) -> None:
    Path("prompts.txt").write_bytes(data)
    with pytest.raises(CommandFailed, match=words):
        prompt_file.lines(Path("prompts.txt"))


def names(*rows: Row) -> list[str]:
    found = segment_names.targets(rows, Path("out"))
    for at, one in found.items():
        assert one.picture is not None
        assert one.referred == one.picture.with_stem(f"{one.picture.stem}-referred")
        assert one.proposals == one.picture.with_stem(f"{one.picture.stem}-proposals")
        assert not rows[at].problem
    return [str(one.picture) for one in found.values()]


def test_files_are_called_after_the_picture_and_where_that_is_not_enough_after_the_words() -> None:
    one, two = Path("in/one.jpg"), Path("two.png")
    rows = [
        Row("", "", one, ("A cup!", "ein Löffel")),
        Row("", "", two, ("x",)),
        Row("", "", one, ("../" * 3,)),
        Row("", "", one, ("long words " * 30,)),
    ]
    found = names(*rows)
    assert found[:3] == ["out/one-A-cup-ein-Löffel.png", "out/two.png", "out/one.png"]
    assert len(found[3]) < 60


def test_no_two_answers_have_the_same_file() -> None:
    asked = [Path("a.jpg"), Path("b/A.png"), Path("a-referred.png"), Path("c/a.jpg"), Path("gone.png")]
    rows = [Row("", "", path, ("x",), (), "It is gone." if path.stem == "gone" else "") for path in asked]
    assert names(*rows) == ["out/a-jpg.png", "out/A-png.png", "out/a-referred.png", "out/a-jpg-2.png"]
    asked = [Path("a.jpg"), Path("a-referred.png"), Path("c/A.jpg"), Path("b.png")]
    rows = [Row("", "", path, ("x",)) for path in asked]
    assert names(*rows) == ["out/a.png", "out/a-referred-2.png", "out/A-2.png", "out/b.png"]
    same = [Row("", "", Path("a.jpg"), ("x?",)), Row("", "", Path("a.jpg"), ("x!",))]
    assert names(*same) == ["out/a-x.png", "out/a-x-2.png"]


def test_a_comma_without_quotes_is_not_cut_off() -> None:
    first, second, third = table('image,prompt\na.png,red, or blue\na.png,"red, or blue",,\nnone.png,a,b\n')
    assert "quotes" in first.problem
    assert (second.texts, second.problem) == (("red, or blue",), "")
    assert "none.png" in third.problem
