"""A network computed by OpenVINO."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor

from maskbus.models.runtime.stage import Stage, as_array

_PRECISIONS = {"float32": "f32", "bfloat16": "bf16"}


def silent_openvino() -> Any:
    """Import openvino without what reports its use over the network.

    Its package imports a converter of models, whose own import sends an event. Nothing here needs the converter, and
    openvino does without where it cannot be imported.
    """
    for package in ("openvino.tools.ovc", "openvino_telemetry"):
        sys.modules.setdefault(package, cast(Any, None))  # importing it raises ImportError
    import openvino

    return openvino


class OpenVinoStage(Stage):
    """Run an exported network, in float32 or where the processor can in bfloat16."""

    def __init__(self, path: Path, dtype: str, threads: int, compiled_dir: Path) -> None:
        openvino = silent_openvino()
        self.runtime = "openvino"
        self.dtype = dtype
        configuration = {
            "PERFORMANCE_HINT": "LATENCY",
            "NUM_STREAMS": "1",
            "INFERENCE_PRECISION_HINT": _PRECISIONS[dtype],
            "INFERENCE_NUM_THREADS": threads,
            # Bound threads would sit on the same cores in every worker.
            "ENABLE_CPU_PINNING": False,
            "CACHE_DIR": str(compiled_dir),
        }
        compiled = openvino.Core().compile_model(str(path), "CPU", configuration)
        self._request = compiled.create_infer_request()
        self._tensor = openvino.Tensor
        self._shapes = [tuple(output.shape) if output.partial_shape.is_static else None for output in compiled.outputs]

    def __call__(self, inputs: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """Run the request on the inputs' own memory, into the outputs' own where their size is known before."""
        arrays = [as_array(tensor) for tensor in inputs]
        for index, array in enumerate(arrays):
            self._request.set_input_tensor(index, self._tensor(array, shared_memory=True))
        outputs = [None if shape is None else torch.empty(shape) for shape in self._shapes]
        for index, output in enumerate(outputs):
            if output is not None:
                self._request.set_output_tensor(index, self._tensor(output.numpy(), shared_memory=True))
        self._request.infer()
        return tuple(self._copied(index) if output is None else output for index, output in enumerate(outputs))

    def _copied(self, index: int) -> Tensor:
        # The request writes its next answer into the same memory.
        return torch.from_numpy(self._request.get_output_tensor(index).data.copy())
