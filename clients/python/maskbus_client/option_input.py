"""How a caller wants to be answered, in the shapes people have it, to the wire's structs."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from numbers import Real
from typing import TYPE_CHECKING, Any, Literal, TypeVar, get_args, get_origin, get_type_hints

import msgspec

from maskbus_wire.requests import PostProcessing, Route, TextOptions

if TYPE_CHECKING:
    from typing import TypeAlias

    RouteLike: TypeAlias = Sequence[str] | Route | Mapping[str, Any]
    """Names of models, or a `Route`, or its fields by name."""
    PostLike: TypeAlias = PostProcessing | Mapping[str, Any]
    """A `PostProcessing`, or its fields by name."""
    TextOptionsLike: TypeAlias = TextOptions | Mapping[str, Any]
    """A `TextOptions`, or its fields by name."""

S = TypeVar("S", bound=msgspec.Struct)


def route_of(given: RouteLike | None) -> Route | None:
    """Return which models are to be tried. TypeError or ValueError for what cannot be that."""
    if isinstance(given, str):
        raise TypeError("route must name models, not be text: the name of a route goes into model.")
    if isinstance(given, Sequence):
        given = {"models": given}
    return _read("route", Route, given)


def post_of(given: PostLike | None) -> PostProcessing | None:
    """Return what is to be done to masks. TypeError or ValueError for what cannot be that."""
    return _read("post", PostProcessing, given)


def text_options_of(given: TextOptionsLike | None) -> TextOptions | None:
    """Return how masks are to be chosen by text. TypeError or ValueError for what cannot be that."""
    return _read("text_options", TextOptions, given)


def side_of(given: Any) -> int:
    """Return to what size an image is to be brought. TypeError for what is no whole number."""
    return whole("max_side", given)


def fields_of(kind: type[msgspec.Struct], given: Mapping[str, Any], path: str = "") -> dict[str, Any]:
    """Return the fields of a struct of the wire as its types have them; those that are None are left out.

    Args:
        kind: The struct.
        given: Values by name.
        path: What the names of its fields begin with in an error.

    Raises:
        TypeError: for a value of another type.
        ValueError: for a name that it does not have, or a word that is none of those it may be.
    """
    ways = _ways(kind)
    for name in given:
        if name not in ways:
            raise ValueError(f"There is no {path}{name}; there are {', '.join(ways)}.")
    return {name: ways[name](f"{path}{name}", value) for name, value in given.items() if value is not None}


def whole(name: str, value: Any) -> int:
    """Return a whole number. TypeError for what is none."""
    try:
        return int(operator.index(value))
    except TypeError:
        raise TypeError(f"{name} must be a whole number, not {type(value).__name__}.") from None


def number(name: str, value: Any) -> float:
    """Return a number. TypeError for what is none."""
    if not isinstance(value, Real):
        raise TypeError(f"{name} must be a number, not {type(value).__name__}.")
    return float(value)


def _read(name: str, kind: type[S], given: Any) -> S | None:
    if given is None:
        return None
    if isinstance(given, kind):
        given = msgspec.structs.asdict(given)
    if not isinstance(given, Mapping):
        raise TypeError(f"{name} must be a {kind.__name__} or a mapping, not {type(given).__name__}.")
    return kind(**fields_of(kind, given, f"{name}."))


def _names(name: str, value: Any) -> list[str]:
    if isinstance(value, str) or not isinstance(value, Sequence):
        raise TypeError(f"{name} must be a sequence of texts, not {type(value).__name__}.")
    for i, text in enumerate(value):
        if not isinstance(text, str):
            raise TypeError(f"{name}[{i}] must be text, not {type(text).__name__}.")
    return list(value)


def _word(words: Sequence[str]) -> Callable[[str, Any], str]:
    def choose(name: str, value: Any) -> str:
        if value not in words:
            raise ValueError(f"{name} is one of {', '.join(words)}, not {value!r}.")
        return str(value)

    return choose


@cache
def _ways(kind: type[msgspec.Struct]) -> dict[str, Callable[[str, Any], Any]]:
    """Return name of each field → what makes its value of what a caller has."""
    found: dict[str, Callable[[str, Any], Any]] = {}
    for name, hint in get_type_hints(kind).items():
        plain = next((inner for inner in get_args(hint) if inner is not type(None)), hint)
        plain = hint if get_origin(hint) in (list, Literal) else plain
        found[name] = _word(get_args(plain)) if get_origin(plain) is Literal else _PLAIN[plain]
    return found


_PLAIN: dict[Any, Callable[[str, Any], Any]] = {
    int: whole,
    float: number,
    bool: lambda _, value: bool(value),
    list[str]: _names,
}
