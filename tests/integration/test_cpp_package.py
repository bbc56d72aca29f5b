"""The C++ client as others get at it: installed, fetched, or found by pkg-config; each way is built and run."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import zlib
from pathlib import Path

import pytest

import maskbus
from maskbus_wire.header import unpack
from maskbus_wire.limits import Limits

SOURCE = Path(__file__).parents[2] / "clients" / "cpp"
CONSUMERS = SOURCE / "consumers"
PATIENCE = 280
STRICT = "-Wall -Wextra -Wpedantic -Wshadow -Wconversion -Werror"
# Whoever fetches the static library compiles it; so does whoever installs it, where it has not been built before.
pytestmark = pytest.mark.timeout(300)


def run(*command: str | Path, folder: Path, **environment: str) -> str:
    done = subprocess.run(
        [str(word) for word in command],
        cwd=folder,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def missing(sentence: str) -> None:
    """Skip, unless whoever runs the tests has built the C++ programs, and so cannot be without what they need."""
    assert "MASKBUS_CPP_BUILD" not in os.environ, sentence
    pytest.skip(sentence)


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Copy the folder, as somebody does who takes no more than it."""
    folder = tmp_path_factory.mktemp("exported") / "cpp"
    shutil.copytree(SOURCE, folder, ignore=shutil.ignore_patterns("build"))
    return folder


@pytest.fixture(scope="module")
def prefix(exported: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install the libraries, and then move them to where nothing knew that they would be."""
    folder = tmp_path_factory.mktemp("installed")
    if shutil.which("cmake") is None:
        missing("CMake is not installed.")
    build = Path(os.environ["MASKBUS_CPP_BUILD"]) if "MASKBUS_CPP_BUILD" in os.environ else built(exported, folder)
    run("cmake", "--install", build, "--prefix", folder / "first", folder=folder)
    return (folder / "first").rename(folder / "moved")


def built(source: Path, folder: Path) -> Path:
    """Build the libraries alone; skips where something that they need is not installed."""
    configure = ["cmake", "-S", source, "-B", folder / "build", "-DMASKBUS_BUILD_TESTS=OFF"]
    configure += [
        "-DMASKBUS_BUILD_EXAMPLES=OFF",
        "-DCMAKE_BUILD_TYPE=Debug",
        "-DCMAKE_CXX_FLAGS_DEBUG=-O0",  # nobody debugs it, and to write all that a debugger needs takes long
    ]
    done = subprocess.run(
        [str(word) for word in configure], capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    if lacks := re.search(r"maskbus\s+needs[^.]+", done.stderr):
        missing(" ".join(lacks.group().split()) + ".")
    assert done.returncode == 0, done.stderr
    run("cmake", "--build", folder / "build", "--parallel", "2", folder=folder)
    return folder / "build"


def built_with_cmake(consumer: str, folder: Path, *options: str) -> str:
    run(
        "cmake",
        *("-S", CONSUMERS / consumer, "-B", folder),
        "-DCMAKE_EXPORT_COMPILE_COMMANDS=ON",
        f"-DCMAKE_CXX_FLAGS={STRICT}",
        *options,
        folder=folder,
    )
    run("cmake", "--build", folder, "--parallel", "2", folder=folder)
    return printed(folder)


def printed(folder: Path) -> str:
    return run(folder / "consumer", folder=folder) + run(folder / "consumer_of_shared_memory", folder=folder)


def check(lines: str) -> None:
    package, library, header, checksum = lines.splitlines()
    assert package == f"maskbus {maskbus.__version__}"
    assert re.fullmatch(r"libzmq 4\.\d+\.\d+", library)
    ping = unpack(bytes.fromhex(header), Limits())
    assert (ping["op"], ping["id"]) == ("ping", "consumer")
    assert checksum == f"{zlib.crc32(b'123456789'):08x}"


def test_find_package(prefix: Path, tmp_path: Path) -> None:
    check(built_with_cmake("find_package", tmp_path, f"-DCMAKE_PREFIX_PATH={prefix}"))


def test_fetch_content(exported: Path, prefix: Path, tmp_path: Path) -> None:
    # In one piece, as many a project builds all that it fetches.
    options = [f"-DMASKBUS_SOURCE={exported}", "-DCMAKE_UNITY_BUILD=ON", "-DCMAKE_UNITY_BUILD_BATCH_SIZE=0"]
    check(built_with_cmake("fetch_content", tmp_path, *options))
    commands = json.loads((tmp_path / "compile_commands.json").read_text())
    targets = {re.findall(r"(\w+)\.dir", entry["command"])[-1] for entry in commands}
    assert targets == {"maskbus_shm", "consumer", "consumer_of_shared_memory"}, "whoever fetches it builds only it"


def test_pkg_config(prefix: Path, tmp_path: Path) -> None:
    if shutil.which("pkg-config") is None:
        missing("pkg-config is not installed.")
    shutil.copytree(CONSUMERS, tmp_path, dirs_exist_ok=True)
    folder = tmp_path / "pkg_config"
    run("make", folder=folder, PKG_CONFIG_PATH=str(prefix / "lib" / "pkgconfig"), CXX=f"c++ {STRICT}")
    check(printed(folder))


def test_no_warning_flag_reaches_a_consumer(prefix: Path) -> None:
    exports = "".join(path.read_text() for path in sorted(prefix.rglob("*.cmake")) + sorted(prefix.rglob("*.pc")))
    assert "MSGPACK_NO_BOOST" in exports
    assert not re.search(r"-W\w|-fsanitize", exports)


def test_every_header_is_installed(prefix: Path) -> None:
    def headers(folder: Path) -> list[Path]:
        return sorted(path.relative_to(folder) for path in folder.rglob("*.hpp"))

    assert headers(SOURCE / "include")
    assert headers(prefix / "include") == headers(SOURCE / "include")


def test_one_version() -> None:
    assert (SOURCE / "VERSION").read_text().strip() == maskbus.__version__
    assert json.loads((SOURCE / "vcpkg.json").read_text())["version-semver"] == maskbus.__version__


def test_one_licence() -> None:
    assert (SOURCE / "LICENSE").read_bytes() == (SOURCE.parents[1] / "LICENSE").read_bytes()


def test_the_readme_shows_what_the_consumers_do() -> None:
    blocks = re.findall(r"^```cmake\n(.*?)^```$", (SOURCE / "README.md").read_text(), re.MULTILINE | re.DOTALL)
    assert blocks
    consumers = "".join(path.read_text() for path in sorted(CONSUMERS.rglob("CMakeLists.txt")))
    for line in "".join(blocks).splitlines():
        if line.startswith(("find_package", "FetchContent_MakeAvailable", "include")):
            assert line in consumers.splitlines(), line
