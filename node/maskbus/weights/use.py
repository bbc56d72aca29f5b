"""What a handler asks about its weights: whether they are there, and where."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from maskbus.interfaces import Availability, LoadContext, ModelUnavailable
from maskbus.weights import digest, manifest
from maskbus.weights.check import check, state
from maskbus.weights.errors import WeightsError
from maskbus.weights.place import Place
from maskbus.weights.report import mebibytes

OPTION = "weights"
"""The model option that names a file of the user's own, which is then used instead of the published weights."""


@dataclass(frozen=True)
class Weights:
    """A file of weights that may be loaded."""

    path: Path
    digest: str
    """Its SHA-256, lower-case hex."""
    source: Literal["manifest", "file"]
    """Whether it is a file of the manifest or the user's own."""


def availability(model: str, context: LoadContext, packages: Sequence[str], *, extra: str = "sam") -> Availability:
    """Tell whether a model's packages and weights are there. Nothing is imported, read or downloaded.

    Args:
        model: Its name in the manifest.
        context: What the handler is given; its option `weights` may name another file.
        packages: Modules it needs.
        extra: The extra of maskbus that installs them.
    """
    absent = [name for name in packages if importlib.util.find_spec(name) is None]
    needs = [f"{_listed(absent)} not installed (pip install 'maskbus[{extra}]')"] if absent else []
    word, lack = _own(context) if OPTION in context.options else _published(model, context)
    if lack:
        needs.append(lack)
    return Availability(ready=not needs, missing="; ".join(needs), weights=word)


def resolve(model: str, context: LoadContext) -> Weights:
    """Return the weights to load, which have just been checked.

    Args:
        model: Its name in the manifest.
        context: What the handler was given; its option `weights` may name another file.

    Raises:
        ModelUnavailable: if they are missing, or not what they should be.
    """
    try:
        if OPTION in context.options:
            return _resolve_own(model, _own_path(context))
        place = _place(model, context)
        return Weights(place.path, check(place), "manifest")
    except WeightsError as error:
        raise ModelUnavailable(str(error)) from None


def _published(model: str, context: LoadContext) -> tuple[str, str]:
    try:
        place = _place(model, context)
    except WeightsError as error:
        return "missing", str(error)
    found = state(place)
    if found.name in ("present", "unverified"):
        return found.name, ""
    if found.name == "damaged":
        return "missing", found.reason
    size = f", {mebibytes(place.entry.size)}," if place.entry.size else ""
    return "missing", f"its weights{size} are missing ({place.command()})"


def _listed(names: Sequence[str]) -> str:
    return f"{names[0]} is" if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]} are"


def _own(context: LoadContext) -> tuple[str, str]:
    path = _own_path(context)
    return (
        ("present", "")
        if path.is_file()
        else ("missing", f"there is no file {path}, which its option `{OPTION}` names")
    )


def _own_path(context: LoadContext) -> Path:
    return Path(str(context.options[OPTION])).expanduser()


def _resolve_own(model: str, path: Path) -> Weights:
    try:
        found = digest.sha256(path)
    except OSError as error:
        raise WeightsError(f"The weights {path} (option `{OPTION}`) cannot be read: {error.strerror}.") from None
    owner = manifest.owner(found)
    if owner not in ("", model):
        raise WeightsError(f"{path} holds the weights of {owner}, not of {model}.")
    return Weights(path, found, "file")


def _place(model: str, context: LoadContext) -> Place:
    if model not in manifest.ENTRIES:
        raise WeightsError(f"its option `{OPTION}` must name a file: no weights are published for {model!r}")
    return Place(manifest.ENTRIES[model], context.weights_dir)
