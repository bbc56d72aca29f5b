"""A network computed by ONNX Runtime."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from maskbus.networks.network import Array, Network


class OnnxRuntimeNetwork(Network):
    """Run a session on the CPU."""

    runtime = "onnxruntime"

    def _build(self, path: Path, threads: int) -> None:
        import onnxruntime

        onnxruntime.disable_telemetry_events()  # Windows builds report to the system's event log
        options = onnxruntime.SessionOptions()
        # Left to itself it binds each thread to a core, the same cores in every worker.
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        # Threads that wait for work by spinning starve the other workers.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.log_severity_level = 4
        self._session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])

    def _compute(self, inputs: list[Array]) -> list[Array]:
        fed = {port.name: array for port, array in zip(self.inputs, inputs, strict=True)}
        return [np.asarray(output) for output in self._session.run([port.name for port in self.outputs], fed)]
