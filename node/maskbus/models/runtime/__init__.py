"""One switch for what computes a network: torch, ONNX Runtime or OpenVINO, in the precision that fits."""

from maskbus.models.runtime.constants import hold_constant
from maskbus.models.runtime.prepare import prepare
from maskbus.models.runtime.settings import RuntimeSettings
from maskbus.models.runtime.stage import Agreement, Stage

__all__ = ["Agreement", "RuntimeSettings", "Stage", "hold_constant", "prepare"]
