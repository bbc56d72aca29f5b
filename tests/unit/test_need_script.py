"""clients/cpp/scripts/need.sh on machines of every kind, which are folders of small programs."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "clients" / "cpp" / "scripts" / "need.sh"


class Machine:
    """A PATH of its own; every apt-get that runs on it is written down."""

    def __init__(self, folder: Path) -> None:
        self.programs = folder / "bin"
        self.log = folder / "apt.log"
        self.programs.mkdir()
        for program in ("env", "bash"):
            self.program_from(program)

    def program_from(self, name: str) -> None:
        found = shutil.which(name)
        assert found
        (self.programs / name).symlink_to(found)

    def program(self, name: str, body: str) -> None:
        path = self.programs / name
        path.write_text(f"#!/bin/bash\n{body}\n")
        path.chmod(0o755)

    def debian(self, *installed: str, user: int = 0) -> Machine:
        names = "|".join(installed) or "none"
        self.program("dpkg-query", f'case "${{@: -1}}" in {names}) echo -n installed;; *) exit 1;; esac')
        self.program("apt-get", f'echo "$@" >> {self.log}')
        self.program("id", f"echo {user}")
        return self

    def need(self, *words: str) -> tuple[int, str]:
        done = subprocess.run(
            [str(self.programs / "bash"), str(SCRIPT), *words],
            env={"PATH": str(self.programs)},
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
        assert done.stdout == ""
        return done.returncode, done.stderr

    def installed(self) -> list[str]:
        lines = self.log.read_text().splitlines() if self.log.exists() else []
        return [line.rpartition("Timeout=300 ")[2] for line in lines]


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_everything_is_there(machine: Machine) -> None:
    machine.debian("libzmq3-dev")
    machine.program("cmake", "")
    assert machine.need("cmake=cmake", "libzmq3-dev") == (0, "")
    assert machine.installed() == []


def test_root_installs_only_what_is_missing(machine: Machine) -> None:
    code, said = machine.debian("libzmq3-dev").need("cmake=cmake", "libzmq3-dev", "cppzmq-dev")
    assert (code, said) == (0, "maskbus: installing cmake cppzmq-dev\n")
    assert machine.installed() == ["install cmake cppzmq-dev"]


def test_lists_are_fetched_where_they_are_missing(machine: Machine) -> None:
    machine.debian()
    lists = machine.log.with_name("lists")
    machine.program(
        "apt-get",
        f'echo "$@" >> {machine.log}; case "$*" in *update*) : > {lists};; *) [ -e {lists} ] || exit 100;; esac',
    )
    assert machine.need("cmake=cmake")[0] == 0
    assert machine.installed() == ["install cmake", "update", "install cmake"]


def test_a_package_that_cannot_be_installed_is_named(machine: Machine) -> None:
    machine.debian()
    machine.program("apt-get", "exit 100")
    code, said = machine.need("cmake=cmake", "cppzmq-dev")
    assert code == 1
    assert said.splitlines()[-1] == "maskbus: these packages could not be installed: cmake cppzmq-dev"


def test_without_rights_it_says_what_to_do(machine: Machine) -> None:
    machine.debian("cmake", user=1000)
    assert machine.need("cmake", "cppzmq-dev") == (
        1,
        "maskbus: packages are missing: sudo apt-get install cppzmq-dev\n",
    )
    assert machine.installed() == []


def test_sudo_is_used_where_it_asks_nothing(machine: Machine) -> None:
    machine.debian(user=1000)
    machine.program("sudo", '[ "$1" = -n ] && shift && [ "$1" = true ] || exec "$@"')
    machine.program("true", "")
    assert machine.need("cppzmq-dev")[0] == 0
    assert machine.installed() == ["install cppzmq-dev"]


def test_sudo_that_asks_for_a_password_is_not(machine: Machine) -> None:
    machine.debian(user=1000)
    machine.program("sudo", "exit 1")
    assert machine.need("cppzmq-dev") == (1, "maskbus: packages are missing: sudo apt-get install cppzmq-dev\n")


def test_elsewhere_than_on_debian_it_asks_for_tools_alone(machine: Machine) -> None:
    machine.program("cmake", "")
    assert machine.need("cmake=cmake", "cppzmq-dev") == (0, "")
    code, said = machine.need("cmake=cmake", "g++=c++", "cppzmq-dev")
    assert code == 1
    assert said == "maskbus: this needs what Debian calls g++: install them with this system's own packages.\n"


def test_what_is_optional_fails_nothing(machine: Machine) -> None:
    machine.debian(user=1000)
    assert machine.need("--optional", "libopencv-core-dev") == (0, "")
    assert os.access(SCRIPT, os.X_OK)
