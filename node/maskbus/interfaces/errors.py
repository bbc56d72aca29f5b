"""What a handler may raise so that the requester gets a sentence and a code, not a traceback."""

from __future__ import annotations


class HandlerError(Exception):
    """Base of all; carries the wire's error code. Anything else a handler raises is answered as `internal`."""

    code = "internal"


class UnsupportedPrompt(HandlerError):
    """Say that this model cannot use the prompt as it is (a mask where it takes only points, say)."""

    code = "unsupported_prompt"


class BadPrompt(HandlerError):
    """Say that the prompt makes no sense (every point is background, say)."""

    code = "invalid_value"


class ModelUnavailable(HandlerError):
    """Say why the model cannot be loaded and what the user can do: a missing package, weights, device."""

    code = "model_unavailable"


class JobAborted(HandlerError):
    """Raised by `Job.check` when the requester has cancelled or the deadline has passed. Let it through."""

    code = "cancelled"


class DeadlinePassed(JobAborted):
    """Raised by `Job.check` when the deadline has passed. Let it through."""

    code = "deadline_exceeded"
