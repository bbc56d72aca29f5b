import json
import os
import subprocess
import sys

import pytest
import torch

from maskbus.interfaces import ModelUnavailable
from maskbus.models.runtime import (
    RuntimeSettings,
    candidate,
    choose,
    cpu,
    export,
    measure,
    preparation,
    prepare,
)
from maskbus.models.runtime.torch_stage import TorchStage
from support.networks import PICTURE, Picture, image


class Stand(TorchStage):
    """Stands for a compiled network: answers as torch, after having read what was exported."""

    def __init__(self, module, runtime, dtype, path):
        super().__init__(module, "float32", RuntimeSettings())
        assert path.read_bytes() == b"network"
        self.runtime, self.dtype = runtime, dtype


class Rig:
    """Everything is installed, the processor has bfloat16, and every runtime works unless it is in `fails`."""

    def __init__(self, cache_dir):
        self.cache_dir = cache_dir
        self.fails = {}
        self.built = []
        self.seconds = {"openvino": 0.2, "onnxruntime": 0.3, "torch": 1.0}

    def openvino(self, path, dtype, threads, compiled_dir):
        (compiled_dir / "1.blob").write_bytes(b"compiled")
        return self.build("openvino", dtype, path)

    def onnxruntime(self, path, threads):
        return self.build("onnxruntime", "float32", path)

    def build(self, runtime, dtype, path):
        self.built.append(f"{runtime} {dtype}")
        if runtime in self.fails:
            raise self.fails[runtime]
        return Stand(Picture().eval(), runtime, dtype, path)

    def prepare(self, runtime="auto", dtype="auto", agrees=None, cache_dir=None):
        settings = RuntimeSettings(runtime, dtype, cache_dir=cache_dir or self.cache_dir)
        return prepare(Picture().eval(), [image()], settings=settings, agrees=agrees, **PICTURE)


@pytest.fixture
def rig(monkeypatch, tmp_path):
    made = Rig(tmp_path / "exports")

    def timed(stage, inputs):
        return measure.Measured(made.seconds[stage.runtime], stage(inputs))

    def write(module, examples, directory, *names):
        (directory / export.FILE).write_bytes(b"network")

    monkeypatch.setattr(candidate, "find_spec", lambda _: True)
    monkeypatch.setattr(cpu, "has_bfloat16", lambda: True)
    monkeypatch.setattr(export, "export", write)
    monkeypatch.setattr(preparation, "OpenVinoStage", made.openvino)
    monkeypatch.setattr(preparation, "OnnxStage", made.onnxruntime)
    monkeypatch.setattr(choose, "measure", timed)
    return made


def test_reduced_precision_is_chosen_where_masks_agree_and_remembered(rig, caplog):
    caplog.set_level("INFO")
    asked = []

    def agrees(candidate, reference):
        asked.append((candidate.dtype, reference.describe()))
        return 0.995

    assert rig.prepare(agrees=agrees).describe() == "openvino bfloat16, 200 ms"
    assert asked == [("bfloat16", "torch float32")] * 2, "of openvino and of torch"
    assert (
        "picture: openvino bfloat16, 200 ms a call, agreement 0.9950 with float32 (torch float32 1000 ms" in caplog.text
    )
    rig.built.clear()
    assert rig.prepare(agrees=agrees).describe() == "openvino bfloat16, 200 ms"
    assert len(asked) == 2
    assert rig.built == ["openvino bfloat16"]
    assert "as measured earlier" in caplog.messages[-1]


def test_float32_is_chosen_where_masks_do_not_agree(rig):
    assert str(rig.prepare(agrees=lambda *_: 0.9).describe()) == "openvino float32, 200 ms"
    assert rig.prepare(agrees=lambda *_: 0.9).dtype == "float32"


def test_nothing_is_computed_in_less_than_float32_if_nobody_compares(rig):
    rig.prepare()
    assert rig.built[:2] == ["openvino float32", "onnxruntime float32"]
    assert not any("bfloat16" in built for built in rig.built)


def test_a_runtime_that_fails_is_skipped_with_one_line(rig, caplog):
    rig.fails["openvino"] = RuntimeError("No such operation: Frobnicate\nat line 3")
    assert rig.prepare().runtime == "onnxruntime"
    warned = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert warned == ["picture does without openvino float32: No such operation: Frobnicate"]


def test_an_export_that_fails_leaves_torch_and_nothing_half_made(rig, monkeypatch):
    def fail(module, examples, directory, *names):
        (directory / export.FILE).write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(export, "export", fail)
    assert rig.prepare().runtime == "torch"
    (folder,) = rig.cache_dir.glob("picture-*")
    assert [path.name for path in folder.iterdir()] == ["about.json"]


def test_a_runtime_that_is_named_and_fails_is_an_error(rig):
    rig.fails["openvino"] = RuntimeError("No such operation: Frobnicate")
    with pytest.raises(ModelUnavailable) as caught:
        rig.prepare("openvino", "float32")
    assert str(caught.value) == (
        "picture cannot be computed as configured. openvino float32: No such operation: Frobnicate"
    )


def test_what_was_chosen_and_no_longer_works_is_chosen_anew(rig, caplog):
    assert rig.prepare().runtime == "openvino"
    rig.fails["openvino"] = RuntimeError("Illegal instruction.")
    assert rig.prepare().runtime == "onnxruntime"
    assert "picture is no longer as it was measured: Illegal instruction." in caplog.messages
    rig.built.clear()
    assert rig.prepare().runtime == "onnxruntime"
    assert rig.built == ["onnxruntime float32"]


def test_only_what_is_used_stays_compiled(rig):
    rig.prepare(agrees=lambda *_: 0.9)
    (folder,) = rig.cache_dir.glob("picture-*")
    assert [path.name for path in (folder / "compiled").iterdir()] == ["float32"]
    (folder / "compiled" / "float32" / "1.blob").write_bytes(b"torn")
    rig.built.clear()
    assert rig.prepare(agrees=lambda *_: 0.9).runtime == "openvino"
    assert (folder / "compiled" / "float32" / "1.blob").read_bytes() == b"compiled"


def test_a_candidate_that_twice_took_the_process_with_it_is_not_tried_again(rig):
    rig.prepare("onnxruntime")
    (about,) = rig.cache_dir.glob("picture-*/about.json")
    about.write_text(json.dumps({**json.loads(about.read_text()), "died with openvino float32": 2}))
    rig.built.clear()
    assert rig.prepare().runtime == "onnxruntime"
    assert rig.built == ["onnxruntime float32"] * 2


def test_a_start_that_the_user_interrupts_counts_against_nobody(rig):
    rig.fails["openvino"] = KeyboardInterrupt()
    for _ in range(3):
        with pytest.raises(KeyboardInterrupt):
            rig.prepare()
    rig.fails.clear()
    assert rig.prepare().runtime == "openvino"


@pytest.mark.skipif(os.name == "nt", reason="modes are those of POSIX")
def test_without_a_directory_for_exports_there_is_torch(rig, tmp_path, caplog):
    (tmp_path / "file").write_text("")
    assert rig.prepare(cache_dir=tmp_path / "file").describe() == "torch float32"
    assert "picture keeps no exports" in caplog.text
    (tmp_path / "open").mkdir(mode=0o755)
    with pytest.raises(ModelUnavailable, match="set cache_dir to another"):
        rig.prepare("openvino", cache_dir=tmp_path / "open")


def test_torch_alone_in_one_precision_needs_no_cache(rig):
    assert rig.prepare("torch", "bfloat16").describe() == "torch bfloat16"
    assert not rig.cache_dir.exists()


def test_no_cuda_device(monkeypatch, tmp_path):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ModelUnavailable, match='device = "cuda:0", but torch finds no CUDA device'):
        prepare(Picture(), [image()], settings=RuntimeSettings(device="cuda:0", cache_dir=tmp_path), **PICTURE)


SILENT = """
import socket, sys
def refused(*arguments, **named):
    raise SystemExit(f"network: {arguments}")
socket.socket.connect = socket.getaddrinfo = refused
from maskbus.models.runtime.openvino_stage import silent_openvino
openvino = silent_openvino()
openvino.Core().available_devices
assert sys.modules["openvino_telemetry"] is None and sys.modules["openvino.tools.ovc"] is None
assert not [name for name in sys.modules if name.startswith(("openvino_telemetry.", "openvino.tools.ovc."))]
"""


def test_openvino_reports_to_nobody(tmp_path):
    pytest.importorskip("openvino")
    environment = {**os.environ, "HOME": str(tmp_path), "LOCALAPPDATA": str(tmp_path)}
    ended = subprocess.run([sys.executable, "-c", SILENT], env=environment, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    assert not list(tmp_path.iterdir()), "not even an identity to report under"
