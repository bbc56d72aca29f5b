"""What a worker writes of an answer: one part for the requester, and one for each topic that somebody wants."""

from __future__ import annotations

from typing import Any

from maskbus.node.publisher import Publisher
from maskbus.scheduler import Job


def outputs(job: Job, publisher: Publisher, *, has_logits: bool) -> list[dict[str, Any]]:
    """Return the parts of a job's answer as its worker is told of them.

    Args:
        job: A job that answers masks.
        publisher: Knows who subscribes.
        has_logits: Whether its model has logits.
    """
    inline = job.message["inline"]

    def part(topic: str, asked: str, encodings: tuple[str, ...]) -> dict[str, Any]:
        return {"topic": topic, "asked": asked, "encodings": encodings, "inline": inline}

    if job.stream is not None:
        topic: str = job.stream.topic
        wanted = list(publisher.wanted(topic, job.encodings)) or [(topic, job.encodings)]
        return [part(name, topic, encodings) for name, encodings in wanted if has_logits or "logits" not in encodings]
    parts: list[dict[str, Any]] = [{"topic": "", "encodings": job.encodings, "inline": inline}]
    if job.publish:
        has_logits = has_logits and job.message["op"] == "segment"
        parts += [
            part(name, job.publish, encodings)
            for name, encodings in publisher.wanted(job.publish, job.encodings)
            if has_logits or "logits" not in encodings
        ]
        if job.result is not None and all(one["topic"] != job.publish for one in parts):
            # The reply's own bytes are in the requester's slot: a last value must have them with it.
            parts.append(part(job.publish, job.publish, job.encodings))
    return parts
