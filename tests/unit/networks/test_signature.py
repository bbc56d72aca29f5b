"""What an ONNX file says of itself."""

from __future__ import annotations

import contextlib
import random
from pathlib import Path

import numpy as np
import pytest

onnx = pytest.importorskip("onnx", reason="the extra `fast` is not installed")

from maskbus.interfaces import ModelUnavailable  # noqa: E402
from maskbus.networks import signature  # noqa: E402
from support import fastsam  # noqa: E402


def test_names_sides_and_types_are_read(tmp_path: Path) -> None:
    found = signature.read(fastsam.write(tmp_path / "fixed.onnx"))
    assert str(found) == (
        "takes images (1, 3, 512, 512) float32 and gives output0 (1, 37, 256) float32, protos (1, 32, 128, 128) float32"
    )
    assert found.inputs[0].dtype == np.float32
    free = signature.read(fastsam.write(tmp_path / "free.onnx", None))
    assert free.inputs[0].shape == (1, 3, None, None)
    assert [port.shape for port in free.outputs] == [(1, 37, None), (1, 32, None, None)]


def test_weights_that_early_files_name_among_the_inputs_are_none(tmp_path: Path) -> None:
    model = onnx.load(fastsam.write(tmp_path / "n.onnx"))
    for weight in model.graph.initializer:
        model.graph.input.append(onnx.helper.make_tensor_value_info(weight.name, weight.data_type, weight.dims))
    onnx.save(model, tmp_path / "early.onnx")
    assert signature.read(tmp_path / "early.onnx") == signature.read(tmp_path / "n.onnx")


def test_what_is_no_network_is_refused_in_a_sentence(tmp_path: Path) -> None:
    path = tmp_path / "n.onnx"
    with pytest.raises(ModelUnavailable, match=r"There is no file .*n\.onnx\."):
        signature.read(path)
    with pytest.raises(ModelUnavailable, match="cannot be read"):
        signature.read(tmp_path)
    for content in (b"", b"\0", b"PK\x03\x04 a zip archive", b"<html>Not found</html>", b"\xff" * 100, b"\x08\x07"):
        path.write_bytes(content)
        with pytest.raises(ModelUnavailable, match=r"n\.onnx is damaged, or no ONNX file\."):
            signature.read(path)


def test_a_file_that_is_not_all_there_is_refused(tmp_path: Path) -> None:
    path = fastsam.write(tmp_path / "n.onnx")
    whole = path.read_bytes()
    graph_ends = len(whole) - 10  # what comes after it is small
    for size in random.Random(1).sample(range(1, graph_ends), 100):
        path.write_bytes(whole[:size])
        with pytest.raises(ModelUnavailable, match="is damaged, or no ONNX file"):
            signature.read(path)


def test_bytes_that_have_changed_never_raise_anything_else(tmp_path: Path) -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    chance = random.Random(seed)
    path = fastsam.write(tmp_path / "n.onnx")
    whole = path.read_bytes()
    for _ in range(150):
        changed = bytearray(whole)
        for at in chance.sample(range(len(whole)), 3):
            changed[at] = chance.randrange(256)
        path.write_bytes(changed)
        with contextlib.suppress(ModelUnavailable):
            signature.read(path)
