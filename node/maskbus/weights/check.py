"""Whether the weights that lie in their place are the ones they should be."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from maskbus.weights import digest, manifest
from maskbus.weights.errors import Damaged, WeightsError
from maskbus.weights.place import Place


@dataclass(frozen=True)
class State:
    """What can be said of weights without reading them."""

    name: Literal["present", "unverified", "missing", "partial", "damaged"]
    """ "unverified": present, but the manifest has no digest; its own is pinned."""
    fraction: float | None = None
    """Of a part: how much of the whole is there, where that is known."""
    reason: str = ""
    """Of damage: what is wrong."""

    def words(self) -> str:
        """Return it for a table, such as "partial 40 %"."""
        return self.name if self.fraction is None else f"{self.name} {100 * self.fraction:.0f} %"


def state(place: Place) -> State:
    """Look at the files, their sizes and what is remembered of them."""
    entry = place.entry
    try:
        try:
            size = place.path.stat().st_size
        except FileNotFoundError:
            return _part(place)
        _check_size(place, size)
        expected, known = place.expected(), digest.remembered(place.path)
        if expected and known and known != expected:
            raise _wrong(place, known)
    except (WeightsError, OSError) as error:
        return State("damaged", reason=str(error))
    return State("present" if entry.sha256 else "unverified")


def check(place: Place, *, afresh: bool = False, advanced: Callable[[int], None] | None = None) -> str:
    """Return the SHA-256 of the weights, which are what they should be. What has no published digest is pinned.

    Args:
        place: Where they lie.
        afresh: Read the whole file, whatever is remembered of it.
        advanced: Told how many bytes have been read.

    Raises:
        Damaged: if they are not.
        WeightsError: if they are not there, or cannot be read.
    """
    try:
        if not place.path.is_file():
            raise WeightsError(f"The weights of {place.entry.name} are missing; get them ({place.command()}).")
        _check_size(place, place.path.stat().st_size)
        found = digest.sha256(place.path, afresh=afresh, advanced=advanced)
    except OSError as error:
        raise WeightsError(f"The weights {place.path} cannot be read: {error.strerror}.") from None
    expected = place.expected()
    if expected is None:
        with contextlib.suppress(OSError):  # a directory that cannot be written
            place.pin_to(found)
    elif found != expected:
        raise _wrong(place, found)
    return found


def _check_size(place: Place, size: int) -> None:
    if place.entry.size is not None and size != place.entry.size:
        raise Damaged(
            f"{place.path} has {size} bytes, and the weights of {place.entry.name} have {place.entry.size}; "
            f"get them again ({place.command()})."
        )


def _wrong(place: Place, found: str) -> Damaged:
    if owner := manifest.owner(found):
        return Damaged(
            f"{place.path} holds the weights of {owner}, not of {place.entry.name}; get those ({place.command()})."
        )
    if place.entry.sha256 is None:
        return Damaged(
            f"{place.path} is not the file that was pinned at its first use; if it is meant to be another one, "
            f"remove {place.pin}."
        )
    return Damaged(
        f"{place.path} does not have the published SHA-256 of {place.entry.name}; get it again ({place.command()})."
    )


def _part(place: Place) -> State:
    try:
        size = place.part.stat().st_size
    except OSError:
        size = 0
    if not size:
        return State("missing")
    return State("partial", min(size / place.entry.size, 1.0) if place.entry.size else None)
