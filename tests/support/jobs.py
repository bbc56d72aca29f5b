"""Jobs without a node around them."""

from __future__ import annotations

from itertools import count
from typing import Any

from maskbus.scheduler import Job
from maskbus_wire.frames import Envelope

_numbers = count(1)


def make_job(**fields: Any) -> Job:
    number = next(_numbers)
    defaults = {
        "number": number,
        "route": (b"peer",),
        "envelope": Envelope(id=f"job {number}"),
        "model": "echo",
        "lane": "interactive",
        "received": 0.0,
        "deadline": 30.0,
        "message": {"type": "job", "job": number, "op": "embed"},
    }
    return Job(**{**defaults, **fields})
