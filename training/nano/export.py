"""Write the trained network as ONNX: `python -m training.nano.export`."""

from __future__ import annotations

import argparse
import sys
import warnings
from copy import deepcopy
from pathlib import Path

import numpy as np
import torch
from torch import nn

from maskbus.models.nano_network import FOLDER, IMAGE, PROMPT
from training.nano.network import Nano, Widths
from training.nano.settings import SETTINGS, read

IMAGE_OUTPUTS = ("add2", "add4", "add8", "add16", "add32", "alike4", "alike8")
OPSET = 13
"""Old enough for every runtime."""


def main() -> int:
    """Export the averaged weights of a checkpoint."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--checkpoint", type=Path, required=True)
    parser.add_argument("--settings", type=Path, default=SETTINGS, help="what it was trained with")
    parser.add_argument("--to", type=Path, default=FOLDER, help=f"folder for {IMAGE} and {PROMPT}")
    flags = parser.parse_args()
    if not flags.checkpoint.exists():
        print(f"train-nano: there is no checkpoint {flags.checkpoint}.", file=sys.stderr)
        return 1
    settings = read(flags.settings)
    network = Nano(Widths(*settings.widths))
    network.load_state_dict(torch.load(flags.checkpoint, map_location="cpu", weights_only=True)["average"])
    flags.to.mkdir(parents=True, exist_ok=True)
    for path in export(network, flags.to, settings.size):
        print(f"{path}: {path.stat().st_size} bytes")
    return 0


def export(network: Nano, folder: Path, size: int) -> tuple[Path, Path]:
    """Write both branches into a folder, and return their paths.

    Args:
        network: In training or evaluation mode; it stays as it is.
        folder: Where the files go.
        size: S, pixels a side that the network sees.
    """
    ready = halved(network)
    image = torch.rand(1, 3, size, size, generator=torch.Generator().manual_seed(0))
    prompt = torch.zeros(1, 5, size // 2, size // 2)
    paths = folder / IMAGE, folder / PROMPT
    with torch.inference_mode():
        maps = ready.image(image)
    with warnings.catch_warnings():
        # The newer exporter writes what OpenCV cannot read.
        warnings.simplefilter("ignore", DeprecationWarning)
        for branch, inputs, path, takes, gives in (
            (ready.image, (image,), paths[0], ["image"], list(IMAGE_OUTPUTS)),
            (ready.prompt, (*maps, prompt), paths[1], [*IMAGE_OUTPUTS, "prompt"], ["logits", "iou"]),
        ):
            torch.onnx.export(
                branch,
                inputs,
                str(path),
                input_names=takes,
                output_names=gives,
                opset_version=OPSET,
                dynamo=False,
            )
            _lighter(path)
    return paths


def halved(network: Nano) -> Nano:
    """Return the network as it is exported: norms made part of the convolutions, weights rounded to half precision."""
    ready = deepcopy(network).cpu().float().to(memory_format=torch.contiguous_format).eval()
    for module in list(ready.modules()):
        if isinstance(module, nn.Sequential):
            children = dict(module.named_children())
            for name, child in children.items():
                after = children.get(str(int(name) + 1))
                if isinstance(child, nn.Conv2d) and isinstance(after, nn.BatchNorm2d):
                    module[int(name)] = nn.utils.fuse_conv_bn_eval(child, after)
                    module[int(name) + 1] = nn.Identity()
    with torch.no_grad():
        for weight in ready.parameters():
            if weight.ndim > 1:
                weight.copy_(weight.half())
    return ready


def _lighter(path: Path) -> None:
    """Keep weights in half precision, which each runtime widens when it loads them, and drop names nobody reads."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    model = onnx.load(path)
    graph = model.graph
    kept = {port.name for port in (*graph.input, *graph.output)}
    names: dict[str, str] = {}

    def short(name: str) -> str:
        return name if name in kept or not name else names.setdefault(name, f"v{len(names)}")

    for node in graph.node:
        node.name = node.doc_string = ""
        node.input[:] = [short(name) for name in node.input]
        node.output[:] = [short(name) for name in node.output]
    widened = []
    for weight in graph.initializer:
        weight.name = short(weight.name)
        values = numpy_helper.to_array(weight)
        if values.dtype == np.float32 and values.ndim > 1 and values.size > 64:
            narrow = weight.name + "h"
            widened.append(helper.make_node("Cast", [narrow], [weight.name], to=TensorProto.FLOAT))
            weight.CopyFrom(numpy_helper.from_array(values.astype(np.float16), narrow))
    nodes = [*widened, *graph.node]
    del graph.node[:]
    graph.node.extend(nodes)
    del graph.value_info[:]
    onnx.checker.check_model(model)
    onnx.save(model, path)


if __name__ == "__main__":
    sys.exit(main())
