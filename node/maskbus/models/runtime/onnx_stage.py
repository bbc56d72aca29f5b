"""A network computed by ONNX Runtime."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from maskbus.models.runtime.stage import Stage, as_array


class OnnxStage(Stage):
    """Run an exported network in float32."""

    def __init__(self, path: Path, threads: int) -> None:
        import onnxruntime

        onnxruntime.disable_telemetry_events()  # Windows builds report to the system's event log
        options = onnxruntime.SessionOptions()
        # Left to itself it binds each thread to a core, the same cores in every worker.
        options.intra_op_num_threads = threads or torch.get_num_threads()
        options.inter_op_num_threads = 1
        # Threads that wait for work by spinning starve the other workers.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.log_severity_level = 3
        self.runtime = "onnxruntime"
        self.dtype = "float32"
        self._session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        self._names = [given.name for given in self._session.get_inputs()]

    def __call__(self, inputs: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """Run the session."""
        fed = {name: as_array(tensor) for name, tensor in zip(self._names, inputs, strict=True)}
        return tuple(torch.from_numpy(output) for output in self._session.run(None, fed))
