"""What could compute a network here."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec

from maskbus.interfaces import ModelUnavailable
from maskbus.models.runtime import cpu
from maskbus.models.runtime.settings import RuntimeSettings

_PACKAGES = {
    "torch": (),
    "onnxruntime": ("onnxruntime", "onnx", "onnxscript"),
    "openvino": ("openvino", "onnx", "onnxscript"),
}


@dataclass(frozen=True)
class Candidate:
    """A runtime in a precision."""

    runtime: str
    dtype: str

    def __str__(self) -> str:
        return f"{self.runtime} {self.dtype}"


REFERENCE = Candidate("torch", "float32")

# The order in which they came in on processors of each kind, best first. What measures alike stays in this order.
_CUDA: tuple[Candidate, ...] = (Candidate("torch", "float16"), Candidate("torch", "bfloat16"), REFERENCE)
_CPU: tuple[Candidate, ...] = (Candidate("openvino", "float32"), Candidate("onnxruntime", "float32"), REFERENCE)
_CPU_WITH_BFLOAT16: tuple[Candidate, ...] = (Candidate("openvino", "bfloat16"), Candidate("torch", "bfloat16"), *_CPU)


def missing_packages(runtime: str) -> list[str]:
    """Return the packages that a runtime needs and that are not installed."""
    return [package for package in _PACKAGES[runtime] if find_spec(package) is None]


def candidates(settings: RuntimeSettings, *, can_compare: bool) -> list[Candidate]:
    """Return what the settings allow and this machine has, best first.

    Args:
        settings: The switch.
        can_compare: Whether masks can be compared. Where not, `auto` takes float32 alone.

    Raises:
        ModelUnavailable: if the runtime that was asked for misses a package, or cannot compute in that precision here.
    """
    if settings.runtime != "auto" and (missing := missing_packages(settings.runtime)):
        raise ModelUnavailable(
            f'runtime = "{settings.runtime}" needs {" and ".join(missing)}, not installed here: pip install '
            "'maskbus[fast]'"
        )
    if settings.on_cuda:
        known = _CUDA
    elif cpu.has_bfloat16():
        known = _CPU_WITH_BFLOAT16
    else:
        known = _CPU
    found = [candidate for candidate in known if _is_allowed(candidate, settings, can_compare)]
    if not found and settings.dtype == "bfloat16" and settings.runtime != "openvino":
        return [Candidate("torch", "bfloat16")]  # slow, but what was asked for
    if not found:
        raise ModelUnavailable(
            f'dtype = "{settings.dtype}" is nothing that {settings.runtime} computes in on this processor; '
            'use dtype = "auto" or "float32".'
        )
    return found


def _is_allowed(candidate: Candidate, settings: RuntimeSettings, can_compare: bool) -> bool:
    if settings.runtime not in ("auto", candidate.runtime):
        return False
    if settings.dtype == "auto":
        if candidate.dtype != "float32" and not can_compare:
            return False
    elif settings.dtype != candidate.dtype:
        return False
    return not missing_packages(candidate.runtime)
