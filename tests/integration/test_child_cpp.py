"""The C++ example, which runs a node as its child, against the real thing."""

from __future__ import annotations

import base64
import io
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import psutil
import pytest
from PIL import Image

from maskbus.contract import scene
from maskbus.testing import node
from support.cpp import binary
from support.parents import CHILD, environment, left_in

CLICK = (60, 40)


class Program:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.memory = folder / "memory"
        image = scene()
        height, width = image.shape[:2]
        (folder / "photo.ppm").write_bytes(b"P6 %d %d 255\n" % (width, height) + image.tobytes())
        done, png = cv2.imencode(".png", image[:, :, ::-1])
        assert done
        (folder / "photo.png").write_bytes(png.tobytes())
        text = base64.b64encode(png.tobytes()).decode()
        (folder / "photo.txt").write_text(f"data:image/png;base64,{text}")
        (folder / "folded.txt").write_text("\r\n".join(text[i : i + 76] for i in range(0, len(text), 76)))
        (folder / "broken.txt").write_text(text[:-3] + "!!!")
        (folder / "broken.png").write_bytes(png.tobytes()[:-100])
        (folder / "empty.png").write_bytes(b"")
        (folder / "empty.txt").write_bytes(b"")
        with node() as running, running.client() as client:
            self.expected = client.segment(image, points=[CLICK]).best

    def run(self, *arguments: str, clicks: str = "", code: int = 0) -> subprocess.CompletedProcess[str]:
        child = [*CHILD, "--image-dir", str(self.memory), "--log-level", "error"]
        command = [str(binary("parent_child")), "--command", " ".join(child), "--model", "grabcut", *arguments]
        done = subprocess.run(
            command, cwd=self.folder, env=environment(), input=clicks, capture_output=True, text=True, timeout=90
        )
        assert done.returncode == code, done
        assert not self.memory.exists() or not left_in(self.memory)
        return done

    def is_answer(self, line: str) -> bool:
        words = line.split()
        expected = ["bbox", *map(str, self.expected.bbox), "area", str(self.expected.area)]
        return words[:7] == expected and words[8] == "ms" and float(words[7]) > 0


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Program:
    return Program(tmp_path_factory.mktemp("program"))


@pytest.mark.parametrize("image", [["photo.ppm"], ["photo.png"], ["--base64", "photo.txt"], ["--base64", "folded.txt"]])
def test_one_click(program: Program, image: list[str]) -> None:
    done = program.run(*image, f"{CLICK[0]},{CLICK[1]}", "--out", "mask.pgm")
    assert program.is_answer(done.stdout)
    mask = np.asarray(Image.open(program.folder / "mask.pgm"))
    assert set(np.unique(mask)) == {0, 255}
    assert np.array_equal(mask == 255, program.expected.to_array())


def test_clicks_from_standard_input_without_a_restart(program: Program) -> None:
    clicks = f"{CLICK[0]},{CLICK[1]}\n" * 3 + f"1000,5\nnonsense\n\n{CLICK[0]},{CLICK[1]},1\n"
    done = program.run("photo.ppm", clicks=clicks)
    answers = done.stdout.splitlines()
    assert len(answers) == 4
    assert all(map(program.is_answer, answers))
    wrong, nonsense = done.stderr.splitlines()
    assert wrong.startswith("invalid_value: ")
    assert wrong.endswith("(prompt.points[0])")
    assert "nonsense" in nonsense


def test_the_mask_as_base64_text(program: Program) -> None:
    program.run("--base64", "photo.txt", f"{CLICK[0]},{CLICK[1]}", "--base64-out", "mask.txt")
    png = base64.b64decode((program.folder / "mask.txt").read_text(), validate=True)
    mask = np.asarray(Image.open(io.BytesIO(png)).convert("L"))
    assert np.array_equal(mask > 0, program.expected.to_array())


@pytest.mark.parametrize(
    ("image", "code", "path"),
    [
        (["--base64", "broken.txt"], "invalid_field", "image.base64"),
        (["--base64", "empty.txt"], "invalid_image", "image"),
        (["broken.png"], "invalid_image", "image"),
        (["empty.png"], "invalid_image", "image"),
    ],
)
def test_images_that_are_none(program: Program, image: list[str], code: str, path: str) -> None:
    done = program.run(*image, "5,5", code=1)
    assert done.stdout == ""
    assert done.stderr.startswith(f"{code}: ")
    assert done.stderr.endswith(f"({path})\n")
    assert len(done.stderr.splitlines()) == 1


def test_no_child(program: Program) -> None:
    photo = str(program.folder / "photo.ppm")
    for command, sentence in (
        ("/nowhere/maskbus child", "child_died: The child /nowhere/maskbus cannot be started"),
        (f"{sys.executable} -c pass", "child_died: The child exited with code 0 before it was ready."),
    ):
        done = subprocess.run(
            [str(binary("parent_child")), "--command", command, photo, "1,1"],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 1
        assert done.stderr.startswith(sentence)
    assert not [process for process in psutil.Process().children() if process.name() == "parent_child"]
