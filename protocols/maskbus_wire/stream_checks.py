"""What the types cannot say of streams."""

from __future__ import annotations

import re
from collections.abc import Sequence
from math import isfinite

from maskbus_wire.errors import WireError
from maskbus_wire.image_checks import check_encodings, check_image, check_int64, check_name
from maskbus_wire.limits import Limits
from maskbus_wire.option_checks import check_max_side, check_post, check_text_options
from maskbus_wire.prompt_checks import check_prompt
from maskbus_wire.prompts import Prompt
from maskbus_wire.requests import StreamFrame, StreamOpen, StreamRequest, StreamUpdate, TrackedObject

MOST_OBJECTS = 256
"""Objects in one message."""
MOST_WAITING = 64
"""The largest `max_waiting`."""
_NO_NAME = re.compile(r"[\s/:\x00-\x1f\x7f]")
_MOST_ID = 2**31 - 1


def check(request: StreamRequest, attachments: int, limits: Limits) -> None:
    """Check all that can be known of a request about a stream without looking at its image.

    Args:
        request: The typed request.
        attachments: How many attachments came with it.
        limits: The receiver's caps.

    Raises:
        WireError: with the path of the first field that is wrong.
    """
    check_name(request.stream, "stream", limits)
    if not request.stream or _NO_NAME.search(request.stream):
        raise WireError("invalid_value", 'A stream\'s name has no "/", no ":" and no white space.', "stream")
    if isinstance(request, StreamFrame):
        check_name(request.frame_id, "frame_id", limits)
        check_int64(request.stamp, "stamp")
        check_int64(request.seq, "seq")
        check_image(request.image, attachments, limits)
        if request.image.image_id is not None:
            raise WireError("invalid_value", "The frame of a stream is new; it has no image_id.", "image.image_id")
    elif isinstance(request, StreamOpen):
        _open(request, attachments, limits)
    elif isinstance(request, StreamUpdate):
        _update(request, attachments, limits)


def _open(request: StreamOpen, attachments: int, limits: Limits) -> None:
    check_name(request.model, "model", limits)
    check_encodings(request.encodings)
    _standing(request.prompt, attachments, limits)
    _objects(request.objects, attachments, limits)
    if request.track and request.prompt != Prompt():
        raise WireError("invalid_value", "A stream that tracks is given objects, not one prompt.", "prompt")
    if request.objects and not request.track:
        raise WireError("invalid_value", "Only a stream that tracks has objects.", "objects")
    if request.policy == "sample" and request.max_fps is None:
        raise WireError("invalid_field", "The policy sample needs it.", "max_fps")
    if request.policy != "sample" and request.max_fps is not None:
        raise WireError("invalid_value", "Only the policy sample has it.", "max_fps")
    _rate(request.max_fps)
    if not 1 <= request.max_waiting <= MOST_WAITING:
        raise WireError("invalid_value", f"It lies between 1 and {MOST_WAITING}.", "max_waiting")
    _milliseconds(request.max_age_ms, "max_age_ms", limits)
    _milliseconds(request.deadline_ms, "deadline_ms", limits)
    _milliseconds(request.idle_ms, "idle_ms", limits)
    check_max_side(request.max_side)
    check_post(request.post)
    check_text_options(request.text_options, None)  # its prompt may come later
    if request.track and request.max_side:
        raise WireError("invalid_value", "A stream that tracks shows the model its frames as they are.", "max_side")
    if request.track and request.post is not None and request.post.min_area:
        raise WireError("invalid_value", "A stream that tracks leaves out no object.", "post.min_area")
    if request.track and request.text_options is not None:
        raise WireError("invalid_value", "A stream that tracks chooses nothing by text.", "text_options")


def _update(request: StreamUpdate, attachments: int, limits: Limits) -> None:
    if request.prompt is not None:
        _standing(request.prompt, attachments, limits)
    _objects(request.objects, attachments, limits)
    if len(request.remove) > MOST_OBJECTS:
        raise WireError("too_large", f"{len(request.remove)} entries; the limit is {MOST_OBJECTS}.", "remove")
    if request.encodings is not None:
        check_encodings(request.encodings)
    _rate(request.max_fps)
    if request.max_age_ms != 0:
        _milliseconds(request.max_age_ms, "max_age_ms", limits)


def _standing(prompt: Prompt, attachments: int, limits: Limits) -> None:
    check_prompt(prompt, attachments, limits)
    for name in ("mask", "logits"):
        if getattr(prompt, name) is not None:
            raise WireError("unsupported_prompt", f"A prompt for every frame has no {name}.", f"prompt.{name}")


def _objects(objects: Sequence[TrackedObject], attachments: int, limits: Limits) -> None:
    if len(objects) > MOST_OBJECTS:
        raise WireError("too_large", f"{len(objects)} entries; the limit is {MOST_OBJECTS}.", "objects")
    seen: set[int] = set()
    for i, one in enumerate(objects):
        path = f"objects[{i}]"
        if not 0 <= one.object_id <= _MOST_ID:
            raise WireError("invalid_value", f"An object_id lies between 0 and {_MOST_ID}.", f"{path}.object_id")
        if one.object_id in seen:
            raise WireError("invalid_value", f"The object {one.object_id} stands twice.", f"{path}.object_id")
        seen.add(one.object_id)
        check_prompt(one.prompt, attachments, limits, f"{path}.prompt")
        _one_object(one.prompt, f"{path}.prompt")


def _one_object(prompt: Prompt, path: str) -> None:
    for name in ("logits", "text"):
        if getattr(prompt, name):
            raise WireError("unsupported_prompt", f"An object to follow is not given by {name}.", f"{path}.{name}")
    if len(prompt.boxes) > 1:
        raise WireError("invalid_value", "An object has one box at most.", f"{path}.boxes")
    if not prompt.points and not prompt.boxes and prompt.mask is None:
        raise WireError("invalid_value", "An object to follow needs points, a box or a mask.", path)
    if prompt.mask is not None and (prompt.points or prompt.boxes):
        raise WireError("invalid_value", "A mask stands alone.", f"{path}.mask")


def _rate(value: float | None) -> None:
    if value is not None and not (isfinite(value) and 0 < value <= 1000):
        raise WireError("invalid_value", "It is more than 0 and at most 1000.", "max_fps")


def _milliseconds(value: int | None, path: str, limits: Limits) -> None:
    if value is not None and not 0 < value <= limits.deadline_ms:
        raise WireError("invalid_value", f"It lies between 1 and {limits.deadline_ms} ms.", path)
