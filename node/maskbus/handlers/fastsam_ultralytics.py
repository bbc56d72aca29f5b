"""FastSAM computed by its authors' package `ultralytics`, which is AGPL-3.0; in a worker process of its own."""

from __future__ import annotations

import importlib.util
import os
from typing import TYPE_CHECKING, Any

from maskbus.handlers.fastsam_handler import EVERYTHING, FastSamHandler
from maskbus.handlers.fastsam_options import FastSamOptions, weights
from maskbus.interfaces import Availability, LoadContext, ModelInfo, ModelUnavailable

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from maskbus.handlers.fastsam_letterbox import Letterbox
    from maskbus.handlers.fastsam_proposals import FloatArray

FILE = "fastsam.safetensors"
"""Where the weights lie in the weights directory, unless the option `weights` says it."""
_SIDE = 1024
_PACKAGES = ("torch", "safetensors", "ultralytics")
_FIRST = "model.0.conv.weight"
_SCALES = {16: "n", 32: "s", 48: "m", 64: "l", 80: "x"}
"""Channels of the first convolution → which of YOLOv8's sizes it is."""
_CONVERT = (
    'python -c "from ultralytics import FastSAM; from safetensors.torch import save_file; '
    "save_file(FastSAM('FastSAM-s.pt').model.state_dict(), 'fastsam.safetensors')\""
)


class FastSamUltralytics(FastSamHandler):
    """FastSAM's network as `ultralytics` builds it; what comes before and after the network is maskbus's own.

    The package is imported here and nowhere else, and the model is never loaded into a process of another one. Nothing
    is downloaded or installed by it. The published files are pickles that can run code, and are refused: whoever trusts
    one converts it once, by a command that the refusal names.
    """

    info = ModelInfo(
        title="FastSAM by its authors' package ultralytics, which is AGPL-3.0",
        prompts=frozenset({"points", "boxes"}),
        licence="AGPL-3.0-only",
        multimask=True,
        everything=EVERYTHING,
        offered=False,
        alone=True,
        homepage="https://github.com/ultralytics/ultralytics",
    )

    def __init__(self, context: LoadContext) -> None:
        super().__init__(context)
        self.options = FastSamOptions.of(context, file=FILE)
        path = self.options.weights
        if not path.is_file():
            raise ModelUnavailable(_missing(path))
        # It would look for updates, and install what it believes to lack.
        os.environ.update(YOLO_OFFLINE="true", YOLO_AUTOINSTALL="false")
        try:
            import torch

            from maskbus.models import checkpoint
            from maskbus.weights import digest
        except ImportError as problem:
            raise ModelUnavailable(f"{problem}: pip install 'maskbus[fastsam-agpl]'") from problem
        if context.threads > 0:
            import cv2

            cv2.setNumThreads(context.threads)
            torch.set_num_threads(context.threads)
        try:
            given = checkpoint.read(path)
        except ModelUnavailable as refused:
            raise ModelUnavailable(f"{refused} A published FastSAM file is converted by: {_CONVERT}") from None
        self._network = _network(given, path).to(context.device)
        self._digest = digest.sha256(path)

    @classmethod
    def availability(cls, context: LoadContext) -> Availability:
        """Tell whether the package and the weights are there."""
        absent = [name for name in _PACKAGES if importlib.util.find_spec(name) is None]
        needs = [f"it needs {', '.join(absent)} (pip install 'maskbus[fastsam-agpl]')"] if absent else []
        path = weights(context, FILE)
        there = path.is_file()
        if not there:
            needs.append(_missing(path))
        return Availability(not needs, "; ".join(needs), "unverified" if there else "missing")

    @property
    def weights_digest(self) -> str:
        """SHA-256 of the file."""
        return self._digest

    def frame(self, height: int, width: int) -> Letterbox:
        """Return the smallest one around the photo, as the authors' predictor does."""
        from maskbus.handlers.fastsam_letterbox import Letterbox

        return Letterbox.around(height, width, self.options.input_side or _SIDE)

    def compute(self, pixels: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Run the network."""
        import torch

        with torch.inference_mode():
            return heads(self._network(torch.from_numpy(pixels).to(self.context.device)))

    def close(self) -> None:
        """Let go of the network."""
        del self._network


def _missing(path: Path) -> str:
    return f"there is no file {path}: docs/fastsam.md says how to make one; or name one by the option `weights`"


def _network(given: Mapping[str, Any], path: Path) -> Any:
    """Return the network whose weights are given.

    Raises:
        ModelUnavailable: if the package is not installed, or the weights are not FastSAM's.
    """
    from maskbus.models import checkpoint

    try:
        from ultralytics.nn.tasks import SegmentationModel
    except ImportError as problem:
        raise ModelUnavailable(f"{problem}: pip install 'maskbus[fastsam-agpl]'") from problem
    scale = _SCALES.get(given[_FIRST].shape[0]) if _FIRST in given else None
    if scale is None:
        raise ModelUnavailable(f"The weights file {path} is not of FastSAM: YOLOv8 has another {_FIRST}.")
    network = SegmentationModel(f"yolov8{scale}-seg.yaml", nc=1, verbose=False)
    checkpoint.fill(network, given, path=path, model="FastSAM")
    return network.eval()


def heads(outputs: Any) -> tuple[FloatArray, FloatArray]:
    """Return predictions (5 + M, N) and prototypes (M, h, w) of what the package's network returns.

    Its versions nest them in different ways; they are the first tensors of three and of four dimensions.
    """
    from torch import Tensor

    found: dict[int, Tensor] = {}
    waiting = [outputs]
    while waiting and len(found) < 2:
        one = waiting.pop(0)
        if isinstance(one, Tensor):
            if one.ndim in (3, 4):
                found.setdefault(one.ndim, one)
        elif isinstance(one, (list, tuple)):
            waiting = [*one, *waiting]
    predictions, prototypes = (found[rank][0].float().cpu().numpy() for rank in (3, 4))
    return predictions, prototypes
