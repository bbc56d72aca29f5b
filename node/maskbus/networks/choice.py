"""Which runtime computes a network: the one that was asked for, or the fastest that is installed."""

from __future__ import annotations

import importlib.util
import logging
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from maskbus.interfaces import ModelUnavailable
from maskbus.networks import signature
from maskbus.networks.network import Array, Network
from maskbus.networks.onnxruntime_network import OnnxRuntimeNetwork
from maskbus.networks.opencv_network import OpenCvNetwork
from maskbus.networks.openvino_network import OpenVinoNetwork

log = logging.getLogger(__name__)

_NETWORKS: dict[str, type[Network]] = {
    kind.runtime: kind for kind in (OnnxRuntimeNetwork, OpenVinoNetwork, OpenCvNetwork)
}
_MODULES = {"onnxruntime": "onnxruntime", "openvino": "openvino", "opencv": "cv2"}
INSTALL = {
    "onnxruntime": "pip install onnxruntime",
    "openvino": "pip install openvino",
    "opencv": "pip install 'maskbus[node]'",
}
"""What brings each runtime."""
RUNTIMES = ("auto", *_NETWORKS)
"""What can be asked for, in the order in which `auto` tries them; the first that works is what others agree with."""
_CALLS = 3
_HOPELESS = 3.0
"""What takes so many times longer than another is not called again."""
_EXACTNESS = 1e-2
"""How far outputs of two runtimes may be apart, as a part of the largest value of their channel."""
_SILENT = 1e-4


def load(path: Path, example: Sequence[Array], *, runtime: str = "auto", threads: int = 0) -> Network:
    """Return the network of an ONNX file, which has been called once.

    `auto` calls it a few times with each runtime that is installed, and takes the fastest of those that agree with the
    first one that works.

    Args:
        path: The file.
        example: Inputs to call it with: of typical size, with numbers that make a difference.
        runtime: One of `RUNTIMES`.
        threads: CPU threads; 0 lets the runtime choose.

    Raises:
        ModelUnavailable: if the file is missing, damaged or no ONNX, or the runtime unknown, not installed, or unable
            to compute it.
    """
    if runtime not in RUNTIMES:
        raise ModelUnavailable(f"runtime = {runtime!r} is unknown; use one of {', '.join(RUNTIMES)}.")
    found = signature.read(path)
    if runtime != "auto":
        if not is_installed(runtime):
            raise ModelUnavailable(f'runtime = "{runtime}" is not installed: {INSTALL[runtime]}')
        try:
            network = _NETWORKS[runtime](path, found, threads)
            network(example)
        except Exception as error:
            raise ModelUnavailable(f"{runtime} cannot compute {path}: {_sentence(error)}") from None
        return network
    return _fastest(path, found, example, threads)


def is_installed(runtime: str) -> bool:
    """Tell whether a runtime is there, without importing it. Something always is, for "auto"."""
    modules = _MODULES.values() if runtime == "auto" else [_MODULES[runtime]]
    return any(importlib.util.find_spec(module) is not None for module in modules)


def _fastest(path: Path, found: signature.Signature, example: Sequence[Array], threads: int) -> Network:
    chosen: Network | None = None
    expected: list[Array] = []
    seconds: dict[str, float] = {}
    against: dict[str, str] = {}
    for name, kind in _NETWORKS.items():
        if not is_installed(name):
            continue
        try:
            network = kind(path, found, threads)
            outputs = network(example)
            if chosen is not None and (apart := _difference(outputs, expected)) > _EXACTNESS:
                against[name] = f"its outputs are {apart:.2g} of the largest value away from those of {chosen.runtime}."
                continue
            best = min(seconds.values(), default=np.inf)
            seconds[name] = _seconds(network, example, best)
        except Exception as error:  # whatever a runtime raises, another may work
            against[name] = _sentence(error)
            continue
        if chosen is None:
            expected = outputs
        if seconds[name] < best:
            chosen = network
    for name, reason in against.items():
        log.warning("%s is not used for %s: %s", name, path.name, reason)
    if chosen is None:
        tried = "; ".join(f"{name}: {reason}" for name, reason in against.items())
        raise ModelUnavailable(f"Nothing that is installed can compute {path}: {tried or 'no runtime is there.'}")
    times = ", ".join(f"{name} {taken * 1000:.{0 if taken > 0.01 else 1}f} ms" for name, taken in seconds.items())
    log.info("%s is computed by %s (%s).", path.name, chosen.runtime, times)
    return chosen


def _seconds(network: Network, example: Sequence[Array], best: float) -> float:
    """Return the least time of a few calls, of fewer where it is hopeless."""
    least = np.inf
    for _ in range(_CALLS):
        begin = time.perf_counter()
        network(example)
        least = min(least, time.perf_counter() - begin)
        if least > _HOPELESS * best:
            break
    return float(least)


def _difference(outputs: Sequence[Array], expected: Sequence[Array]) -> float:
    """Return the largest difference of two answers, as a part of the largest value of each channel (the second axis).

    One output may hold places in pixels and confidences.
    """
    if [output.shape for output in outputs] != [output.shape for output in expected]:
        return np.inf
    worst = 0.0
    for output, other in zip(outputs, expected, strict=True):
        if not other.size:
            continue
        found, wanted = output.astype(np.float64), other.astype(np.float64)
        others = tuple(axis for axis in range(wanted.ndim) if axis != 1)
        largest = np.abs(wanted).max(others, keepdims=True)
        # A channel that is all but silent is compared with the others.
        apart = (np.abs(found - wanted) / np.maximum(largest, max(_SILENT * largest.max(), 1e-6))).max()
        worst = max(worst, float(apart) if np.isfinite(apart) else np.inf)
    return worst


def _sentence(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0][:200] if lines else type(error).__name__
