"""What the types cannot say: limits, ranges, and fields that must agree with one another."""

from __future__ import annotations

from maskbus_wire import everything_checks, stream_checks
from maskbus_wire.errors import WireError
from maskbus_wire.image_checks import check_encodings, check_image, check_int64, check_name, check_slot
from maskbus_wire.limits import Limits
from maskbus_wire.option_checks import check_max_side, check_post, check_route, check_text_options
from maskbus_wire.prompt_checks import check_prompt
from maskbus_wire.requests import (
    AnyRequest,
    Cancel,
    Everything,
    Lease,
    MaskWork,
    Release,
    Return,
    Segment,
    StreamRequest,
    Work,
)
from maskbus_wire.shared_layout import MOST_SLOTS


def check_request(request: AnyRequest, attachments: int, limits: Limits) -> None:
    """Check all that can be known of a request without looking at its image.

    Args:
        request: The typed request.
        attachments: How many attachments came with it.
        limits: The receiver's caps.

    Raises:
        WireError: with the path of the first field that is wrong.
    """
    check_name(request.id, "id", limits)
    if isinstance(request, Release):
        check_name(request.image_id, "image_id", limits)
    elif isinstance(request, Lease):
        _lease(request, limits)
    elif isinstance(request, Return):
        check_name(request.lease, "lease", limits)
    elif isinstance(request, Cancel):
        check_name(request.target, "target", limits)
        if not request.target:
            raise WireError("invalid_value", "Name the request to cancel by its id.", "target")
    elif isinstance(request, Work):
        _work(request, attachments, limits)
    elif isinstance(request, StreamRequest):
        stream_checks.check(request, attachments, limits)


def _work(request: Work, attachments: int, limits: Limits) -> None:
    check_name(request.model, "model", limits)
    check_route(request.route, limits)
    check_name(request.frame_id, "frame_id", limits)
    check_name(request.stream, "stream", limits)
    check_int64(request.stamp, "stamp")
    check_int64(request.seq, "seq")
    if request.deadline_ms is not None and not 0 < request.deadline_ms <= limits.deadline_ms:
        raise WireError("invalid_value", f"A deadline lies between 1 and {limits.deadline_ms} ms.", "deadline_ms")
    check_image(request.image, attachments, limits)
    if isinstance(request, MaskWork):
        _mask_work(request, limits)
    if isinstance(request, Segment):
        _segment(request, attachments, limits)
    elif isinstance(request, Everything):
        everything_checks.check(request, limits)


def _mask_work(request: MaskWork, limits: Limits) -> None:
    if request.publish is not None:
        check_name(request.publish, "publish", limits)
        if not request.publish or ":" in request.publish:
            raise WireError("invalid_value", 'A topic has at least one character and no ":".', "publish")
    check_encodings(request.encodings)
    check_max_side(request.max_side)
    check_post(request.post)


def _segment(request: Segment, attachments: int, limits: Limits) -> None:
    if request.result is not None:
        check_slot(request.result, "result", limits)
        if request.inline:
            raise WireError("invalid_value", "Bytes stand in the header or in a slot, not in both.", "result")
    check_prompt(request.prompt, attachments, limits)
    check_text_options(request.text_options, request.prompt)


def _lease(request: Lease, limits: Limits) -> None:
    if not 1 <= request.slots <= MOST_SLOTS:
        raise WireError("invalid_value", f"A lease has 1 to {MOST_SLOTS} slots.", "slots")
    if request.slot_bytes < 1:
        raise WireError("invalid_value", "A slot has at least one byte.", "slot_bytes")
    if request.slot_bytes > limits.frame_bytes:
        raise WireError("too_large", f"A slot has at most {limits.frame_bytes} bytes, as a frame.", "slot_bytes")
