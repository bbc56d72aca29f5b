"""A network computed by OpenVINO."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, cast

from maskbus.networks.network import Array, Network


class OpenVinoNetwork(Network):
    """Run a request on the CPU, in float32 also where the processor could do with less."""

    runtime = "openvino"

    def _build(self, path: Path, threads: int) -> None:
        # Its package imports a converter of models, whose own import reports its use over the network.
        for package in ("openvino.tools.ovc", "openvino_telemetry"):
            sys.modules.setdefault(package, cast(Any, None))  # importing it raises ImportError
        import openvino

        configuration = {
            "PERFORMANCE_HINT": "LATENCY",
            "NUM_STREAMS": "1",
            "INFERENCE_PRECISION_HINT": "f32",
            "INFERENCE_NUM_THREADS": threads,
            # Bound threads would sit on the same cores in every worker.
            "ENABLE_CPU_PINNING": False,
        }
        self._request = openvino.Core().compile_model(str(path), "CPU", configuration).create_infer_request()
        self._tensor = openvino.Tensor

    def _compute(self, inputs: list[Array]) -> list[Array]:
        for index, array in enumerate(inputs):
            self._request.set_input_tensor(index, self._tensor(array, shared_memory=True))
        self._request.infer()
        # The request writes its next answer into the same memory.
        return [self._request.get_output_tensor(index).data.copy() for index in range(len(self.outputs))]
