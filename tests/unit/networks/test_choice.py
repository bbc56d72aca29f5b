"""Networks by whatever runtime is there."""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("onnx", reason="the extra `fast` is not installed")

from maskbus import networks
from maskbus.interfaces import ModelUnavailable
from maskbus.networks import choice
from maskbus.networks.network import Array, Network
from maskbus.networks.signature import Port, Signature
from support import fastsam

THREE = networks.RUNTIMES[1:]
EXAMPLE = [np.random.default_rng(0).random((1, 3, 512, 512), np.float32)]


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return fastsam.write(tmp_path_factory.mktemp("networks") / "known.onnx")


def test_all_runtimes_agree(known: Path) -> None:
    answers = [networks.load(known, EXAMPLE, runtime=runtime, threads=1)(EXAMPLE) for runtime in THREE]
    for answer in answers:
        assert [output.shape for output in answer] == [(1, 37, 256), (1, 32, 128, 128)]
        for output, other in zip(answer, answers[0], strict=True):
            assert output.dtype == np.float32
            assert np.allclose(output, other, atol=1e-3)


@pytest.mark.parametrize("runtime", THREE)
def test_any_size_where_the_file_takes_it(runtime: str, tmp_path: Path) -> None:
    network = networks.load(fastsam.write(tmp_path / "n.onnx", None), EXAMPLE, runtime=runtime)
    first = network(EXAMPLE)
    for height, width in ((64, 256), (320, 32), (512, 512)):
        output, prototypes = network([np.resize(EXAMPLE[0], (1, 3, height, width))])
        assert output.shape == (1, 37, height // 32 * (width // 32))
        assert prototypes.shape == (1, 32, height // 4, width // 4)
    # Answers are their own: those that came later have not changed them.
    assert all(np.allclose(one, other) for one, other in zip(first, network(EXAMPLE), strict=True))


@pytest.mark.parametrize("runtime", THREE)
def test_inputs_of_another_type_or_order_in_memory(runtime: str, known: Path) -> None:
    network = networks.load(known, EXAMPLE, runtime=runtime)
    expected = network(EXAMPLE)
    for given in (EXAMPLE[0].astype(np.float64), np.asfortranarray(EXAMPLE[0])):
        assert all(np.allclose(one, other, atol=1e-4) for one, other in zip(network([given]), expected, strict=True))


@pytest.mark.parametrize("runtime", THREE)
@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="there is no list of open files")
def test_the_file_may_go_once_the_network_is_there(runtime: str, tmp_path: Path) -> None:
    path = fastsam.write(tmp_path / "n.onnx")
    path.chmod(0o400)
    network = networks.load(path, EXAMPLE, runtime=runtime)
    opened = [os.readlink(entry) for entry in Path("/proc/self/fd").iterdir() if entry.exists()]
    assert str(path) not in opened
    path.unlink()
    assert network(EXAMPLE)[0].shape == (1, 37, 256)


def test_the_fastest_is_chosen_and_said(known: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "maskbus.networks"):
        assert networks.load(known, EXAMPLE).runtime in THREE
    (said,) = caplog.messages
    assert all(f"{runtime} " in said for runtime in THREE)


class Pretended(Network):
    """Answers without a file, some of it after a while."""

    answer = 1.0

    def _build(self, path: Path, threads: int) -> None: ...

    def _compute(self, inputs: list[Array]) -> list[Array]:
        return [np.array([[self.answer, 1000.0]], np.float32)]


def pretend(monkeypatch: pytest.MonkeyPatch, **kinds: type[Network]) -> None:
    monkeypatch.setattr(choice, "_NETWORKS", dict(kinds))
    monkeypatch.setattr(choice, "is_installed", lambda _: True)
    signature = Signature((Port("x", (1,), np.dtype(np.float32)),), (Port("y", (1, 2), np.dtype(np.float32)),))
    monkeypatch.setattr(choice.signature, "read", lambda _: signature)


def kind(name: str, **attributes: Any) -> type[Network]:
    return type(name, (Pretended,), {"runtime": name, **attributes})


def broken(*_: object) -> None:
    raise RuntimeError("no such operator\nand much more")


def test_one_that_fails_or_answers_otherwise_is_not_chosen(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    # The quick ones are wrong; that one channel is so is not hidden by another's large values.
    monkeypatch.setattr(choice, "_seconds", lambda network, *_: {"first": 3.0}.get(network.runtime, 1.0))
    pretend(monkeypatch, broken=kind("broken", _build=broken), first=kind("first"), other=kind("other", answer=1.5))
    assert networks.load(Path("n.onnx"), [np.zeros(1)]).runtime == "first"
    assert caplog.messages == [
        "broken is not used for n.onnx: no such operator",
        "other is not used for n.onnx: its outputs are 0.5 of the largest value away from those of first.",
    ]
    pretend(monkeypatch, first=kind("first"), other=kind("other", answer=1.001), nan=kind("nan", answer=np.nan))
    assert networks.load(Path("n.onnx"), [np.zeros(1)]).runtime == "other"


def test_where_none_works_each_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    pretend(monkeypatch, one=kind("one", _build=broken), two=kind("two", _compute=broken))
    with pytest.raises(ModelUnavailable, match=r"can compute n\.onnx: one: no such operator; two: no such operator$"):
        networks.load(Path("n.onnx"), [np.zeros(1)])


def test_a_runtime_that_is_not_there_is_named(known: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ModelUnavailable, match="runtime = 'torch' is unknown; use one of auto, onnxruntime"):
        networks.load(known, EXAMPLE, runtime="torch")
    monkeypatch.setattr(choice.importlib.util, "find_spec", lambda name: None if name == "openvino" else True)
    with pytest.raises(ModelUnavailable, match='runtime = "openvino" is not installed: pip install openvino'):
        networks.load(known, EXAMPLE, runtime="openvino")
    assert networks.load(known, EXAMPLE).runtime in {"onnxruntime", "opencv"}


@pytest.mark.parametrize("runtime", THREE)
def test_a_network_that_cannot_be_computed_is_refused_in_a_sentence(runtime: str, tmp_path: Path) -> None:
    path = fastsam.write(tmp_path / "n.onnx")
    path.write_bytes(path.read_bytes().replace(b"CumSum", b"CumSim"))
    with pytest.raises(ModelUnavailable, match=rf"^{runtime} cannot compute .*n\.onnx: .+") as refused:
        networks.load(path, EXAMPLE, runtime=runtime)
    assert "\n" not in str(refused.value)


def test_nothing_heavy_is_imported_before_it_is_needed() -> None:
    import subprocess

    code = (
        "import maskbus.networks, sys; sys.exit(bool({'torch', 'cv2', 'onnxruntime', 'openvino'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
