"""Where the weights of a model lie, with what is kept beside them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from shlex import quote

from maskbus import directories
from maskbus.weights.entry import Entry
from maskbus.weights.errors import WeightsError


@dataclass(frozen=True)
class Place:
    """The files of one model in a weights directory."""

    entry: Entry
    directory: Path

    @property
    def path(self) -> Path:
        """The weights; only whole and checked files get this name."""
        return self.directory / self.entry.file

    @property
    def part(self) -> Path:
        """What has come of a download so far."""
        return self.directory / f"{self.entry.file}.part"

    @property
    def note(self) -> Path:
        """Where the part came from: a JSON object with `url` and `validator`."""
        return self.directory / f".{self.entry.file}.part.json"

    @property
    def lock(self) -> Path:
        """What a process that writes here holds."""
        return self.directory / f".{self.entry.file}.lock"

    @property
    def pin(self) -> Path:
        """The digest of the first file, where the manifest has none; as `sha256sum` writes it."""
        return self.directory / f"{self.entry.file}.sha256"

    def expected(self) -> str | None:
        """Return the SHA-256 the file must have: the published one, else the pinned one, else None.

        Raises:
            WeightsError: if the pin cannot be read.
        """
        if self.entry.sha256 is not None:
            return self.entry.sha256
        try:
            text = self.pin.read_text()
        except FileNotFoundError:
            return None
        except (OSError, UnicodeDecodeError) as error:
            raise WeightsError(f"The pinned digest {self.pin} cannot be read: {error}.") from None
        found = re.match(r"([0-9a-f]{64})\b", text)
        if found is None:
            raise WeightsError(f"{self.pin} holds no SHA-256; remove it to pin the file that is there now.")
        return found[1]

    def pin_to(self, sha256: str) -> None:
        """Have every later file match this digest, if the manifest has none."""
        if self.entry.sha256 is None:
            self.pin.write_text(f"{sha256}  {self.entry.file}\n")

    def command(self) -> str:
        """Return the command that gets the weights into this directory."""
        elsewhere = "" if self.directory == directories.weights() else f" --weights-dir {quote(str(self.directory))}"
        return f"maskbus models pull {self.entry.name}{elsewhere}"
