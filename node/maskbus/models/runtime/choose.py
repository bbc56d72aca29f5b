"""Finding out which candidate is best here."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass, field
from typing import Any

from torch import Tensor

from maskbus.models.runtime.candidate import REFERENCE, Candidate
from maskbus.models.runtime.measure import Measured, Remembered, difference, measure
from maskbus.models.runtime.stage import Agreement, Stage, milliseconds

log = logging.getLogger(__name__)

ENOUGH_AGREEMENT = 0.99
"""IoU with the masks of float32 that reduced precision must reach."""
_ENOUGH_EXACTNESS = 1e-3
"""How far float32 outputs of two runtimes may be apart, as a part of the largest value."""
_CLEARLY_FASTER = 0.95
"""What takes more than this part of the time of one before it in the order is not preferred to that."""
_SECONDS = 60.0
"""After this, candidates are tried only until one has been found to work."""

Build = Callable[[Candidate], Stage]


@dataclass
class Choice:
    """What was chosen, and why."""

    runtime: str = ""
    dtype: str = ""
    seconds: dict[str, float] = field(default_factory=dict)
    """Time of a call of each candidate that was tried."""
    agreement: dict[str, float] = field(default_factory=dict)
    """IoU of masks with float32's of each candidate in reduced precision."""
    refused: dict[str, str] = field(default_factory=dict)
    """What is against each candidate that was not accepted."""

    @property
    def candidate(self) -> Candidate:
        """What was chosen."""
        return Candidate(self.runtime, self.dtype)

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON."""
        return asdict(self)

    def sentence(self) -> str:
        """Say what was chosen and why."""
        label = str(self.candidate)
        agreement = f", agreement {self.agreement[label]:.4f} with float32" if label in self.agreement else ""
        others = "; ".join(f"{name} {milliseconds(taken)}" for name, taken in self.seconds.items() if name != label)
        return f"{label}, {milliseconds(self.seconds[label])} a call{agreement}" + (f" ({others})" if others else "")


def choose(
    name: str,
    candidates: Sequence[Candidate],
    build: Build,
    examples: Sequence[Tensor],
    agrees: Agreement | None,
    *,
    trusted: bool = False,
    attempt: Callable[[Candidate], AbstractContextManager[None]] = lambda _: nullcontext(),
    report: Callable[[str], None],
) -> Choice:
    """Try the candidates in their order and choose the fastest whose answers are as good as torch's in float32.

    Args:
        name: Of the network, for the log.
        candidates: What to try, best first.
        build: Makes a candidate's stage; whatever it raises counts against the candidate.
        examples: Inputs to measure with.
        agrees: Compares masks; of float32, the outputs themselves are compared.
        trusted: Reduced precision is what the user asked for: it is compared only to be told of.
        attempt: Entered around the trial of a candidate.
        report: Told what is being done.

    Returns:
        The choice; its `runtime` is empty where no candidate works.
    """
    choice = Choice()
    plain = build(REFERENCE)
    expected = measure(plain, examples)
    choice.seconds[str(REFERENCE)] = expected.seconds
    reference = Remembered(plain, examples, expected.outputs)
    begun = time.monotonic()
    for candidate in candidates:
        if choice.runtime and (time.monotonic() - begun > _SECONDS or _is_moot(candidate, choice)):
            continue
        label = str(candidate)
        report(f"Trying {name} with {label} …")
        try:
            with attempt(candidate):
                choice.seconds[label] = _tried(candidate, build, examples, expected, reference, agrees, trusted, choice)
        except Exception as error:  # whatever a runtime raises, the next one may work
            choice.refused[label] = sentence(error)
            log.warning("%s does without %s: %s", name, label, choice.refused[label])
            continue
        if not choice.runtime or choice.seconds[label] < _CLEARLY_FASTER * choice.seconds[str(choice.candidate)]:
            choice.runtime, choice.dtype = candidate.runtime, candidate.dtype
    return choice


class _Refused(Exception):
    """Says why a candidate that works is not taken."""


def _tried(
    candidate: Candidate,
    build: Build,
    examples: Sequence[Tensor],
    expected: Measured,
    reference: Stage,
    agrees: Agreement | None,
    trusted: bool,
    choice: Choice,
) -> float:
    """Return the seconds a candidate takes; its stage is gone afterwards, as two of them may not fit into memory."""
    if candidate == REFERENCE:
        return expected.seconds
    stage = build(candidate)
    measured = measure(stage, examples)
    if candidate.dtype == "float32":
        if (apart := difference(measured.outputs, expected.outputs)) > _ENOUGH_EXACTNESS:
            raise _Refused(f"its outputs are {apart:.2g} of the largest value away from torch's.")
    elif agrees is not None:
        score = choice.agreement[str(candidate)] = float(agrees(stage, reference))
        if not score >= ENOUGH_AGREEMENT and not trusted:
            raise _Refused(f"its masks agree with float32's to {score:.4f}, and {ENOUGH_AGREEMENT} is needed.")
    return measured.seconds


def _is_moot(candidate: Candidate, choice: Choice) -> bool:
    """Tell whether the same runtime has been found to work in reduced precision, which is faster."""
    reduced = (label for label in choice.seconds if not label.endswith(" float32"))
    return candidate.dtype == "float32" and any(label.startswith(f"{candidate.runtime} ") for label in reduced)


def sentence(error: BaseException) -> str:
    """Return the first line of what an error comes down to, or its kind."""
    while error.__cause__ is not None:
        error = error.__cause__
    lines = str(error).strip().splitlines()
    return lines[0][:200] if lines else type(error).__name__
