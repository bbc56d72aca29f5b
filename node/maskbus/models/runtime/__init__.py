"""One switch for what computes a network: torch, ONNX Runtime or OpenVINO, in the precision that fits."""

from maskbus.models.runtime.preparation import prepare
from maskbus.models.runtime.settings import RuntimeSettings
from maskbus.models.runtime.stage import Agreement, Stage

__all__ = ["Agreement", "RuntimeSettings", "Stage", "prepare"]
