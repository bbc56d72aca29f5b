"""From what went wrong in a job to the error that is answered."""

from __future__ import annotations

import logging

from maskbus.everything.shortage import is_shortage
from maskbus.interfaces import HandlerError
from maskbus_wire.errors import WireError

log = logging.getLogger(__name__)


def explain(error: Exception) -> tuple[str, str, str]:
    """Return code, sentence and path of what went wrong; log what is our fault or the handler's."""
    if isinstance(error, WireError):
        return error.code, error.message, error.path
    if isinstance(error, HandlerError):
        return error.code, str(error), "prompt" if error.code in {"unsupported_prompt", "invalid_value"} else ""
    if is_shortage(error):
        return "out_of_memory", "The worker ran out of memory on this request.", ""
    log.error("The handler failed.", exc_info=error)
    return "internal", "The model failed on this request; the node's log has more.", ""
