"""One file from one web server, in as many attempts as it needs."""

from __future__ import annotations

import http.client
import re
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from maskbus import __version__
from maskbus.weights.errors import SourceFailed
from maskbus.weights.part import Part
from maskbus.weights.report import Report, mebibytes

_CHUNK = 256 * 1024
_SLOWEST = 1024
"""Bytes a second below which a server counts as stuck."""
_IN_VAIN = 3


@dataclass(frozen=True)
class Patience:
    """How long a server is waited for."""

    timeout_s: float = 30.0
    """Seconds without an answer, or with hardly a byte of it."""
    attempts: int = 8
    """How often a connection may end early; three in a row that bring nothing are enough."""
    pause_s: float = 1.0
    """Seconds before the second attempt; twice as long before each further one, 10 at most."""


class _Broken(Exception):
    """Say why a connection ended before the file did; another attempt may go on."""


class _Redirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Any:
        if urlsplit(req.full_url).scheme == "https" and urlsplit(newurl).scheme != "https":
            raise SourceFailed(f"{_host(req.full_url)} leads to an unencrypted address")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def fetch(url: str, part: Part, *, size: int | None, verified: bool, patience: Patience, report: Report) -> None:
    """Get what is missing of a file from `url`.

    Args:
        url: http or https. Proxies are taken from the environment.
        part: What has come so far.
        size: Bytes of the whole file, if known.
        verified: Whether its digest is known beforehand. If so, the part may have come from elsewhere; if not, only
            what the same server calls the same version is gone on with.
        patience: How long to wait.
        report: Whom to tell.

    Raises:
        SourceFailed: if this server does not give the whole file.
        WeightsError: if it cannot be written.
    """
    answered = False
    reason, in_vain = "", 0
    for attempt in range(patience.attempts):
        if attempt:
            time.sleep(min(patience.pause_s * 2 ** (attempt - 1), 10.0))
        before = part.count
        try:
            with _opened(url, part, verified, patience) as response:
                answered = True
                _receive(url, response, part, size, verified, patience)
            return
        except _Broken as broken:
            reason = f"{_host(url)} {broken}"
        except urllib.error.HTTPError as error:
            error.close()
            if error.code == 416 and part.count:
                part.restart()  # it has another file now, or the part was not of it
            reason = f"{_host(url)} answers {error.code} {error.reason}"
            if error.code != 416 and not (answered and (error.code in (408, 429) or error.code >= 500)):
                raise SourceFailed(reason) from None
        except (OSError, http.client.HTTPException, ValueError) as error:
            # The operating system's word for it, or that of a URLError's cause.
            cause = getattr(error, "reason", None) or error
            words = getattr(cause, "strerror", None) or str(cause) or type(cause).__name__
            reason = f"{_host(url)}: {words}"
            if not answered:
                raise SourceFailed(reason) from None
        in_vain = in_vain + 1 if part.count == before else 0
        if in_vain == _IN_VAIN:
            break
        report.says(f"{reason}; {mebibytes(part.count)} are there")
    raise SourceFailed(f"{reason}, again and again")


def _opened(url: str, part: Part, verified: bool, patience: Patience) -> http.client.HTTPResponse:
    request = urllib.request.Request(url, headers={"User-Agent": f"maskbus/{__version__}"})
    validator = part.validator(url)
    if part.count and not verified and not validator:
        part.restart()
    if part.count:
        request.add_header("Range", f"bytes={part.count}-")
        if validator:
            request.add_header("If-Range", validator)
    opener = urllib.request.build_opener(_Redirects)
    response: http.client.HTTPResponse = opener.open(request, timeout=patience.timeout_s)
    return response


def _receive(
    url: str,
    response: http.client.HTTPResponse,
    part: Part,
    size: int | None,
    verified: bool,
    patience: Patience,
) -> None:
    total = _total(url, response, part, size, verified)
    part.check_room(total)
    part.note(url, _version(response))
    since, before = time.monotonic(), part.count
    while chunk := _read(response):
        part.append(chunk, total)
        if total is not None and part.count > total:
            part.restart()
            raise SourceFailed(f"{_host(url)} sends more than the {total} bytes of the file")
        now = time.monotonic()
        if now - since > patience.timeout_s:
            if part.count - before < _SLOWEST * patience.timeout_s:
                raise _Broken("sends hardly anything")
            since, before = now, part.count
    if total is not None and part.count < total:
        raise _Broken("ended the connection early")


def _read(response: http.client.HTTPResponse) -> bytes:
    try:
        return response.read1(_CHUNK)
    except http.client.IncompleteRead:
        raise _Broken("ended the connection early") from None


def _total(url: str, response: http.client.HTTPResponse, part: Part, size: int | None, verified: bool) -> int | None:
    """Return how long the file is, and forget the part if the server begins again from the start."""
    if response.headers.get("Content-Encoding", "identity") != "identity":
        raise SourceFailed(f"{_host(url)} sends the file compressed")
    length = response.headers.get("Content-Length", "")
    total = int(length) if length.isdigit() else None
    if response.status == 206:
        found = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", response.headers.get("Content-Range", "").strip())
        if found is None or int(found[1]) != part.count:
            part.restart()
            raise _Broken("sends another part than it was asked for")
        total = int(found[2]) if found[2] != "*" else size
    elif part.count:
        part.restart()
    if size is not None and total not in (None, size):
        raise SourceFailed(f"{_host(url)} has a file of {total} bytes, not of {size}")
    total = size if total is None else total
    if total is None and not (verified or response.chunked):
        raise SourceFailed(f"{_host(url)} does not say how long the file is")
    if not verified and response.headers.get_content_type() == "text/html":
        raise SourceFailed(f"{_host(url)} sends a web page, not a file")
    return total


def _version(response: http.client.HTTPResponse) -> str:
    """Return what the server calls this version of the file, if it can be asked for by that: no weak ETag can."""
    tag = response.headers.get("ETag", "")
    return tag if tag.startswith('"') else response.headers.get("Last-Modified", "")


def _host(url: str) -> str:
    return urlsplit(url).netloc.rpartition("@")[2] or url
