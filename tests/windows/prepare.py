"""Fetch and build what tests/windows needs: `prepare.py FOLDER`.

What cannot be had is named, one sentence each, on the standard error and in FOLDER/missing.txt, which the tests read:
what needs it is skipped, and the run as a whole fails.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from wine import Wine

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
_FOR_WINDOWS = ("--platform", "win_amd64", "--python-version", "3.11", "--implementation", "cp", "--only-binary=:all:")
_PROGRAMS = ("round_trips", "parent_child")
_RUNTIME = ("msvcp140*.dll", "vcruntime140*.dll", "concrt140.dll")
_HEADERS_PACKAGES = "libzmq3-dev cppzmq-dev libmsgpack-cxx-dev"
_HEADERS = ("zmq.h", "zmq.hpp", "zmq_addon.hpp", "msgpack.hpp", "msgpack")


class Missing(Exception):
    """Say in one sentence what cannot be had."""


def main() -> int:
    """Prepare one part after the other; a part that fails does not keep the others from being there."""
    folder = Path(sys.argv[1]).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    missing = []
    for part in (prefix, python, wheels, project, libzmq, programs):
        try:
            part(folder)
        except Missing as reason:
            missing.append(f"{part.__name__}: {reason}")
            print(f"maskbus: {reason}", file=sys.stderr)
    (folder / "missing.txt").write_text("".join(f"{line}\n" for line in missing))
    return 0


def prefix(folder: Path) -> None:
    """Make wine's own folder, apart from the user's."""
    if not Wine.is_there():
        raise Missing("wine is not installed (Debian: apt-get install wine).")
    wine = Wine(folder)
    if not (wine.prefix / "system.reg").exists():
        if wine.run("wineboot", "--init").returncode != 0:
            raise Missing("wine could not make its folder; run: wine wineboot --init")
        wine.wait()


def python(folder: Path) -> None:
    """Unpack CPython for Windows."""
    target, wanted = folder / "python", HERE / "python.txt"
    if _is_fresh(target, wanted):
        return
    with _emptied(folder / "download") as download:
        _pip("download", "--no-deps", "--no-binary=:all:", "--dest", str(download), wanted=wanted)
        (archive,) = download.glob("*.tar.gz")
        with tarfile.open(archive) as packed:
            (name,) = [name for name in packed.getnames() if name.endswith("/data.zip")]
            data = packed.extractfile(name)
            assert data is not None
            (download / "data.zip").write_bytes(data.read())
        with zipfile.ZipFile(download / "data.zip") as packed_again:
            packed_again.extractall(target)
    _freshen(target, wanted)


def wheels(folder: Path) -> None:
    """Install the libraries for Windows."""
    target, wanted = folder / "wheels", HERE / "wheels.txt"
    if not _is_fresh(target, wanted):
        shutil.rmtree(target, ignore_errors=True)
        _pip("install", "--no-deps", *_FOR_WINDOWS, "--target", str(target), wanted=wanted)
        _freshen(target, wanted)


def project(folder: Path) -> None:
    """Install this project as it is now, as its users would: what is pure Python is the same everywhere."""
    target = folder / "project"
    shutil.rmtree(target, ignore_errors=True)
    _pip("install", "--no-deps", "--no-build-isolation", "--target", str(target), str(ROOT))
    for packages in (folder / "python").glob("*/Lib/site-packages"):
        lines = [Wine.path(folder / part) for part in ("project", "wheels")]
        (packages / "maskbus.pth").write_text("".join(f"{line}\n" for line in lines))


def libzmq(folder: Path) -> None:
    """Put libzmq for Windows, and what is headers alone, where the toolchain file looks for it."""
    target, wanted = folder / "mingw", HERE / "libzmq.txt"
    if _is_fresh(target, wanted):
        return
    shutil.rmtree(target, ignore_errors=True)
    for part in ("include", "lib", "bin"):
        (target / part).mkdir(parents=True)
    with _emptied(folder / "download") as download:
        _pip("download", "--no-deps", *_FOR_WINDOWS, "--dest", str(download), wanted=wanted)
        (wheel,) = download.glob("*.whl")
        with zipfile.ZipFile(wheel) as packed:
            for name in packed.namelist():
                if name.startswith("pyzmq.libs/") and name.endswith(".dll"):
                    (target / "bin" / Path(name).name).write_bytes(packed.read(name))
    (library,) = (target / "bin").glob("libzmq*.dll")
    _import_library(library, target / "lib")
    for pattern in _RUNTIME:  # what libzmq.dll was built against, as Microsoft's and not as wine's
        for found in (folder / "python").glob(f"*/{pattern}"):
            shutil.copy(found, target / "bin")
    for header in _HEADERS:
        source = Path("/usr/include", header)
        if not source.exists():
            raise Missing(f"{source} is missing (Debian: {_HEADERS_PACKAGES}).")
        (shutil.copytree if source.is_dir() else shutil.copy)(source, target / "include" / header)
    _freshen(target, wanted)


def programs(folder: Path) -> None:
    """Build the C++ client and what is run of it."""
    if not (folder / "mingw" / "lib").exists():
        raise Missing("the C++ programs were not built, for lack of libzmq.")
    environment = os.environ | {"MASKBUS_MINGW_PREFIX": str(folder / "mingw")}
    build = folder / "cpp"
    toolchain = ROOT / "clients" / "cpp" / "cmake" / "mingw.cmake"
    if not (build / "cmake_install.cmake").exists():
        generator = ["-G", "Ninja"] if shutil.which("ninja") else []
        command = ["cmake", "-S", str(HERE), "-B", str(build), *generator, f"-DCMAKE_TOOLCHAIN_FILE={toolchain}"]
        _do(command, environment)
    jobs = os.environ.get("JOBS") or str(os.cpu_count() or 1)
    _do(["cmake", "--build", str(build), "--parallel", jobs, "--target", *_PROGRAMS], environment)
    for library in (folder / "mingw" / "bin").glob("*.dll"):
        shutil.copy(library, build / "bin")


def _import_library(library: Path, target: Path) -> None:
    """Make what a linker needs of a DLL: the names that it exports."""
    table = _do(["x86_64-w64-mingw32-objdump", "-p", str(library)], os.environ)
    names = re.findall(r"^\t\[\s*\d+\](?: \+base\[\s*\d+\])?\s+(?:[0-9a-f]+ )?(zmq_\w+)$", table, re.MULTILINE)
    if "zmq_poll" not in names:
        raise Missing(f"no exports were found in {library.name}.")
    definition = target / "libzmq.def"
    definition.write_text("\n".join([f"LIBRARY {library.name}", "EXPORTS", *names, ""]))
    _do(["x86_64-w64-mingw32-dlltool", "-d", str(definition), "-l", str(target / "libzmq.dll.a")], os.environ)


def _pip(*arguments: str, wanted: Path | None = None) -> None:
    command = [sys.executable, "-m", "pip", *arguments, "-qq", "--disable-pip-version-check"]
    command += ["--require-hashes", "--requirement", str(wanted)] if wanted else []
    _do(command, os.environ)


def _do(command: Sequence[str], environment: Mapping[str, str]) -> str:
    try:
        done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    except FileNotFoundError:
        raise Missing(f"{command[0]} is not installed (Debian: cmake, g++-mingw-w64-x86-64-posix).") from None
    if done.returncode != 0:
        print(done.stdout, file=sys.stderr)
        raise Missing(f"this failed: {' '.join(command)}")
    return done.stdout


def _stamp(wanted: Path) -> str:
    return hashlib.sha256(wanted.read_bytes()).hexdigest()


def _is_fresh(target: Path, wanted: Path) -> bool:
    stamp = target / ".stamp"
    return stamp.exists() and stamp.read_text() == _stamp(wanted)


def _freshen(target: Path, wanted: Path) -> None:
    (target / ".stamp").write_text(_stamp(wanted))


@contextmanager
def _emptied(path: Path) -> Iterator[Path]:
    """Have an empty folder for the time of a block."""
    shutil.rmtree(path, ignore_errors=True)
    path.mkdir(parents=True)
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
