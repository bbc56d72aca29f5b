"""Everything the client raises on purpose.

::

    MaskbusError
    ├── NodeError                      the node answered with an error: code, message, path, queue_length, tried
    │   ├── Malformed                  malformed
    │   ├── UnsupportedVersion         unsupported_version: `versions` lists those the node speaks
    │   ├── UnknownOperation           unknown_operation
    │   ├── InvalidField               invalid_field; also a ValueError
    │   ├── InvalidValue               invalid_value; also a ValueError
    │   ├── TooLarge                   too_large; also a ValueError
    │   ├── InvalidImage               invalid_image; also a ValueError
    │   ├── UnknownImage               unknown_image
    │   │   └── ImageExpired           image_expired
    │   ├── UnknownLease               unknown_lease
    │   ├── UnknownStream              unknown_stream
    │   ├── NoSharedMemory             no_shared_memory; also: the node's file cannot be opened here
    │   ├── UnknownModel               unknown_model
    │   ├── UnknownEncoding            unknown_encoding; also a ValueError
    │   ├── UnsupportedPrompt          unsupported_prompt
    │   ├── ModelUnavailable           model_unavailable
    │   ├── Busy                       busy: `queue_length` says how many wait
    │   ├── DeadlineExceeded           deadline_exceeded: found out by the node or by the client; also a TimeoutError
    │   ├── Cancelled                  cancelled
    │   ├── WorkerDied                 worker_died
    │   ├── OutOfMemory                out_of_memory
    │   ├── ShuttingDown               shutting_down
    │   └── Internal                   internal
    ├── TransportError                 no answer that could be read
    │   ├── NodeUnreachable            nobody answers at the endpoint; also a TimeoutError
    │   ├── ProtocolError              what came is not what the wire allows
    │   ├── ClientClosed               the client was closed, before the call or during it
    │   └── ChildDied                  the node that was started as a child ended: `exit_code` says how
    ├── NoFreeSlot                     all slots of the shared memory are in use
    └── NoMask                         the result holds no mask, or none that pixels can be made of; also a LookupError

What the client itself can recognise is raised before anything is sent: as the error the node would answer, or, where an
argument is not even of a type that could be sent, as a plain TypeError or ValueError.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from maskbus_wire import replies


class MaskbusError(Exception):
    """What every error of this client is."""


class NodeError(MaskbusError):
    """An error of the wire's closed list; a code this version does not know comes as a plain NodeError."""

    code: str = ""
    """The wire's code."""

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        path: str = "",
        queue_length: int | None = None,
        versions: Sequence[str] = (),
        request_id: str = "",
        tried: Sequence[replies.Attempt] = (),
    ) -> None:
        super().__init__(f"{message} ({path})" if path else message)
        if code is not None:
            self.code = code
        self.message = message
        """One sentence."""
        self.path = path
        """The request's field that is wrong, such as `prompt.points[3]`; empty where it is none."""
        self.queue_length = queue_length
        """With `busy`: how many requests wait for the model."""
        self.versions = tuple(versions)
        """With `unsupported_version`: the versions the node speaks."""
        self.request_id = request_id
        """`id` of the request that failed."""
        self.tried = list(tried)
        """Where a route was asked: each of its models, and why it has not answered."""


class Malformed(NodeError):
    """The node could not read the message."""

    code = "malformed"


class UnsupportedVersion(NodeError):
    """The node speaks other versions of the wire."""

    code = "unsupported_version"


class UnknownOperation(NodeError):
    """The node does not know the operation; it may be older than the client."""

    code = "unknown_operation"


class InvalidField(NodeError, ValueError):
    """A field is missing or of the wrong type."""

    code = "invalid_field"


class InvalidValue(NodeError, ValueError):
    """A field has an impossible value."""

    code = "invalid_value"


class TooLarge(NodeError, ValueError):
    """Something is over one of the node's limits."""

    code = "too_large"


class InvalidImage(NodeError, ValueError):
    """The image cannot be decoded, or is not what its fields announce."""

    code = "invalid_image"


class UnknownImage(NodeError):
    """The node does not hold this image any more. An ImageHandle sends it again by itself."""

    code = "unknown_image"


class ImageExpired(UnknownImage):
    """The node has let go of this image, for want of room or for its age. An ImageHandle sends it again by itself."""

    code = "image_expired"


class UnknownLease(NodeError):
    """The node does not lease this shared memory any more. Images in it are sent as bytes, by themselves."""

    code = "unknown_lease"


class UnknownStream(NodeError):
    """The node knows no stream of this name: it was never opened, was idle for too long, or the node was restarted."""

    code = "unknown_stream"


class NoSharedMemory(NodeError):
    """There is no shared memory with this node: it is on another machine, or gives none."""

    code = "no_shared_memory"


class UnknownModel(NodeError):
    """The node offers no model of this name; `describe()` lists those it does."""

    code = "unknown_model"


class UnknownEncoding(NodeError, ValueError):
    """The node knows no encoding of this name."""

    code = "unknown_encoding"


class UnsupportedPrompt(NodeError):
    """The model cannot use a prompt of this kind."""

    code = "unsupported_prompt"


class ModelUnavailable(NodeError):
    """The model cannot run now: something it needs is missing, or its worker keeps failing."""

    code = "model_unavailable"


class Busy(NodeError):
    """The model's queue is full, and stayed so through all tries."""

    code = "busy"


class DeadlineExceeded(NodeError, TimeoutError):
    """The deadline passed before the answer was there."""

    code = "deadline_exceeded"


class Cancelled(NodeError):
    """The request was taken back with `cancel`."""

    code = "cancelled"


class WorkerDied(NodeError):
    """The worker process ended while it had the request, in all tries."""

    code = "worker_died"


class OutOfMemory(NodeError):
    """The worker ran out of memory on the request."""

    code = "out_of_memory"


class ShuttingDown(NodeError):
    """The node is stopping and takes no new work."""

    code = "shutting_down"


class Internal(NodeError):
    """Something failed in the node that should not have; its log has more."""

    code = "internal"


class TransportError(MaskbusError):
    """No answer came that could be read."""


class NodeUnreachable(TransportError, TimeoutError):
    """Nobody answers at the endpoint."""


class ProtocolError(TransportError):
    """What came is not what the wire allows: garbage, another version's reply, sizes that disagree."""


class ClientClosed(TransportError):
    """The client was closed, before the call or during it."""


class ChildDied(TransportError):
    """The node that was started as a child has ended, or did not come up."""

    def __init__(self, message: str, *, exit_code: int | None = None) -> None:
        super().__init__(message)
        self.exit_code = exit_code
        """What the process ended with, less than 0 for a signal; None where it never was one."""


class NoFreeSlot(MaskbusError):
    """All slots of the shared memory are in use, or the one that should be written to is being read."""


class NoMask(MaskbusError, LookupError):
    """The result holds no mask, or none in an encoding that pixels can be made of."""


BY_CODE: Final[dict[str, type[NodeError]]] = {
    kind.code: kind for parent in (NodeError, UnknownImage) for kind in parent.__subclasses__()
}
"""Wire code → the exception that stands for it."""


def error_of(reply: replies.Error) -> NodeError:
    """Return (not raise) the exception that an error reply stands for."""
    return BY_CODE.get(reply.code, NodeError)(
        reply.message,
        code=reply.code,
        path=reply.path,
        queue_length=reply.queue_length,
        versions=reply.versions or (),
        request_id=reply.id,
        tried=reply.tried,
    )
