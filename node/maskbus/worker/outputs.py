"""The messages that one answer becomes: the reply, and what is published of it."""

from __future__ import annotations

from typing import Any

from maskbus.worker.answer import MasksEncoder
from maskbus.worker.channel import Frame
from maskbus.worker.clock import Clock
from maskbus.worker.result_slot import ResultSlot
from maskbus_wire import frames, replies

Message = dict[str, Any]


def encode(
    kind: type[replies.Masks],
    reply: Message,
    encoder: MasksEncoder,
    outputs: list[Message],
    number: int,
    clock: Clock,
    slot: ResultSlot | None,
) -> tuple[list[list[Any]], list[Frame]]:
    """Return topic and number of frames of each output, and the frames of all of them."""
    layout: list[list[Any]] = []
    payload: list[Frame] = []
    for output in outputs:
        with clock.stage("encode_ms"):
            fields, attachments = encoder.fields(
                output["encodings"], inline=output["inline"], slot=None if output["topic"] else slot
            )
        topic = output["topic"]
        if topic:
            # Subscribers are not the requester: what only it may use stays out.
            fields |= {"topic": output["asked"], "published": number, "id": "", "image_id": None}
        made = replies.Masks if topic else kind  # all that is published is of one kind
        payload += frames.encode(made(**{**reply, **fields}, timings=clock.timings()), attachments)
        layout.append([topic, 1 + len(attachments)])
    return layout, payload
