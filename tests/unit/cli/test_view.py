"""`maskbus view` before it serves: what it needs, where, and how the browser learns the address."""

from __future__ import annotations

import argparse
import os
import re
import webbrowser
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from maskbus.cli import main, view, view_flags

URL = "http://127.0.0.1:7712/?token=secret"


@pytest.mark.parametrize("text", ["-1", "65536", "x", "", "7 7"])
def test_what_is_no_port(text):
    with pytest.raises(argparse.ArgumentTypeError):
        view_flags.port(text)


def test_what_is_missing_is_named_with_what_to_install(monkeypatch, capsys):
    monkeypatch.setattr(view, "find_spec", lambda name: None)
    assert main(["view"]) == 1
    assert "pip install 'maskbus[view]'" in capsys.readouterr().err


def test_the_browser_gets_the_address_through_a_file_of_the_user_alone(monkeypatch):
    opened = []

    def open_browser(where):
        file = Path(urlsplit(where).path)
        opened.append(file)
        assert "secret" not in where
        assert re.search(f"url={re.escape(URL)}", file.read_text())
        if os.name == "posix":
            assert file.parent.stat().st_mode & 0o077 == 0
        return True

    monkeypatch.setattr(webbrowser, "open", open_browser)
    with view._opened(URL):
        assert opened[0].exists()
    assert not opened[0].parent.exists()


def test_without_a_browser_it_says_so(monkeypatch, capsys):
    monkeypatch.setattr(webbrowser, "open", lambda where: False)
    with view._opened(URL):
        assert "by hand" in capsys.readouterr().out
