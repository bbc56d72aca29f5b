"""Every command and snippet of README and docs, run page by page in an empty folder.

What a block's info string says after the language: `file=NAME` writes the block, `background` starts it and waits until
the node listens, `install` first installs the package that the page has written.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import cv2
import pytest

from maskbus.contract import scene
from support import published

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
FENCE = re.compile(r"^```(\w+)([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PATIENCE = 90


@dataclass
class Block:
    language: str
    words: list[str]
    text: str

    def value(self, name: str) -> str | None:
        return next((word.partition("=")[2] for word in self.words if word.startswith(f"{name}=")), None)


def blocks(page: Path) -> list[Block]:
    return [Block(language, words.split(), text) for language, words, text in FENCE.findall(page.read_text())]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Folder:
    """An empty folder with a photo, and an environment whose default node is its own."""

    def __init__(self, path: Path) -> None:
        self.path = path
        endpoint = f"tcp://127.0.0.1:{free_port()}"
        self.http_port = free_port()
        self.environment = {key: value for key, value in os.environ.items() if not key.startswith("MASKBUS_")} | {
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": f"{path / 'site'}{os.pathsep}{path}",
            "MASKBUS_BIND": endpoint,
            "MASKBUS_PUBLISH": "tcp://127.0.0.1:*",
            "MASKBUS_ENDPOINT": endpoint,
            "PYTHONWARNINGS": "error",
            "PYTHONUNBUFFERED": "1",
        }
        photo = cv2.resize(scene()[:, :, ::-1], (320, 240), interpolation=cv2.INTER_CUBIC)
        assert cv2.imwrite(str(path / "photo.jpg"), photo)
        (path / "clients").symlink_to(ROOT / "clients")  # README is read in a checkout

    def run(self, command: list[str]) -> str:
        done = subprocess.run(
            command, cwd=self.path, env=self.environment, capture_output=True, text=True, timeout=PATIENCE, check=False
        )
        assert done.returncode == 0, f"{shlex.join(command)}\n{done.stdout}\n{done.stderr}"
        assert "Traceback" not in done.stderr, done.stderr
        return done.stdout

    @contextmanager
    def background(self, text: str) -> Iterator[None]:
        process = subprocess.Popen(
            shlex.split(text.replace("\\\n", " ")),
            cwd=self.path,
            env=self.environment,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        try:
            assert " ready: " in process.stdout.readline()
            yield
        finally:
            process.terminate()
            process.stdout.close()
            assert process.wait(PATIENCE) == 0

    def shell(self, text: str) -> None:
        for line in text.replace("\\\n", " ").splitlines():
            command = line.partition("  #")[0].strip()
            if command == "make demo":
                self.run(["maskbus", "demo"])
            elif command.startswith("make "):
                subprocess.run(["make", "-n", *command.split()[1:]], cwd=ROOT, check=True, capture_output=True)
            elif command.startswith("pip install"):
                self.check_install(command)
            elif "curl " in command and shutil.which("curl") is None:
                continue
            elif "maskbus models" in command:
                self.run(["bash", "-euo", "pipefail", "-c", f"{published.function(self.path)}\n{command}"])
            elif command:
                self.run(["bash", "-euo", "pipefail", "-c", command])

    def check_install(self, command: str) -> None:
        extras = re.findall(r"maskbus\[([\w,]+)\]", command)
        project = (ROOT / "pyproject.toml").read_text()
        for extra in ",".join(extras).split(","):
            assert not extra or re.search(rf"^{extra} = \[", project, re.MULTILINE), extra

    def install(self) -> None:
        options = ["--quiet", "--no-deps", "--no-build-isolation", "--disable-pip-version-check", "--no-index"]
        self.environment.pop("PYTHONWARNINGS")
        self.run(
            [sys.executable, "-m", "pip", "install", *options, "--target", str(self.path / "site"), str(self.path)]
        )
        self.environment["PYTHONWARNINGS"] = "error"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
@pytest.mark.timeout(300)
def test_page(page: Path, tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    with ExitStack() as stack:
        if "maskbus models" in page.read_text():
            stack.enter_context(published.small_files(tmp_path))
        for block in blocks(page):
            block.text = block.text.replace("127.0.0.1:5000", f"127.0.0.1:{folder.http_port}")
            if name := block.value("file"):
                (tmp_path / name).write_text(block.text)
            elif block.language == "sh":
                if "install" in block.words:
                    folder.install()
                if "background" in block.words:
                    stack.enter_context(folder.background(block.text))
                else:
                    folder.shell(block.text)
            elif block.language == "python":
                folder.run([sys.executable, "-c", block.text])
            else:
                # C++ is compiled and run by integration/test_cpp_docs.py.
                assert block.language in {"cpp", "ini", "toml", "text"}, f"nobody tries {block.language} blocks"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)", FENCE.sub("", page.read_text())):
        if "://" not in target:
            assert (page.parent / target).exists(), target


def test_every_setting_is_a_real_one() -> None:
    from maskbus.config import Config

    text = (ROOT / "docs" / "operations.md").read_text()
    named = set(re.findall(r"`(\w+_(?:s|bytes|dir|length|remote))`", text))
    assert named
    assert named <= set(Config.__struct_fields__) | {"embed_bytes"}


def test_a_handler_in_forty_lines() -> None:
    block = next(block for block in blocks(ROOT / "docs" / "plugins.md") if block.value("file") == "wand.py")
    lines = [line for line in block.text.splitlines() if line.strip()]
    assert len(lines) <= 40
