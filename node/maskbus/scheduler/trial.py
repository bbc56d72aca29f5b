"""One request on its way from model to model, until one answers well enough. No clock and no socket."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from maskbus_wire.replies import Attempt

GOES_ON: Final = frozenset(
    {
        "unknown_model",
        "model_unavailable",
        "unsupported_prompt",
        "unknown_encoding",
        "busy",
        "deadline_exceeded",
        "worker_died",
        "out_of_memory",
        "internal",
    }
)
"""Errors after which another model may do better. Others are the request's own."""
_ABSENT = frozenset({"unknown_model", "model_unavailable", "unsupported_prompt", "unknown_encoding", "left_out"})
"""Why a model has not even been asked."""


@dataclass(eq=False)
class Trial:
    """What must be remembered of a request that asks for a route."""

    models: deque[str]
    """Still to be tried."""
    deadline: float
    """Of the request, monotonic seconds."""
    min_predicted_iou: float
    share: float | None
    content: Any
    """What is needed to ask the next model; nobody here looks into it."""
    tried: list[Attempt] = field(default_factory=list)
    best: tuple[float, str, Any] | None = None
    """Of the answers that were not good enough the best: its `predicted_iou`, its model, and the answer itself."""
    model: str = ""
    """That is being tried."""
    let_go: Callable[[], None] | None = None
    """Gives back what is held from one model to the next."""
    _since: float = 0.0

    def next(self, now: float) -> str | None:
        """Return the model to try next; None where there is no other, or no time. `now` is in monotonic seconds."""
        if not self.models or now >= self.deadline:
            return None
        self.model, self._since = self.models.popleft(), now
        return self.model

    def due(self, now: float) -> float:
        """Return until when the model that is being tried may take, monotonic seconds."""
        if not self.models:
            return self.deadline
        share = 1 / (len(self.models) + 1) if self.share is None else self.share
        return now + share * max(0.0, self.deadline - now)

    def accepts(self, predicted_iou: float | None) -> bool:
        """Tell whether an answer is good enough whose best mask has this `predicted_iou`; None: it has no mask."""
        return predicted_iou is not None and predicted_iou >= self.min_predicted_iou

    def failed(self, code: str, message: str, now: float) -> None:
        """Note that the model that was tried has not answered, and why."""
        self.tried.append(Attempt(model=self.model, code=code, message=message, ms=(now - self._since) * 1e3))

    def fell_short(self, predicted_iou: float | None, answer: Any, now: float) -> Any:
        """Note an answer that is not good enough. The best one is kept; return the one that is of no use any more."""
        if predicted_iou is None:
            sentence = "It found nothing."
        else:
            sentence = f"Its best mask has a predicted IoU of {predicted_iou:.3f}, not {self.min_predicted_iou:g}."
        self.failed("nothing_found", sentence, now)
        rank = -1.0 if predicted_iou is None else predicted_iou
        if self.best is not None and rank <= self.best[0]:
            return answer
        dropped = None if self.best is None else self.best[2]
        self.best = rank, self.model, answer
        return dropped

    def verdict(self) -> tuple[str, str]:
        """Return code and sentence for a request that no model has answered."""
        return _verdict(self.tried)

    def finish(self) -> None:
        """Give back what is held. Safe to call again."""
        let_go, self.let_go = self.let_go, None
        if let_go is not None:
            let_go()


def _verdict(tried: Sequence[Attempt]) -> tuple[str, str]:
    if not tried:
        return "deadline_exceeded", "The deadline passed before any model was tried."
    asked = [one for one in tried if one.code not in _ABSENT]
    last = (asked or tried)[-1]
    # `left_out` is no error code of the wire.
    code = "model_unavailable" if last.code == "left_out" else last.code
    reasons = "; ".join(f"{one.model}: {one.message.rstrip('.')}" for one in tried)
    return code, f"None of the models has answered. {reasons}"
