"""The options of a model that takes texts, checked without loading anything."""

from __future__ import annotations

from maskbus.interfaces import LoadContext, ModelUnavailable
from maskbus.models.clip_recipe import OPTIONS as CLIP_OPTIONS

_RUNTIME = ("runtime", "dtype", "cache_dir", "compile", "cuda_graphs")
_PROPOSALS = ("proposals", "proposals_options", "preset", "settings")
_CHOICE = ("select", "threshold", "top", "combine", "background", "margin")
_KNOWN = frozenset({*_RUNTIME, *_PROPOSALS, *_CHOICE, "template", *CLIP_OPTIONS})
_TEMPLATE = "a photo of {}"


def check_options(context: LoadContext) -> None:
    """Refuse options that nobody knows, with ModelUnavailable."""
    unknown = sorted(set(context.options) - _KNOWN)
    if unknown:
        known = ", ".join(sorted(_KNOWN))
        raise ModelUnavailable(
            f"model.{context.model}.options.{unknown[0]}: there is no such option; there are {known}."
        )
    template(context)


def template(context: LoadContext) -> str:
    """Return the sentence that texts are put into: the option, with `{}` where the text goes.

    Raises:
        ModelUnavailable: if it is no such sentence.
    """
    given = context.options.get("template", _TEMPLATE)
    if not isinstance(given, str) or given.count("{}") != 1:
        raise ModelUnavailable(f"model.{context.model}.options.template = {given!r} must be a sentence with one {{}}.")
    return given
