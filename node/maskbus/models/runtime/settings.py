"""What the user says about how a model is to be computed."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from maskbus import directories
from maskbus.interfaces import LoadContext, ModelUnavailable

RUNTIMES = ("auto", "torch", "onnxruntime", "openvino")
DTYPES = ("auto", "float32", "bfloat16", "float16")


def default_cache_dir() -> Path:
    """Return the user's directory of exported networks; it need not exist."""
    return directories.weights().parent / "exports"


@dataclass(frozen=True)
class RuntimeSettings:
    """The switch. `auto` is what was measured best on this machine with masks as good as float32's.

    Raises:
        ModelUnavailable: if a value is unknown, or two of them exclude each other.
    """

    runtime: str = "auto"
    """"auto", "torch", "onnxruntime" or "openvino"."""
    dtype: str = "auto"
    """"auto", "float32", "bfloat16" or "float16"."""
    device: str = "cpu"
    """"cpu", "cuda", "cuda:0", …, as torch names them."""
    threads: int = 0
    """CPU threads; 0 lets the runtime choose."""
    cache_dir: Path = field(default_factory=default_cache_dir)
    """Where exports and what was measured are kept. It is made private to the user."""
    compile: bool = False
    """Whether torch compiles the network (`torch.compile`), which takes it up to half a minute at each start."""
    cuda_graphs: bool = True
    """Whether torch records its work on a CUDA device once for each size of input, and then only repeats it."""

    def __post_init__(self) -> None:
        if self.runtime not in RUNTIMES:
            raise ModelUnavailable(f'runtime = "{self.runtime}" is unknown; use one of {", ".join(RUNTIMES)}.')
        if self.dtype not in DTYPES:
            raise ModelUnavailable(f'dtype = "{self.dtype}" is unknown; use one of {", ".join(DTYPES)}.')
        if not re.fullmatch(r"cpu|cuda(:\d+)?", self.device):
            raise ModelUnavailable(f'device = "{self.device}" is unknown; use "cpu", "cuda" or "cuda:0".')
        if self.threads < 0:
            raise ModelUnavailable(f"threads = {self.threads} must be 0 or more; 0 lets the runtime choose.")
        if self.on_cuda and self.runtime in ("onnxruntime", "openvino"):
            raise ModelUnavailable(
                f'runtime = "{self.runtime}" computes on the CPU only; use "torch" on {self.device}.'
            )
        if self.dtype == "float16" and not self.on_cuda:
            raise ModelUnavailable('dtype = "float16" is for CUDA devices; use "auto", "bfloat16" or "float32".')
        if self.dtype == "bfloat16" and self.runtime == "onnxruntime":
            raise ModelUnavailable('runtime = "onnxruntime" computes in float32 only; use "openvino" or "torch".')

    @classmethod
    def of(cls, context: LoadContext) -> RuntimeSettings:
        """Read them from a model's own table in the configuration: `runtime`, `dtype`, `cache_dir`, `compile`, …"""
        options: dict[str, Any] = {}
        for name, kind in (
            ("runtime", str),
            ("dtype", str),
            ("cache_dir", str),
            ("compile", bool),
            ("cuda_graphs", bool),
        ):
            if context.options.get(name, "") == "":
                continue
            value = context.options[name]
            if not isinstance(value, kind):
                raise ModelUnavailable(f"{name} = {value!r} must be {'true or false' if kind is bool else 'text'}.")
            options[name] = Path(str(value)).expanduser() if name == "cache_dir" else value
        return cls(device=context.device, threads=context.threads, **options)

    @property
    def on_cuda(self) -> bool:
        """Tell whether the device is a CUDA device."""
        return self.device.startswith("cuda")

    def in_float32(self) -> RuntimeSettings:
        """Return the same for a part that never computes in less than float32."""
        return replace(self, dtype="float32")
