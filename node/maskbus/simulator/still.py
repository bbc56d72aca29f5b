"""A scene in which nothing happens: frames that cost nothing to make, for load."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from maskbus.simulator.scene import Scene, View

_VARIANTS = 8
_GRAIN = 6


class StillScene:
    """Show one view over and over, with grain that changes from frame to frame, as a camera's does."""

    def __init__(self, scene: Scene, *, seed: int = 0) -> None:
        """Make the frames. Args: the scene, as it is at its beginning, and the seed of the grain."""
        view = scene.view(0.0)
        random = np.random.default_rng(seed)
        self.labels = view.labels
        """uint8 (H, W), as in `View`."""
        self.variants = [self._grained(view, random) for _ in range(_VARIANTS)]
        """RGB uint8 (H, W, 3) each."""

    @staticmethod
    def _grained(view: View, random: np.random.Generator) -> NDArray[np.uint8]:
        grain = random.integers(-_GRAIN, _GRAIN + 1, view.rgb.shape, np.int16)
        grained: NDArray[np.uint8] = (view.rgb + grain).clip(0, 255).astype(np.uint8)
        return grained
