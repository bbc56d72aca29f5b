"""Writing a torch module as ONNX."""

from __future__ import annotations

import contextlib
import logging
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

FILE = "model.onnx"
OPTIONS = {"opset": 20, "optimize": True}
"""Of the exporter. Opset 20 is the first with Gelu as one operation."""
_TALKATIVE = ("torch", "onnx", "onnx_ir", "onnxscript")


def export(
    module: nn.Module,
    examples: Sequence[Tensor],
    directory: Path,
    input_names: Sequence[str],
    output_names: Sequence[str],
    dynamic: Mapping[str, Mapping[int, str]],
) -> None:
    """Write `model.onnx`, and its weights beside it: one file may not be larger than 2 GB.

    Args:
        module: In float32 on the CPU.
        examples: Inputs to trace it with.
        directory: Where to write; it exists.
        input_names: One for each input.
        output_names: One for each output.
        dynamic: For inputs whose size may vary: the axes, and for each a name. Axes of one name have one size.

    Raises:
        Exception: whatever the exporter raises on what it cannot export.
    """
    sizes = {name: torch.export.Dim(name) for axes in dynamic.values() for name in axes.values()}
    shapes = [{axis: sizes[size] for axis, size in dynamic.get(name, {}).items()} for name in input_names]
    grown = [_grown(example, dynamic.get(name, {})) for name, example in zip(input_names, examples, strict=True)]
    with _quiet(), torch.no_grad():
        program: Any = torch.onnx.export(
            module,
            tuple(grown),
            dynamo=True,
            verbose=False,
            input_names=list(input_names),
            output_names=list(output_names),
            dynamic_shapes=tuple(shapes) if dynamic else None,
            opset_version=OPTIONS["opset"],
            optimize=bool(OPTIONS["optimize"]),
        )
        program.save(directory / FILE, external_data=True)


def _grown(example: Tensor, axes: Mapping[int, str]) -> Tensor:
    """Return an example with at least two of whatever may vary: the exporter takes a size of 1 for fixed."""
    for axis in axes:
        if example.shape[axis] == 1:
            example = example.repeat_interleave(2, axis)
    return example


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep the exporter's warnings and log from users, who can do nothing about them."""
    loggers = [logging.getLogger(name) for name in (*_TALKATIVE, *_children())]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def _children() -> list[str]:
    return [name for name in logging.root.manager.loggerDict if name.partition(".")[0] in _TALKATIVE and "." in name]
