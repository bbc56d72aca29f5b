"""Networks in ONNX files, computed by what is installed: ONNX Runtime, OpenVINO or OpenCV. None of it needs torch."""

from maskbus.networks.choice import INSTALL, RUNTIMES, is_installed, load
from maskbus.networks.network import Network
from maskbus.networks.signature import Port, Signature

__all__ = ["INSTALL", "RUNTIMES", "Network", "Port", "Signature", "is_installed", "load"]
