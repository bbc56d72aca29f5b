"""The model whose masks are looked at, inside of another handler."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from maskbus.everything.presets import PRESETS, preset
from maskbus.handlers.registry import installed, load_class
from maskbus.interfaces import (
    DEFAULT_EVERYTHING,
    EverythingSettings,
    Handler,
    LoadContext,
    ModelUnavailable,
    ObjectFinder,
)

DEFAULT_PROPOSALS = "mobile-sam"


@dataclass(frozen=True)
class Proposals:
    """Which handler proposes masks, what it is loaded with, and how it searches."""

    name: str
    handler: type[Handler]
    context: LoadContext
    settings: EverythingSettings

    @classmethod
    def of(cls, context: LoadContext) -> Proposals:
        """Read it from the options `proposals`, `proposals_options`, `preset` and `settings`; import nothing heavy.

        Raises:
            ModelUnavailable: if there is no such handler, it cannot find everything, or runs only by itself.
        """
        where = f"model.{context.model}.options"
        name = context.options.get("proposals", DEFAULT_PROPOSALS)
        target = installed().get(name) if isinstance(name, str) else None
        if target is None:
            raise ModelUnavailable(f"{where}.proposals = {name!r}: there is no such handler.")
        try:
            handler = load_class(target)
        except (ImportError, AttributeError, TypeError) as error:
            raise ModelUnavailable(f"{where}.proposals = {name!r} cannot be imported: {error}.") from None
        if "points" not in handler.info.prompts and not issubclass(handler, ObjectFinder):
            raise ModelUnavailable(f"{where}.proposals = {name!r} finds no objects without being shown any.")
        if handler.info.alone:
            raise ModelUnavailable(
                f"{where}.proposals = {name!r} is only ever loaded in a process of its own, never inside of another "
                "model; choose another one."
            )
        own = _table(context.options.get("proposals_options", {}), f"{where}.proposals_options")
        return cls(
            name=name,
            handler=handler,
            context=replace(context, model=name, options=own),
            settings=_settings(context.options, handler, where),
        )


def _settings(options: Mapping[str, Any], handler: type[Handler], where: str) -> EverythingSettings:
    name = options.get("preset", "default")
    if name not in PRESETS:
        raise ModelUnavailable(f"{where}.preset = {name!r} must be one of {', '.join(PRESETS)}.")
    given = _table(options.get("settings", {}), f"{where}.settings")
    known = {field.name: type(getattr(DEFAULT_EVERYTHING, field.name)) for field in fields(EverythingSettings)}
    for key, value in given.items():
        kind = known.get(key)
        if kind is None:
            raise ModelUnavailable(f"{where}.settings.{key}: there is no such setting; there are {', '.join(known)}.")
        if type(value) is not kind and not (kind is float and type(value) is int):
            raise ModelUnavailable(f"{where}.settings.{key} = {value!r} must be {_WORDS[kind]}.")
        if kind is not bool and value < (1 if key == "points_per_side" else 0):
            raise ModelUnavailable(f"{where}.settings.{key} = {value!r} is too small.")
    return replace(preset(name, handler.info.everything), **given)


_WORDS = {int: "a whole number", float: "a number", bool: "true or false"}


def _table(value: Any, where: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise ModelUnavailable(f"{where} must be a table.")
    return value
