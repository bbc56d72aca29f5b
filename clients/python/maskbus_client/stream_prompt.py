"""What a caller wants to have segmented or followed in a stream, in the shapes people have it, to the wire's."""

from __future__ import annotations

import operator
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from maskbus_client import prompt_input
from maskbus_wire import prompts, requests
from maskbus_wire.frames import Buffer

if TYPE_CHECKING:
    from typing import TypeAlias

    Objects: TypeAlias = Mapping[int, Mapping[str, Any]]
    """Number of each object → points, labels, box or mask, named and shaped as in `segment`."""

_KINDS = ("points", "labels", "box", "mask")


class PreparedObjects(NamedTuple):
    """Objects to follow, and the bytes that their masks refer to."""

    objects: list[requests.TrackedObject]
    attachments: list[Buffer]


def prepare(objects: Objects | None) -> PreparedObjects:
    """Return objects as a request has them. TypeError or ValueError for what cannot be one."""
    prepared = PreparedObjects([], [])
    if objects is None:
        return prepared
    if not isinstance(objects, Mapping):
        raise TypeError(f"objects must map numbers to prompts, not {type(objects).__name__}.")
    for number, given in objects.items():
        object_id = number_of(number)
        if not isinstance(given, Mapping):
            raise TypeError(f"objects[{object_id}] must map the kinds of a prompt to values, not {given!r}.")
        for kind in given:
            if kind not in _KINDS:
                raise ValueError(f"An object is given by {', '.join(_KINDS)}, not by {kind!r}.")
        prompt = prompt_input.prepare(**given, first_attachment=len(prepared.attachments))
        prepared.objects.append(requests.TrackedObject(object_id=object_id, prompt=prompt.prompt))
        prepared.attachments.extend(prompt.attachments)
    return prepared


def number_of(value: Any) -> int:
    """Return the number of an object. TypeError if it is none."""
    try:
        return operator.index(value)
    except TypeError:
        raise TypeError(f"Objects are numbered, with whole numbers, not {value!r}.") from None


def standing(**given: Any) -> prompts.Prompt | None:
    """Return the prompt for every frame; the arguments are those of `prompt_input.prepare`. None if none is given."""
    if all(value is None for value in given.values()):
        return None
    return prompt_input.prepare(**given).prompt
