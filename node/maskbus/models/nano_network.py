"""The small network's two branches, computed by whatever is installed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from maskbus import networks
from maskbus.interfaces import ModelUnavailable
from maskbus.models.nano_map import CHANNELS

FloatArray = npt.NDArray[np.float32]
UInt8Array = npt.NDArray[np.uint8]

IMAGE, PROMPT, FACTS = "nano_image.onnx", "nano_prompt.onnx", "nano.json"
"""The files; `training/nano` makes them."""
FOLDER = Path(__file__).parent


class NanoNetwork:
    """Look once at a square picture, then answer prompts about it."""

    def __init__(self, folder: Path = FOLDER, *, runtime: str = "auto", threads: int = 0) -> None:
        """Load both branches.

        Args:
            folder: Where the files lie.
            runtime: See `maskbus.networks.load`.
            threads: CPU threads; 0 lets the runtime choose.

        Raises:
            ModelUnavailable: if a file is missing or damaged, or nothing installed computes it.
        """
        try:
            facts = json.loads((folder / FACTS).read_text())
            self.side = int(facts["size"])
            believed, reached = (np.asarray(column, np.float64) for column in facts["calibration"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ModelUnavailable(f"{folder / FACTS} cannot be read, or is damaged: {error}.") from None
        self._calibration = believed, reached
        # Runtimes are compared by it: an even picture would hide what goes wrong.
        draw = np.random.default_rng(1)
        example = draw.random((1, 3, self.side, self.side), np.float32)
        prompt = (draw.random((1, CHANNELS, self.map_side, self.map_side)) > 0.9).astype(np.float32)
        self._image = networks.load(folder / IMAGE, [example], runtime=runtime, threads=threads)
        maps = self._image([example])
        self._prompt = networks.load(folder / PROMPT, [*maps, prompt], runtime=runtime, threads=threads)
        content = hashlib.sha256()
        for name in (IMAGE, PROMPT, FACTS):
            content.update((folder / name).read_bytes())
        self.digest = content.hexdigest()
        """SHA-256 of the files, hex."""
        self.nbytes = sum(one.nbytes for one in maps)
        """Bytes of what `look` returns."""

    @property
    def map_side(self) -> int:
        """Height and width of prompt maps and logits."""
        return self.side // 2

    @property
    def runtimes(self) -> tuple[str, str]:
        """What computes the image branch and the prompt branch."""
        return self._image.runtime, self._prompt.runtime

    def look(self, square: UInt8Array) -> Sequence[FloatArray]:
        """Return the maps of a picture (side, side, 3), RGB."""
        pixels = np.ascontiguousarray(square.transpose(2, 0, 1)[None], np.float32)
        pixels /= 255
        return self._image([pixels])

    def answer(self, maps: Sequence[FloatArray], prompt: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return logits (3, map_side, map_side) and predicted IoU (3,) of a prompt (5, map_side, map_side)."""
        logits, iou = self._prompt([*maps, prompt[None]])
        believed = 1 / (1 + np.exp(-iou[0].astype(np.float64)))
        return logits[0], np.interp(believed, *self._calibration).astype(np.float32)
