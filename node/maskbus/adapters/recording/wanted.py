"""Which topics of a node are recorded."""

from __future__ import annotations

from collections.abc import Sequence

from maskbus_client.arguments import ENCODINGS

EVERYTHING = ("frames/", "masks/")
"""What is recorded where nothing is named: all frames and masks of streams."""


class Wanted:
    """Tell the topics that were asked for from those that a subscription brings as well.

    `masks/front` is that topic and those below it, such as `masks/front/grabcut`, but not `masks/front2`; a name that
    ends in `/` is only what lies below it.
    """

    def __init__(self, names: Sequence[str] = ()) -> None:
        """Take the names of topics, with or without an encoding in front, such as `png:masks/`; none: `EVERYTHING`.

        Raises:
            ValueError: for what cannot be a topic.
        """
        for name in names:
            encoding, colon, topic = name.rpartition(":")
            if not topic.strip("/"):
                raise ValueError(f"a topic has a name, unlike {name!r}")
            if colon and encoding not in ENCODINGS:
                raise ValueError(f"there is no mask encoding {encoding!r}; there are {', '.join(ENCODINGS)}")
        self._names = list(names or EVERYTHING)

    @property
    def prefixes(self) -> list[bytes]:
        """What to subscribe to."""
        return sorted({name.encode() for name in self._names})

    def __contains__(self, topic: str) -> bool:
        return any(
            topic.startswith(name) if name.endswith("/") else topic == name or topic.startswith(f"{name}/")
            for name in self._names
        )
