"""FastSAM from an ONNX file, without its authors' package and without torch."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from maskbus.handlers.fastsam_handler import EVERYTHING, FastSamHandler
from maskbus.handlers.fastsam_options import FastSamOptions, weights
from maskbus.interfaces import Availability, LoadContext, ModelInfo, ModelUnavailable

if TYPE_CHECKING:
    from maskbus.handlers.fastsam_letterbox import Letterbox
    from maskbus.handlers.fastsam_proposals import FloatArray
    from maskbus.networks import Signature

FILE = "fastsam.onnx"
"""Where the network lies in the weights directory, unless the option `weights` says it."""
_SIDE = 1024
"""What FastSAM was trained with."""


class FastSam(FastSamHandler):
    """FastSAM's network as an ONNX file, computed by the fastest runtime that is installed."""

    info = ModelInfo(
        title="FastSAM from an ONNX file; its weights are AGPL-3.0",
        prompts=frozenset({"points", "boxes"}),
        licence="Apache-2.0 AND AGPL-3.0-only",
        multimask=True,
        everything=EVERYTHING,
        homepage="https://github.com/CASIA-IVA-Lab/FastSAM",
    )

    def __init__(self, context: LoadContext) -> None:
        super().__init__(context)
        from maskbus import networks
        from maskbus.networks import signature
        from maskbus.weights import digest

        self.options = FastSamOptions.of(context, file=FILE, more=["runtime"])
        path = self.options.weights
        if not path.is_file():
            raise ModelUnavailable(_missing(path))
        if context.threads > 0:
            import cv2

            cv2.setNumThreads(context.threads)
        self._sides = _sides(signature.read(path), path, self.options.input_side)
        self._side = self.options.input_side or _SIDE
        height, width = (side or self._side for side in self._sides)
        # Runtimes are compared by it: an even picture would hide what goes wrong.
        example = np.random.default_rng(1).random((1, 3, height, width), np.float32)
        self._network = networks.load(path, [example], runtime=self.options.runtime, threads=context.threads)
        _heads(self._network([example]), path)
        self._digest = digest.sha256(path)

    @classmethod
    def availability(cls, context: LoadContext) -> Availability:
        """Tell whether the file is there, and the runtime that is to compute it."""
        from maskbus.networks import INSTALL, RUNTIMES, is_installed

        runtime = str(context.options.get("runtime", "auto"))
        path = weights(context, FILE)
        there = path.is_file()
        needs = [] if there else [_missing(path)]
        if runtime not in RUNTIMES:
            needs.append(f"there is no runtime {runtime!r}; there are {', '.join(RUNTIMES)}")
        elif not is_installed(runtime):
            needs.append(f"its runtime {runtime} is not installed ({INSTALL[runtime]})")
        return Availability(not needs, "; ".join(needs), "unverified" if there else "missing")

    @property
    def weights_digest(self) -> str:
        """SHA-256 of the file."""
        return self._digest

    def frame(self, height: int, width: int) -> Letterbox:
        """Return the square that the file was made for, or where it takes any size, what the photo needs of it."""
        from maskbus.handlers.fastsam_letterbox import Letterbox

        input_height, input_width = self._sides
        if input_height is None and input_width is None:
            return Letterbox.around(height, width, self._side)
        return Letterbox(height, width, input_height or self._side, input_width or self._side)

    def compute(self, pixels: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Run the network."""
        return _heads(self._network([pixels]), self.options.weights)

    def close(self) -> None:
        """Let go of the network."""
        del self._network


def _missing(path: Path) -> str:
    return f"there is no file {path}: docs/fastsam.md says how to export one; or name one by the option `weights`"


def _sides(found: Signature, path: Path, wanted: int | None) -> tuple[int | None, int | None]:
    """Return height and width of a network's input, None where it takes any.

    Raises:
        ModelUnavailable: if it takes something else than one picture, or not one of the side that is wanted.
    """
    port = found.inputs[0] if len(found.inputs) == 1 else None
    if port is None or len(port.shape) != 4 or port.shape[0] not in (1, None) or port.shape[1] not in (3, None):
        raise ModelUnavailable(f"{path} is not FastSAM: it {found}; FastSAM takes one picture, (1, 3, height, width).")
    height, width = port.shape[2:]
    if wanted is not None and height is not None and width is not None and max(height, width) != wanted:
        raise ModelUnavailable(
            f"{path} was exported for pictures of {width} by {height} pixels; input_side = {wanted} "
            "needs an export of that size, or one with dynamic=True."
        )
    return height, width


def _heads(outputs: Sequence[FloatArray], path: Path) -> tuple[FloatArray, FloatArray]:
    """Return predictions (5 + M, N) and prototypes (M, h, w) of a network's outputs.

    Raises:
        ModelUnavailable: if they are not FastSAM's.
    """
    predictions = [output for output in outputs if output.ndim == 3 and output.shape[0] == 1]
    prototypes = [output for output in outputs if output.ndim == 4 and output.shape[0] == 1]
    if len(outputs) != 2 or not predictions or not prototypes or predictions[0].shape[1] != 5 + prototypes[0].shape[1]:
        shapes = " and ".join(str(output.shape) for output in outputs)
        raise ModelUnavailable(
            f"{path} is not FastSAM: it gives {shapes}; FastSAM gives (1, 5 + M, N) and (1, M, h, w): boxes, "
            "one confidence and M coefficients of N objects, and M prototypes."
        )
    found, seen = predictions[0][0], prototypes[0][0]
    return np.asarray(found, np.float32), np.asarray(seen, np.float32)
