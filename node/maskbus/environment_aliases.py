"""Environment variables that HTTP services of segmentation models are commonly set up with, as settings of this one.

They stand below everything that is maskbus's own: the file, MASKBUS_* and flags go before them. As their names are
anybody's, they are looked at only where HTTP is served.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Any, Final

from maskbus.config import AUTO, DEFAULT_MODEL, ConfigError
from maskbus_wire.requests import PostProcessing

_SAM_FILES: Final = (
    (re.compile(r"mobile_?sam.*\.pt"), "mobile-sam"),
    (re.compile(r"sam_vit_([blh]).*\.pth"), "sam-vit-{}"),
    (re.compile(r"sam2\.1_hiera_(tiny|small|base_plus|large).*\.pt"), "sam2.1-hiera-{}"),
    (re.compile(r"sam2_hiera_(tiny|small|base_plus|large).*\.pt"), "sam2-hiera-{}"),
)
"""Names of the authors' own files → the model that they are weights of."""
_KNOWN: Final = "mobile_sam*.pt, sam_vit_b*.pth (or l, h), sam2_hiera_tiny*.pt and sam2.1_hiera_tiny*.pt (or small, …)"
_WORDS: Final = {
    "true": True,
    "1": True,
    "yes": True,
    "on": True,
    "false": False,
    "0": False,
    "no": False,
    "off": False,
}
SMOOTHED: Final = PostProcessing(fill_holes=64, remove_islands=64, smooth=1.0)
"""What MASK_POST_PROCESSING means: specks of fewer than 8 × 8 pixels go, and the steps of the outline."""
LONGEST_SIDE: Final = 1536
"""What MEMORY_OPTIMIZATION means, pixels."""

USUAL: Final = {
    "REDIS_TTL": "3600",
    "DEFAULT_CONF": "0.4",
    "DEFAULT_IOU": "0.8",
    "MAX_WORKERS": "2",
    "MAX_CONTOURS": "10",
    "MASK_POST_PROCESSING": "True",
    "MEMORY_OPTIMIZATION": "True",
    "PORT": "5000",
}
"""What the variables commonly are where nobody sets them."""


@dataclass(frozen=True)
class Aliases:
    """What the variables say of a node."""

    values: Mapping[str, tuple[Any, str]] = field(default_factory=dict)
    """Field of the configuration → its value, and where that is from."""
    taken: Sequence[str] = ()
    """What to tell of them, a sentence each."""


@dataclass(frozen=True)
class GatewayAliases:
    """What they say of the gateway."""

    port: int | None = None
    """Where it listens."""
    max_side: int = 0
    """As in a request."""
    post: PostProcessing | None = None
    """As in a request."""
    box_nms_thresh: float | None = None
    """As in the settings of everything mode."""
    taken: Sequence[str] = ()
    """What to tell of them, a sentence each."""


def completed(environment: Mapping[str, str]) -> dict[str, str]:
    """Return an environment in which variables that are not set have the values that are usual for them."""
    return {**USUAL, **{name: text for name, text in environment.items() if text.strip() or name not in USUAL}}


def of_node(
    environment: Mapping[str, str], *, offered: Sequence[str] = (), default_model: str = DEFAULT_MODEL
) -> Aliases:
    """Return what the variables say of a node.

    Args:
        environment: All variables.
        offered: The models that the node is to offer, as it is configured without them; empty: all.
        default_model: Its default model, likewise.

    Raises:
        ConfigError: for a value that makes no sense, with the variable's name.
    """
    read = _Reader(environment)
    values: dict[str, tuple[Any, str]] = {}
    _cache(read, values)
    tables: dict[str, dict[str, Any]] = {}
    named = [name for name in (_sam(read, tables, values, offered), _fastsam(read, tables, values, offered)) if name]
    fastsam = next((name for name in named if name.startswith("fastsam")), "fastsam")
    for variable, option in (("DEFAULT_CONF", "conf"), ("DEFAULT_IOU", "iou")):
        value = read.share(variable)
        if value is not None and _may(fastsam, offered):
            tables.setdefault(fastsam, {}).setdefault("options", {})[option] = value
            read.take(variable, f"the model {fastsam} has {option} = {value:g}")
    workers = read.whole("MAX_WORKERS", 1, 256)
    if workers is not None:
        names = named or [default_model]
        for name in names:
            tables.setdefault(name, {})["devices"] = ["cpu"] * workers
        verb = "have" if len(names) > 1 else "has"
        read.take("MAX_WORKERS", f"{' and '.join(names)} {verb} {workers} worker processes")
    if tables:
        values["model"] = (tables, read.origin())
    return Aliases(values, read.taken)


def of_gateway(environment: Mapping[str, str]) -> GatewayAliases:
    """Return what the variables say of the gateway. ConfigError for a value that makes no sense."""
    read = _Reader(environment)
    port = read.whole("PORT", 0, 65_535)
    if port is not None:
        read.take("PORT", f"port {port}, unless another is named")
    max_side = LONGEST_SIDE if read.truth("MEMORY_OPTIMIZATION") else 0
    if max_side:
        read.take("MEMORY_OPTIMIZATION", f"models see images with at most {max_side} pixels a side")
    post = SMOOTHED if read.truth("MASK_POST_PROCESSING") else None
    if post is not None:
        read.take("MASK_POST_PROCESSING", "holes are filled, islands removed, and outlines smoothed")
    contours = read.whole("MAX_CONTOURS", 1, 65_535)
    if contours is not None:
        post = PostProcessing(
            fill_holes=post.fill_holes if post else 0,
            remove_islands=post.remove_islands if post else 0,
            smooth=post.smooth if post else 0.0,
            max_contours=contours,
        )
        read.take("MAX_CONTOURS", f"a mask has at most {contours} polygons")
    overlap = read.share("DEFAULT_IOU")
    if overlap is not None:
        read.take("DEFAULT_IOU", f"everything mode has box_nms_thresh = {overlap:g}")
    return GatewayAliases(port, max_side, post, overlap, read.taken)


def _cache(read: _Reader, values: dict[str, tuple[Any, str]]) -> None:
    host = read.text("REDIS_HOST")
    if host:
        if not re.fullmatch(r"[\w.-]+|\[?[0-9A-Fa-f:.]+\]?", host):
            raise ConfigError(f"REDIS_HOST: {host!r} is no name of a machine, and no address.")
        # Only beside a host: where containers are linked, REDIS_PORT holds quite another thing.
        port = read.whole("REDIS_PORT", 1, 65_535)
        number = read.whole("REDIS_DB", 0, 65_535)
        where = f"[{host}]" if ":" in host and not host.startswith("[") else host
        url = f"redis://{where}:{6379 if port is None else port}/{number or 0}"
        values["cache"] = ("redis", read.origin("REDIS_HOST"))
        values["redis_url"] = (url, read.origin("REDIS_HOST"))
        read.take("REDIS_HOST", f"answers are kept in {url}")
    seconds = read.whole("REDIS_TTL", 1, 10**9)
    if seconds is not None:
        values["cache_ttl_s"] = (float(seconds), read.origin("REDIS_TTL"))
        read.take("REDIS_TTL", f"answers are kept for {seconds} s")


def _sam(
    read: _Reader,
    tables: dict[str, dict[str, Any]],
    values: dict[str, tuple[Any, str]],
    offered: Sequence[str],
) -> str:
    """Take SAM_MODEL_PATH; return the model, empty if there is none."""
    path = read.text("SAM_MODEL_PATH")
    if not path:
        return ""
    name = _model_of(PurePath(path).name)
    if not _may(name, offered):
        read.pass_over("SAM_MODEL_PATH", f"the model {name} is not among those that are offered")
        return ""
    tables[name] = {"options": {"weights": path}}
    values["default_model"] = (name, read.origin("SAM_MODEL_PATH"))
    read.take("SAM_MODEL_PATH", f"{name}, with these weights, is the default model")
    return name


def _fastsam(
    read: _Reader,
    tables: dict[str, dict[str, Any]],
    values: dict[str, tuple[Any, str]],
    offered: Sequence[str],
) -> str:
    """Take FASTSAM_MODEL_PATH; return the model, empty if there is none."""
    path = read.text("FASTSAM_MODEL_PATH")
    if not path:
        return ""
    name = {".onnx": "fastsam", ".pt": "fastsam-ultralytics"}.get(PurePath(path).suffix.lower(), "")
    if not name:
        raise ConfigError(
            f"FASTSAM_MODEL_PATH: {path} is no FastSAM that is known here; those are .onnx and .pt files."
        )
    if not _may(name, offered):
        read.pass_over("FASTSAM_MODEL_PATH", f"the model {name} is not among those that are offered")
        return ""
    tables[name] = {"options": {"weights": path}}
    others = [model for model in AUTO.models if not model.startswith("fastsam")]
    values["route"] = ({"auto": {"models": [name, *others]}}, read.origin("FASTSAM_MODEL_PATH"))
    read.take("FASTSAM_MODEL_PATH", f"{name}, with these weights, is the first model of the route auto")
    return name


def _model_of(file: str) -> str:
    for pattern, name in _SAM_FILES:
        found = pattern.fullmatch(file.lower())
        if found:
            return name.format(*(group.replace("_", "-") for group in found.groups()))
    raise ConfigError(f"SAM_MODEL_PATH: {file} tells of no model; names that do are {_KNOWN}.")


def _may(name: str, offered: Sequence[str]) -> bool:
    return not offered or name in offered


class _Reader:
    """Read variables, and remember which were of use. An empty one counts as one that is not there."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment
        self._variables: list[str] = []
        self.taken: list[str] = []

    def take(self, variable: str, meaning: str) -> None:
        self._variables.append(variable)
        self.taken.append(f"{variable}={self.text(variable)} of the environment: {meaning}.")

    def pass_over(self, variable: str, reason: str) -> None:
        self.taken.append(f"{variable} of the environment is passed over: {reason}.")

    def origin(self, variable: str = "") -> str:
        return f"environment {variable or ', '.join(dict.fromkeys(self._variables))}"

    def text(self, variable: str) -> str:
        return self._environment.get(variable, "").strip()

    def whole(self, variable: str, least: int, most: int) -> int | None:
        text = self.text(variable)
        if not text:
            return None
        if not re.fullmatch(r"[0-9]{1,10}", text) or not least <= int(text) <= most:
            raise ConfigError(f"{variable}: a whole number of {least} to {most} is wanted, not {text!r}.")
        return int(text)

    def share(self, variable: str) -> float | None:
        text = self.text(variable)
        if not text:
            return None
        try:
            value = float(text)
        except ValueError:
            value = -1.0
        if not 0 <= value <= 1:
            raise ConfigError(f"{variable}: a number of 0 to 1 is wanted, not {text!r}.")
        return value

    def truth(self, variable: str) -> bool | None:
        text = self.text(variable)
        if not text:
            return None
        if text.lower() not in _WORDS:
            raise ConfigError(f"{variable}: true or false is wanted, not {text!r}.")
        return _WORDS[text.lower()]
