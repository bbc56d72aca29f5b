"""A network computed by OpenCV, which every node has."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from maskbus.networks.network import Array, Network


class OpenCvNetwork(Network):
    """Run OpenCV's own engine on the CPU."""

    runtime = "opencv"

    def _build(self, path: Path, threads: int) -> None:
        import cv2

        if threads > 0:
            cv2.setNumThreads(threads)
        self._net = cv2.dnn.readNetFromONNX(str(path))
        # Unknown names are only found out later, and then in words that nobody understands.
        known = set(self._net.getUnconnectedOutLayersNames())
        missing = [port.name for port in self.outputs if port.name not in known]
        if missing:
            raise ValueError(f"OpenCV does not find the output {missing[0]}.")

    def _compute(self, inputs: list[Array]) -> list[Array]:
        for port, array in zip(self.inputs, inputs, strict=True):
            self._net.setInput(array, port.name)
        # What it returns may be the network's own memory.
        return [np.array(output) for output in self._net.forward([port.name for port in self.outputs])]
