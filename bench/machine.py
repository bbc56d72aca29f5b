"""What the figures were taken on."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import sys
from datetime import datetime, timezone
from pathlib import Path

import zmq

_PACKAGES = (
    "maskbus",
    "pyzmq",
    "imagezmq",
    "grpcio",
    "fastapi",
    "uvicorn",
    "httptools",
    "uvloop",
    "httpx",
    "numpy",
    "opencv-python-headless",
)


def describe() -> dict[str, object]:
    """Return CPU, cores, last-level cache (bytes, 0 if unknown), kernel, versions, load and date."""
    return {
        "cpu": _cpu_model(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
        "cache_bytes": last_level_cache(),
        "kernel": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "libzmq": zmq.zmq_version(),
        "versions": {name: version for name in _PACKAGES if (version := _version(name)) is not None},
        "load": [round(load, 2) for load in os.getloadavg()] if hasattr(os, "getloadavg") else [],
        "date": datetime.now(timezone.utc).strftime("%Y-%m-%d"),
    }


def sentence(machine: dict[str, object]) -> str:
    """Return the machine as one line."""
    versions = machine["versions"]
    assert isinstance(versions, dict)
    packages = ", ".join(f"{name} {version}" for name, version in versions.items() if name != "maskbus")
    return (
        f"{machine['cpu']}, {machine['cores']} cores, {machine['kernel']}, Python {machine['python']}, "
        f"libzmq {machine['libzmq']}, {packages}; {machine['date']}"
    )


def load_average() -> float:
    """Return how many processes have wanted to run over the last minute, on average; NaN where nobody counts."""
    return os.getloadavg()[0] if hasattr(os, "getloadavg") else float("nan")


def peak_megabytes() -> float:
    """Return the most resident memory this process has had, MiB; NaN on Windows."""
    try:
        import resource
    except ImportError:
        return float("nan")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)


def last_level_cache() -> int:
    """Return the size in bytes of the largest CPU cache, 0 where the system does not tell."""
    sizes = [0]
    for size in Path("/sys/devices/system/cpu/cpu0/cache").glob("index*/size"):
        text = size.read_text().strip()
        unit = {"K": 1 << 10, "M": 1 << 20}.get(text[-1:], 1)
        sizes.append(int(text.rstrip("KM")) * unit)
    return max(sizes)


def _cpu_model() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None
