"""Every C++ snippet of README and docs: compiled as it stands, and run where it is a program of headers alone."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import pytest

from maskbus.contract import scene
from support.processes import node_process

ROOT = Path(__file__).parents[2]
PAGES = [page for page in [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))] if "```cpp" in page.read_text()]
FENCE = re.compile(r"^```cpp([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PATIENCE_S = 300
SHARED = ROOT / "clients" / "cpp" / "src" / "shm"
BIN = Path(sys.executable).parent
"""Where `maskbus` is, for programs that start it."""
FLAGS = ["-std=c++17", "-Wall", "-Wextra", "-Wpedantic", "-Wno-unused-variable", "-Werror", "-DMSGPACK_NO_BOOST"]
HEADERS = ["cstdio", "chrono", "future", "memory", "optional", "string", "vector", "maskbus/maskbus.hpp"]


@pytest.fixture(scope="module")
def compiler() -> str:
    """Return the C++ compiler; skips the test where it, libzmq or msgpack-cxx is missing."""
    found = shutil.which(os.environ.get("CXX") or "c++")
    if found is None:
        pytest.skip("there is no C++ compiler")
    probe = "#include <zmq.hpp>\n#include <msgpack.hpp>\n"
    command = [found, "-DMSGPACK_NO_BOOST", "-std=c++17", "-fsyntax-only", "-x", "c++", "-"]
    if subprocess.run(command, input=probe, text=True, capture_output=True, check=False).returncode != 0:
        pytest.skip("cppzmq or msgpack-cxx is not installed")
    return found


def blocks(page: Path) -> list[tuple[int, str]]:
    """Return each snippet and the number of its first line."""
    text = page.read_text()
    return [(text.count("\n", 0, found.start()) + 2, found[2]) for found in FENCE.finditer(text)]


def built_there(page: Path, text: str) -> bool:
    """Say whether the page itself compiles and runs a program, which docs/test_pages.py does with it."""
    names = [found[1].strip().partition("file=")[2] for found in FENCE.finditer(page.read_text()) if found[2] == text]
    return any(
        name and re.search(rf"^c\+\+ .*{re.escape(name)}.* && ", page.read_text(), re.MULTILINE) for name in names
    )


def is_program(text: str) -> bool:
    return "int main(" in text


def located(page: Path, line: int, text: str) -> str:
    """Return a snippet whose errors name the page and the line there."""
    return f'#line {line} "{page}"\n{text}'


def build(compiler: str, source: str, path: Path, *flags: str) -> None:
    path.with_suffix(".cpp").write_text(source)
    command = [compiler, *FLAGS, f"-I{ROOT / 'clients' / 'cpp' / 'include'}", str(path.with_suffix(".cpp")), *flags]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.timeout(600)
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_snippets_compile(page: Path, compiler: str, tmp_path: Path) -> None:
    bodies = [(line, text) for line, text in blocks(page) if not is_program(text)]
    if not bodies:
        return
    source = "".join(f"#include <{header}>\n" for header in HEADERS)
    for number, (line, text) in enumerate(bodies):
        source += f"void snippet_{number}(maskbus::Client& client, const maskbus::ImageView& image);\n"
        source += f"void snippet_{number}(maskbus::Client& client, const maskbus::ImageView& image) {{\n"
        source += f"static_cast<void>(client);\nstatic_cast<void>(image);\n{located(page, line, text)}}}\n"
    build(compiler, source, tmp_path / "snippets", "-fsyntax-only")


@pytest.mark.timeout(600)
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_programs_run(page: Path, compiler: str, tmp_path: Path) -> None:
    programs = [(line, text) for line, text in blocks(page) if is_program(text)]
    if not programs:
        return
    assert cv2.imwrite(str(tmp_path / "photo.jpg"), scene()[:, :, ::-1])
    with node_process() as node:
        for number, (line, text) in enumerate(programs):
            path = tmp_path / f"program_{number}"
            # What shares memory needs a library as well, and a program to share it with.
            if "maskbus/shm/" in text or built_there(page, text):
                build(compiler, located(page, line, text), path, "-fsyntax-only")
                continue
            shared = sorted(map(str, SHARED.glob("*.cpp"))) if "maskbus/shm/" in text else []
            build(compiler, located(page, line, text), path, *shared, "-o", str(path), "-lzmq", "-pthread")
            done = subprocess.run(
                [str(path)],
                cwd=tmp_path,
                env={**os.environ, "MASKBUS_ENDPOINT": node.endpoint, "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}"},
                capture_output=True,
                text=True,
                timeout=PATIENCE_S,
                check=False,
            )
            assert (done.returncode, done.stderr) == (0, "")
            assert done.stdout


def test_there_are_snippets() -> None:
    page = ROOT / "docs" / "cpp.md"
    assert page in PAGES
    assert any(is_program(text) for _, text in blocks(page))
    assert sum(not is_program(text) for _, text in blocks(page)) >= 8
