"""The files that are made of an answer."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from maskbus.cli.failure import CommandFailed
from maskbus.cli.segment_answer import Answer
from maskbus.cli.segment_photo import Photo

_FLAGS = {"picture": "--out", "mask": "--mask-out", "referred": "--referred", "proposals": "--proposals"}


@dataclass(frozen=True)
class Targets:
    """Where each goes; None: it is not written."""

    picture: Path | None
    """The picture with the masks painted over it."""
    mask: Path | None = None
    """The mask, or with numbers in their names all masks, 0 and 255."""
    referred: Path | None = None
    """The picture where the masks are, black elsewhere."""
    proposals: Path | None = None
    """All masks that a text was compared with, painted over the picture."""

    @classmethod
    def of(cls, arguments: argparse.Namespace, photo: Photo) -> Targets:
        """Return where the arguments say that the answer goes. CommandFailed where it cannot go there."""
        stem = Path(arguments.out).stem if arguments.out else photo.path.stem
        beside = Path(arguments.out).parent if arguments.out else Path()
        found = {"picture": arguments.out, "mask": arguments.mask_out}
        if arguments.out is None and not arguments.json:
            found["picture"] = f"{stem}-masks.png"
        # With a text they are asked for as soon as any picture is.
        usual = bool(arguments.texts) and found["picture"] is not None
        for name in ("referred", "proposals"):
            found[name] = getattr(arguments, name) or (beside / f"{stem}-{name}.png" if usual else None)
        if arguments.proposals and not arguments.texts:
            raise CommandFailed("--proposals goes with --text: without one, nothing is compared.")
        targets = cls(**{name: Path(path) if path else None for name, path in found.items()})
        targets.check([photo.path, *([Path(arguments.mask)] if arguments.mask else [])])
        return targets

    def paths(self) -> dict[str, Path]:
        """Return flag → file, of those that are written."""
        return {flag: path for name, flag in _FLAGS.items() if (path := getattr(self, name)) is not None}

    def check(self, read: Iterable[Path]) -> None:
        """Raise CommandFailed where files cannot be written, or not without losing one of those that are read."""
        made_of = {path.resolve() for path in read}
        seen: dict[Path, str] = {}
        for flag, path in self.paths().items():
            if path.suffix.lower() != ".png":
                raise CommandFailed(f"{flag} writes a PNG file: give it a name that ends in .png, not {path}.")
            if path.resolve() in made_of:
                raise CommandFailed(f"{flag} {path} would overwrite what it is made of.")
            if not path.parent.is_dir():
                raise CommandFailed(f"{flag} {path}: there is no directory {path.parent}.")
            other = seen.setdefault(path.resolve(), flag)
            if other != flag:
                raise CommandFailed(f"{other} and {flag} would both write {path}.")

    def write(self, answer: Answer, photo: Photo, best: int) -> dict[str, list[str]]:
        """Write the files and return what was written, by kind; of the proposals, the `best` are numbered."""
        from maskbus_client import picture

        result = answer.result
        written: dict[str, list[str]] = {"picture": [], "masks": []}
        if self.picture is not None:
            picture.write_png(self.picture, result.overlay(photo.data))
            written["picture"].append(str(self.picture))
        if self.mask is not None:
            for i, mask in enumerate(result.masks):
                path = self.mask if len(result) == 1 else self.mask.with_stem(f"{self.mask.stem}-{i}")
                mask.save(path)
                written["masks"].append(str(path))
        if self.referred is not None or self.proposals is not None:
            from maskbus.cli import text_pictures

            rgb = picture.from_file(photo.data)
            if self.referred is not None:
                picture.write_png(self.referred, text_pictures.referred(rgb, result))
                written["referred"] = [str(self.referred)]
            if self.proposals is not None and answer.ranking is not None:
                picture.write_png(self.proposals, text_pictures.proposals(rgb, answer.ranking, best=best))
                written["proposals"] = [str(self.proposals)]
        return written
