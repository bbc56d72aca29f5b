"""What goes wrong, as an HTTP status and a sentence."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

import msgspec

from maskbus.adapters.http import choices
from maskbus.adapters.http.results import Problem, rounded
from maskbus_client.errors import ClientClosed, NodeError, NodeUnreachable, TransportError
from maskbus_wire.errors import WireError

STATUSES: Final[Mapping[str, int]] = {
    "malformed": 400,
    "invalid_field": 400,
    "unknown_operation": 400,
    "unknown_model": 404,
    "unknown_image": 404,
    "cancelled": 409,
    "image_expired": 410,
    "too_large": 413,
    "invalid_value": 422,
    "invalid_image": 422,
    "unknown_encoding": 422,
    "unsupported_prompt": 422,
    "internal": 500,
    "out_of_memory": 500,
    "unsupported_version": 502,
    "worker_died": 502,
    "busy": 503,
    "model_unavailable": 503,
    "shutting_down": 503,
    "deadline_exceeded": 504,
}
"""Error code of the wire → status; those that are missing answer nothing that is asked here."""
OWN: Final[Mapping[str, tuple[int, str]]] = {
    "forbidden": (403, "The request is for another machine's name, or from a page of another site."),
    "not_found": (404, "There is nothing at this path."),
    "method_not_allowed": (405, "The path is there for other methods; `Allow` lists them."),
    "not_acceptable": (406, "The answer does not come in what `Accept` names."),
    "body_too_slow": (408, "The body was not there in time."),
    "unsupported_media_type": (415, "The body is of no type that is read here, or compressed."),
    "protocol": (502, "What the node answered cannot be read."),
    "not_ready": (503, "No model can answer now."),
    "node_unreachable": (503, "The node does not answer: it is not there, or is being started again."),
}
"""The gateway's own codes → status, and what they mean."""
_RETRY_AFTER: Final = {"busy": 1, "shutting_down": 2, "node_unreachable": 2, "not_ready": 2}
"""Code → seconds after which it may be worth another try."""
_WHERE = re.compile(r" - at `\$\.?(?P<path>[^`]*)`$")
_SENTENCE = 300


class Refused(Exception):
    """A request that gets no answer, with the status and the JSON that say so."""

    def __init__(
        self, code: str, message: str, path: str = "", *, status: int = 0, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.status = status or STATUSES.get(code) or OWN.get(code, (500, ""))[0]
        self.problem = Problem(success=False, error=message, code=code, path=path)
        self.headers = {**(headers or {})}
        if code in _RETRY_AFTER:
            self.headers["Retry-After"] = str(_RETRY_AFTER[code])


def refusal(error: Exception) -> Refused:
    """Return what a client is told of an error of the node, of the way to it, or of a body."""
    if isinstance(error, Refused):
        return error
    if isinstance(error, NodeError):
        refused = Refused(error.code or "internal", error.message, plain_path(error.path))
        tried = [rounded(attempt) for attempt in getattr(error, "tried", ())]
        refused.problem = msgspec.structs.replace(refused.problem, queue_length=error.queue_length, tried=tried)
        return refused
    if isinstance(error, WireError):
        return Refused(error.code, error.message, plain_path(error.path))
    if isinstance(error, NodeUnreachable):
        return Refused("node_unreachable", "The node does not answer.")
    if isinstance(error, ClientClosed):
        return Refused("shutting_down", "The gateway is stopping.")
    if isinstance(error, TransportError):
        return Refused("protocol", "What the node answered cannot be read.")
    return Refused("internal", "Something failed that should not have; the gateway's log has more.")


def complaint(error: msgspec.ValidationError, kind: type) -> Refused:
    """Return what is said of a body of this kind whose fields are of the wrong types or names."""
    text = str(error)
    where = _WHERE.search(text)
    path = where["path"] if where else ""
    sentence = text[: where.start()] if where else text
    sentence = sentence[:_SENTENCE] + ("…" if len(sentence) > _SENTENCE else ".")
    if sentence.startswith("Invalid enum value"):
        code = "unknown_encoding" if path.partition("[")[0].startswith("encoding") else "invalid_value"
        words = choices.of(kind, path)
        return Refused(
            code, f"{sentence[:-1].replace('enum value', 'value')}; one of {', '.join(words)} is wanted.", path
        )
    return Refused("invalid_field", sentence, path)


def plain_path(path: str) -> str:
    """Return a path of the wire as the field of a body: there, a prompt's fields stand apart."""
    path = path.removeprefix("prompt.")
    if path == "image.image_id":
        return "image_id"
    return "image" if path.startswith("image.") else path
