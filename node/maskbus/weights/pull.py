"""Weights from where they are published, or from where the user says, into their place."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

from maskbus import file_lock
from maskbus.weights import manifest
from maskbus.weights.check import check
from maskbus.weights.digest import CHUNK
from maskbus.weights.entry import Entry
from maskbus.weights.errors import Damaged, SourceFailed, WeightsError
from maskbus.weights.http import Patience, fetch
from maskbus.weights.part import Part
from maskbus.weights.place import Place
from maskbus.weights.report import Report, Silence, mebibytes

DEFAULT_PATIENCE = Patience()
_SILENCE = Silence()


def pull(
    entry: Entry,
    directory: Path,
    *,
    source: str = "",
    patience: Patience = DEFAULT_PATIENCE,
    report: Report = _SILENCE,
) -> Path:
    """Have the weights in their place, checked, and return that. Nothing is done where they are there already.

    A download that was broken off is gone on with. Of several processes at once one works and the others wait for it.

    Args:
        entry: Which.
        directory: Where; it is made.
        source: A file, a directory that holds it, an http(s) address, or one ending in "/" that holds it; empty: where
            it is published.
        patience: How long servers are waited for.
        report: Whom to tell how it goes.

    Raises:
        WeightsError: if they cannot be had.
    """
    place = Place(entry, directory)
    try:
        if _is_there(place, _SILENCE):  # without the lock: the directory may be one that only others can write
            return place.path
        directory.mkdir(parents=True, exist_ok=True)
        with file_lock.held(
            place.lock, lambda: report.says(f"another process is getting {entry.name}; waiting for it")
        ):
            if not _is_there(place, report):
                _get(place, _sources(entry, source), patience, report)
    except OSError as error:
        raise WeightsError(f"{error.filename or directory}: {error.strerror}.") from None
    return place.path


def _is_there(place: Place, report: Report) -> bool:
    if not place.path.exists():
        return False
    try:
        check(place)
    except Damaged as damaged:
        report.says(f"{str(damaged).partition(';')[0]}; it is replaced")
        return False
    return True


def _sources(entry: Entry, source: str) -> Sequence[str | Path]:
    if not source:
        return entry.urls
    scheme = urlsplit(source).scheme.lower()
    if scheme in ("http", "https"):
        return (source + entry.file if source.endswith("/") else source,)
    if "://" in source:
        raise WeightsError(f"{source} is neither a file nor an http or https address.")
    path = Path(source).expanduser()
    return (path / entry.file if path.is_dir() else path,)


def _get(place: Place, sources: Sequence[str | Path], patience: Patience, report: Report) -> None:
    reasons: list[str] = []
    for source in sources:
        if reasons:
            report.says(f"{reasons[-1]}; trying {source}")
        try:
            _get_from(source, place, patience, report)
            return
        except SourceFailed as failed:
            reasons.append(str(failed))
    hint = f" If you have the file: {place.command()} --from FILE" if len(sources) > 1 else ""
    raise WeightsError(f"The weights of {place.entry.name} could not be had: {'; '.join(reasons)}.{hint}")


def _get_from(source: str | Path, place: Place, patience: Patience, report: Report) -> None:
    """Get the file from one source; if it goes on with a part and the whole is wrong, the part may be to blame."""
    for is_last in (False, True):
        with Part(place, report) as part:
            began = part.count
            if began and not isinstance(source, Path):
                report.says(f"{mebibytes(began)} are there from before")
            if isinstance(source, Path):
                _copy(source, part)
            elif part.count != place.entry.size:
                part.check_room(place.entry.size)
                verified = place.expected() is not None
                fetch(source, part, size=place.entry.size, verified=verified, patience=patience, report=report)
            wrong = _wrong(part)
            if not wrong:
                part.finish()
                place.pin_to(part.sha256())
                return
            part.discard()
        if is_last or not began or isinstance(source, Path):
            raise SourceFailed(f"{source} is {wrong}")
        report.says("the whole is not what it should be; beginning again")


def _wrong(part: Part) -> str:
    """Return what the bytes are, if they are not the right ones."""
    entry, expected = part.place.entry, part.place.expected()
    if entry.size is not None and part.count != entry.size:
        return f"a file of {part.count} bytes, not of {entry.size}"
    if expected is None or part.sha256() == expected:
        return ""
    if owner := manifest.owner(part.sha256()):
        return f"the file of {owner}, not of {entry.name}"
    return f"another file: its SHA-256 is {part.sha256()}, and {expected} was expected"


def _copy(source: Path, part: Part) -> None:
    size = part.place.entry.size
    if not source.is_file():
        raise WeightsError(f"{source}: {'is no file' if source.exists() else 'there is no such file'}.")
    if any(path.exists() and source.samefile(path) for path in (part.place.part, part.place.path)):
        raise WeightsError(f"{source} is the file that is to be replaced; name another one.")
    total = source.stat().st_size
    if size is not None and total != size:
        raise SourceFailed(f"{source} has {total} bytes, and the weights of {part.place.entry.name} have {size}")
    part.restart()
    part.check_room(total)
    try:
        with source.open("rb") as stream:
            while chunk := stream.read(CHUNK):
                part.append(chunk, total)
    except OSError as error:
        raise WeightsError(f"{source} cannot be read: {error.strerror}.") from None
