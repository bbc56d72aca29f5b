"""Which handlers are installed, without importing any of them."""

from __future__ import annotations

import importlib
from importlib.metadata import entry_points

from maskbus.interfaces import Handler

GROUP = "maskbus.handlers"
"""Entry-point group. The entry point's name is the model's name; its value is "package.module:Class"."""


def installed() -> dict[str, str]:
    """Return model name → "package.module:Class" of every installed handler; nothing is imported."""
    found: dict[str, str] = {}
    for point in sorted(entry_points(group=GROUP), key=lambda point: point.name):
        found.setdefault(point.name, point.value)
    return found


def version(target: str) -> str:
    """Return name and version of the distribution that has installed a handler; empty where none has."""
    for point in entry_points(group=GROUP):
        if point.value == target and point.dist is not None:
            return f"{point.dist.name} {point.dist.version}"
    return ""


def load_class(target: str) -> type[Handler]:
    """Import the handler class that "package.module:Class" names.

    Raises:
        TypeError: if it is no subclass of `maskbus.interfaces.Handler`, or lacks what one must have.
        ImportError, AttributeError: if there is no such module or class.
    """
    module, _, name = target.partition(":")
    found: object = importlib.import_module(module)
    for part in name.split("."):
        found = getattr(found, part)
    if not (isinstance(found, type) and issubclass(found, Handler)):
        raise TypeError(f"{target} is not a subclass of maskbus.interfaces.Handler")
    if not hasattr(found, "info"):
        raise TypeError(f"{target} has no info")
    return found
