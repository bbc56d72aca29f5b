"""What the configuration says of a FastSAM model."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from maskbus.interfaces import LoadContext, ModelUnavailable

_SHARED = ("weights", "conf", "iou", "max_det", "input_side")
_STRIDE = 32


@dataclass(frozen=True)
class FastSamOptions:
    """The switches, with the authors' values."""

    weights: Path
    """The file."""
    runtime: str = "auto"
    """Of an ONNX file: one of `maskbus.networks.RUNTIMES`."""
    conf: float = 0.4
    """Objects of less confidence are not looked at."""
    iou: float = 0.9
    """Of two objects whose boxes overlap by a greater IoU, the more confident stays."""
    max_det: int = 300
    """So many objects a photo at most."""
    input_side: int | None = None
    """Longer side of what the network looks at, pixels; None: what the file was made for, or 1024."""

    @classmethod
    def of(cls, context: LoadContext, *, file: str, more: Collection[str] = ()) -> FastSamOptions:
        """Read them from a model's own table in the configuration.

        Args:
            context: Of the worker.
            file: Where the weights lie in the weights directory, unless the options say it.
            more: Options beyond those that all FastSAM models have.

        Raises:
            ModelUnavailable: if there is no such option, or its value makes no sense.
        """
        known = (*_SHARED, *more)
        given = context.options
        for name in sorted(set(given) - set(known)):
            raise ModelUnavailable(
                _words(context, name, f"there is no such option; there are {', '.join(sorted(known))}.")
            )
        values: dict[str, Any] = {}
        for name in ("conf", "iou"):
            if name in given:
                if not _is_number(given[name], (int, float)) or not 0 <= given[name] <= 1:
                    raise ModelUnavailable(_words(context, name, f"{given[name]!r} is no number from 0 to 1."))
                values[name] = float(given[name])
        for name, least in (("max_det", 1), ("input_side", _STRIDE)):
            if name in given:
                if not _is_number(given[name], int) or given[name] < least:
                    raise ModelUnavailable(
                        _words(context, name, f"{given[name]!r} is no whole number from {least} on.")
                    )
                values[name] = given[name]
        if values.get("input_side", 0) % _STRIDE:
            raise ModelUnavailable(_words(context, "input_side", f"it must be a multiple of {_STRIDE}."))
        if "runtime" in given:
            values["runtime"] = str(given["runtime"])
        return cls(weights=weights(context, file), **values)


def weights(context: LoadContext, file: str) -> Path:
    """Return where a model's weights lie: what its options say, else `file` in the weights directory."""
    given = context.options.get("weights")
    return Path(str(given)).expanduser() if given else context.weights_dir / file


def _is_number(value: object, kind: Any) -> bool:
    return isinstance(value, kind) and not isinstance(value, bool)


def _words(context: LoadContext, name: str, words: str) -> str:
    return f"model.{context.model}.options.{name}: {words}"
