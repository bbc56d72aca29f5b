"""What goes wrong, in one line that says what to do."""

from __future__ import annotations

import sys

from maskbus.config import ConfigError
from maskbus.directories import UnsafeDirectory
from maskbus.results import StoreError


class CommandFailed(Exception):
    """Say in one sentence why the command cannot do what it was asked."""


_HINTS = {
    "unknown_model": "`maskbus describe` lists the models.",
    "unsupported_prompt": "`maskbus describe` says which prompts each model takes.",
    "model_unavailable": "`maskbus doctor` says what each model still needs.",
    "busy": "`maskbus top` shows what the node is doing.",
    "deadline_exceeded": "Give it more time with --deadline SECONDS.",
}


def explain(error: Exception) -> str | None:
    """Return the line for an error that may happen to anybody; None for one that is a bug."""
    if isinstance(error, (CommandFailed, ConfigError, StoreError, UnsafeDirectory)):
        return _one_line(str(error))
    if isinstance(error, ModuleNotFoundError) and (error.name or "").partition(".")[0] not in _OURS:
        return f"{error.name} is not installed: pip install 'maskbus[node]'"
    if isinstance(error, OSError) and error.strerror and not _is_ours(error):
        return f"{error.filename}: {error.strerror}." if error.filename is not None else f"{error.strerror}."
    if _is_of(error, "zmq", "ZMQError"):
        return f"ZeroMQ: {error}. Is the endpoint right?"
    if _is_ours(error):
        return " ".join(filter(None, [_one_line(str(error)), _HINTS.get(getattr(error, "code", ""))]))
    return None


_OURS = frozenset({"maskbus", "maskbus_client", "maskbus_wire"})


def _is_ours(error: Exception) -> bool:
    return _is_of(error, "maskbus_client.errors", "MaskbusError")


def _is_of(error: Exception, module: str, kind: str) -> bool:
    """Tell whether the error is of this kind. Its module is looked up, not imported: not every command uses it."""
    found = sys.modules.get(module)
    return found is not None and isinstance(error, getattr(found, kind))


def _one_line(text: str) -> str:
    return " ".join(text.split())
