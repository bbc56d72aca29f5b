"""Opening, changing, listing and closing streams. Methods of `Operations`; frames go their own way."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from maskbus_client import stream_prompt
from maskbus_client.arguments import check, check_type, encodings_of, milliseconds
from maskbus_client.core import converse, expect
from maskbus_client.errors import UnknownStream
from maskbus_client.link import new_id
from maskbus_client.option_input import post_of, side_of, text_options_of
from maskbus_client.steps import Flow
from maskbus_wire import prompts, replies, requests

if TYPE_CHECKING:
    from maskbus_client.image_input import Color
    from maskbus_client.operations import Operations
    from maskbus_client.option_input import PostLike, TextOptionsLike
    from maskbus_client.prompt_input import Labels, MaskLike, Numbers
    from maskbus_client.stream_prompt import Objects
    from maskbus_client.stream_sender import FrameSender


def open_stream(
    self: Operations,
    name: str,
    *,
    model: str = "",
    points: Numbers | None = None,
    labels: Labels | None = None,
    box: Numbers | None = None,
    boxes: Numbers | None = None,
    text: str | Sequence[str] | None = None,
    negative_text: str | Sequence[str] | None = None,
    text_options: TextOptionsLike | None = None,
    multimask: bool = False,
    track: bool = False,
    objects: Objects | None = None,
    encoding: str | Sequence[str] = "rle",
    policy: Literal["newest", "every", "sample"] = "newest",
    max_fps: float | None = None,
    max_waiting: int = 8,
    max_age: float | None = None,
    age_from: Literal["receipt", "stamp"] = "receipt",
    always: bool = False,
    idle: float | None = None,
    max_side: int = 0,
    post: PostLike | None = None,
    options: Mapping[str, Any] | None = None,
    deadline: float | None = None,
    color: Color = "rgb",
    shared_memory: bool = False,
) -> Flow[FrameSender]:
    """Begin a stream: frames of a camera go in, masks are published. One of this name that is there begins anew.

    The prompt holds for every frame, and is as in `segment`. With `objects` the model follows objects instead, each of
    which has a number that its masks bear.

    Args:
        name: Name of the stream: no "/", no ":", no white space.
        model: Name of the model, or of one of the node's routes, of which the stream takes the first model that is
            ready; empty: the node's default.
        points: One (x, y), or several.
        labels: 1 = object, 0 = background, one a point.
        box: x0, y0, x1, y1, or several such rows.
        boxes: The same.
        text: What to look for, one or several.
        negative_text: What not to take for it.
        text_options: How masks are chosen by `text`, as in `segment`.
        multimask: Whether several hypotheses for one prompt are wanted.
        track: Whether objects are followed from frame to frame. They may be given later, with `update`.
        objects: Those to follow from the first frame on: number → its prompt, such as `{1: {"points": (320, 240)},
            2: {"box": (10, 20, 200, 220)}, 3: {"mask": array}}`.
        encoding: How the masks are published, as in `segment`.
        policy: Which frames are looked at where more come than the model manages: "newest" keeps only the newest of
            those that wait, "sample" does so and takes `max_fps` a second, "every" takes all, and `send` waits.
        max_fps: With "sample": frames a second that are looked at, at most.
        max_waiting: With "every": frames that may be with the node at a time, 1 to 64.
        max_age: Seconds; a frame that is older when its turn comes is dropped.
        age_from: What its age counts from: the node's receipt of it, or its `stamp`, if the two machines' clocks agree.
        always: Whether frames are looked at even when nobody subscribes to the results.
        idle: Seconds without a frame after which the node closes the stream; left out: its own.
        max_side: As in `segment`. Not with `objects`.
        post: What is done to the masks, as in `segment`. With `objects` without `min_area`.
        options: The model's own options.
        deadline: Seconds that the model may take for one frame; left out: the node's own.
        color: What 3 and 4 channels of the frames mean, where they are numpy arrays, "rgb" or "bgr".
        shared_memory: Whether arrays go through shared memory where the node gives it. A few slots are leased for the
            stream; until they are there, and where there are none, arrays are sent as always.

    Raises:
        MaskbusError, TypeError, ValueError: as `segment`.
    """
    check_type("name", name, str)
    check_type("model", model, str)
    check_type("max_waiting", max_waiting, int)
    if policy not in ("newest", "every", "sample"):
        raise ValueError(f"policy is newest, every or sample, not {policy!r}.")
    if age_from not in ("receipt", "stamp"):
        raise ValueError(f"age_from is receipt or stamp, not {age_from!r}.")
    if color not in ("rgb", "bgr"):
        raise ValueError(f'color is "rgb" or "bgr", not {color!r}.')
    prompt = stream_prompt.standing(
        points=points, labels=labels, box=box, boxes=boxes, text=text, negative_text=negative_text
    )
    given = stream_prompt.prepare(objects)
    request = requests.StreamOpen(
        id=new_id(),
        stream=name,
        model=model,
        prompt=prompt or prompts.Prompt(),
        multimask=multimask,
        track=track or objects is not None,
        objects=given.objects,
        encodings=encodings_of(encoding),
        policy=policy,
        max_fps=None if max_fps is None else float(max_fps),
        max_waiting=max_waiting,
        max_age_ms=milliseconds("max_age", max_age),
        age_from=age_from,
        deadline_ms=milliseconds("deadline", deadline),
        always=always,
        idle_ms=milliseconds("idle", idle),
        max_side=side_of(max_side),
        post=post_of(post),
        text_options=text_options_of(text_options),
        options=dict(options or {}),
    )
    check(request, len(given.attachments))
    opened = expect((yield from converse(self.peer, request, given.attachments)), replies.StreamOpened)
    from maskbus_client.stream_sender import FrameSender

    sender = FrameSender(self.peer, request, opened, color=color, shared_memory=shared_memory)
    self.senders.add(sender)
    return sender


def update_stream(
    self: Operations,
    sender: FrameSender,
    *,
    points: Numbers | None = None,
    labels: Labels | None = None,
    box: Numbers | None = None,
    boxes: Numbers | None = None,
    text: str | Sequence[str] | None = None,
    negative_text: str | Sequence[str] | None = None,
    objects: Objects | None = None,
    remove: Iterable[int] = (),
    encoding: str | Sequence[str] | None = None,
    max_fps: float | None = None,
    max_age: float | None = None,
    always: bool | None = None,
    options: Mapping[str, Any] | None = None,
    deadline: float | None = None,
) -> Flow[replies.StreamUpdated]:
    """Change the stream while it runs. What is left out stays as it is; a prompt takes the place of the last.

    Objects are prompted as they are in the frame that was looked at last: one that is followed already is corrected,
    others are added. The call ends when the model has done so.

    Args:
        points: This and the next five: the prompt for every frame from now on, as in `Client.stream`.
        labels: See `points`.
        box: See `points`.
        boxes: See `points`.
        text: See `points`.
        negative_text: See `points`.
        objects: Objects to follow as well, or to correct, as in `Client.stream`.
        remove: Numbers of objects to follow no longer.
        encoding: How the masks are published.
        max_fps: With "sample".
        max_age: Seconds; 0: no frame is too old.
        always: Whether frames are looked at even when nobody subscribes.
        options: The model's own options.
        deadline: Seconds for the call; left out: the client's.

    Returns:
        The answer; its `seq` is that of the frame that the objects were prompted in.

    Raises:
        UnknownStream: if the node does not know the stream (any more). The next `send` opens it again, without objects.
        MaskbusError, TypeError, ValueError: as `segment`. Nothing has been changed then.
    """
    given = stream_prompt.prepare(objects)
    request = requests.StreamUpdate(
        id=new_id(),
        stream=sender.name,
        prompt=stream_prompt.standing(
            points=points, labels=labels, box=box, boxes=boxes, text=text, negative_text=negative_text
        ),
        objects=given.objects,
        remove=[stream_prompt.number_of(number) for number in remove],
        encodings=None if encoding is None else encodings_of(encoding),
        max_fps=None if max_fps is None else float(max_fps),
        max_age_ms=milliseconds("max_age", max_age),
        always=always,
        options=None if options is None else dict(options),
    )
    check(request, len(given.attachments))
    incoming = yield from self.ask(request, deadline, given.attachments)
    sender.changed(request)
    return expect(incoming, replies.StreamUpdated)


def add_to_stream(
    self: Operations,
    sender: FrameSender,
    object_id: int,
    *,
    points: Numbers | None = None,
    labels: Labels | None = None,
    box: Numbers | None = None,
    mask: MaskLike | None = None,
    deadline: float | None = None,
) -> Flow[replies.StreamUpdated]:
    """Follow one more object, or correct one; short for `update` with `objects`."""
    given = {"points": points, "labels": labels, "box": box, "mask": mask}
    prompt = {kind: value for kind, value in given.items() if value is not None}
    return (yield from update_stream(self, sender, objects={object_id: prompt}, deadline=deadline))


def remove_from_stream(
    self: Operations, sender: FrameSender, object_id: int, *, deadline: float | None = None
) -> Flow[replies.StreamUpdated]:
    """Follow an object no longer; short for `update` with `remove`."""
    return (yield from update_stream(self, sender, remove=[object_id], deadline=deadline))


def list_streams(self: Operations, *, deadline: float | None = None) -> Flow[list[replies.StreamInfo]]:
    """Ask which streams there are, and how they are doing, in the order of their names. Errors as `segment`."""
    return expect((yield from self.ask(requests.StreamList(id=new_id()), deadline)), replies.Streams).streams


def describe_stream(
    self: Operations, sender: FrameSender, *, deadline: float | None = None
) -> Flow[replies.StreamInfo]:
    """Ask how the stream is doing. UnknownStream if the node does not know it (any more); else as `segment`."""
    for info in (yield from list_streams(self, deadline=deadline)):
        if info.stream == sender.name:
            return info
    raise UnknownStream(f"The node knows no stream {sender.name!r} (any more).", path="stream")


def close_stream(self: Operations, name: str, *, deadline: float | None = None) -> Flow[replies.StreamCounts]:
    """End a stream, whoever opened it; return what became of its frames. Frames that wait are dropped.

    Raises:
        UnknownStream: if there is none of this name.
        MaskbusError: as `segment`.
    """
    check_type("name", name, str)
    request = requests.StreamClose(id=new_id(), stream=name)
    check(request, 0)
    return expect((yield from self.ask(request, deadline)), replies.StreamClosed).counts
