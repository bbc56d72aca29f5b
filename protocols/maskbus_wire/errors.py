"""The closed list of error codes, and the exception that carries one."""

from __future__ import annotations

from typing import Final

CODES: Final[dict[str, str]] = {
    "malformed": "The message is not a maskbus message: wrong frames, not msgpack, not a map.",
    "unsupported_version": "The message's major version is not spoken here; `versions` lists those that are.",
    "unknown_operation": "`op` names no operation of this version.",
    "invalid_field": "A field is missing or of the wrong type.",
    "invalid_value": "A field has the right type and an impossible value: out of range, not finite, contradictory.",
    "too_large": "Something is over a limit: bytes, pixels, points, boxes, texts.",
    "invalid_image": "The image's bytes are not what its fields announce, or cannot be decoded.",
    "unknown_image": "This run of the node holds no image of this `image_id`: send the pixels again.",
    "image_expired": "The node has let go of this image, for want of room or for its age: send the pixels again.",
    "unknown_lease": "No shared memory of this name is leased here (any more): ask for it again.",
    "no_shared_memory": "This peer cannot have shared memory: it is on another machine, or the node gives none.",
    "unknown_stream": "No stream of this name is open here (any more): open it again.",
    "unknown_model": "No model of this name is offered; `describe` lists those that are.",
    "unknown_encoding": "No encoding of this name exists, or the model cannot answer in it.",
    "unsupported_prompt": "This model cannot use a prompt of this kind.",
    "model_unavailable": "The model cannot run now: something it needs is missing, or its worker keeps failing.",
    "busy": "The model's queue, or the node's memory for images, is full; `queue_length` says how full. Try later.",
    "deadline_exceeded": "The deadline passed before the answer was there.",
    "cancelled": "The request was cancelled.",
    "worker_died": "The worker process ended while it had this request. It is being restarted.",
    "out_of_memory": "The worker ran out of memory on this request.",
    "shutting_down": "The node is stopping and takes no new work.",
    "internal": "Something failed that should not have; the node's log has more.",
}
"""Code → what it means. A code is never taken away within a major version."""

RETRYABLE: Final[frozenset[str]] = frozenset({"busy", "shutting_down"})
"""Codes after which the same request may succeed a moment later.

Not `worker_died`: the request may be what killed it.
"""


class WireError(Exception):
    """One thing that is wrong with a message: a code of `CODES`, a sentence, and the path of the field."""

    def __init__(self, code: str, message: str, path: str = "", **detail: object) -> None:
        if code not in CODES:
            raise ValueError(f"{code!r} is not an error code of the wire")
        self.code = code
        self.message = _sentence(message)
        super().__init__(self.message)
        self.path = path
        """Path of the field, such as `prompt.points[3]` or `image.attachment`; empty for the message as a whole."""
        self.detail = detail
        """Further fields of the error reply: `versions` or `queue_length`."""


def _sentence(text: str) -> str:
    """Return `text` as one sentence for the wire: one line, a capital, a full stop, at most 500 characters."""
    words = " ".join(text.split())
    words = words if len(words) <= 500 else words[:499] + "…"
    words = words[:1].upper() + words[1:]
    return words if words.endswith((".", "!", "?", "…")) else words + "."
