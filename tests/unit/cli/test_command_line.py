"""The command line as a whole: help, versions, exit codes, error lines, and what is imported for them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from maskbus import __version__
from maskbus.cli import entry, failure, main, parser
from maskbus.config import ConfigError
from maskbus.directories import UnsafeDirectory
from maskbus_client.errors import Busy, NodeUnreachable, UnknownModel

COMMANDS = (
    *("serve", "child", "segment", "everything", "stream", "simulate", "describe", "ping", "stats", "top", "view"),
    *("record", "replay", "config", "doctor", "models", "keys", "demo"),
)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_an_example(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([command, "--help"])
    assert ended.value.code == 0
    words = capsys.readouterr().out
    assert "examples:" in words
    assert f"  maskbus {command}" in words


def test_every_command_exists() -> None:
    words = parser.build().format_help()
    assert all(f"    {command} " in words for command in COMMANDS)


@pytest.mark.parametrize("module", ["maskbus", "maskbus.cli"])
def test_both_modules_run(module: str) -> None:
    done = subprocess.run([sys.executable, "-m", module, "--version"], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == f"maskbus {__version__}"


def test_help_imports_nothing_heavy() -> None:
    code = """if True:
        import sys
        from maskbus.cli import main
        try:
            main(["segment", "--help"])
        except SystemExit:
            pass
        heavy = ("cv2", "numpy", "rich", "zmq", "PIL", "psutil", "maskbus_client")
        print([name for name in heavy if name in sys.modules])
    """
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize(
    "command", [[], ["nonsense"], ["segment"], ["ping", "--count", "0"], ["top", "--interval", "x"]]
)
def test_wrong_usage_is_exit_code_2(command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(command)
    assert ended.value.code == 2
    assert "usage: maskbus" in capsys.readouterr().err


def test_the_parser_and_the_client_agree_on_the_default_endpoint() -> None:
    from maskbus_client import endpoints

    assert parser.DEFAULT_ENDPOINT == endpoints.DEFAULT


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (failure.CommandFailed("no\n  such  thing."), "no such thing."),
        (ConfigError("bind (flag): wrong."), "bind (flag): wrong."),
        (UnsafeDirectory("/x is open."), "/x is open."),
        (FileNotFoundError(2, "No such file or directory", "cat.jpg"), "cat.jpg: No such file or directory."),
        (OSError(28, "No space left on device"), "No space left on device."),
        (ModuleNotFoundError("No module named 'rich'", name="rich.table"), "pip install 'maskbus[node]'"),
        (NodeUnreachable("Nobody answered."), "Nobody answered."),
        (UnknownModel("No model x."), "`maskbus describe` lists the models."),
        (Busy("The queue is full."), "`maskbus top`"),
    ],
)
def test_what_may_happen_to_anybody_is_one_line(error: Exception, expected: str) -> None:
    line = failure.explain(error)
    assert line is not None
    assert expected in line
    assert "\n" not in line


@pytest.mark.parametrize("error", [KeyError("x"), TypeError("x"), ModuleNotFoundError("x", name="maskbus.nonsense")])
def test_a_bug_is_not_dressed_up(error: Exception) -> None:
    assert failure.explain(error) is None


@pytest.mark.parametrize(("error", "code"), [(KeyboardInterrupt(), 130), (BrokenPipeError(), 1)])
def test_interruptions_end_quietly(
    error: BaseException, code: int, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def interrupted(arguments: object) -> int:
        raise error

    from maskbus.cli import config_command

    monkeypatch.setattr(config_command, "run", interrupted)
    monkeypatch.setattr(entry.os, "dup2", lambda *descriptors: None)
    assert main(["config"]) == code
    assert capfd.readouterr().err == ""


def test_a_missing_photo_is_one_line(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["segment", str(tmp_path / "none.png"), "--point", "1,1"]) == 1
    assert capsys.readouterr().err == f"maskbus: {tmp_path / 'none.png'}: No such file or directory.\n"
