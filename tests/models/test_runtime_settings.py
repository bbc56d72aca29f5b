from pathlib import Path

import pytest

from maskbus.interfaces import LoadContext, ModelUnavailable
from maskbus.models.runtime import RuntimeSettings, candidate, cpu
from maskbus.models.runtime.candidate import Candidate, candidates


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"runtime": "tensorrt"}, 'runtime = "tensorrt" is unknown; use one of auto, torch, onnxruntime, openvino.'),
        ({"dtype": "int8"}, 'dtype = "int8" is unknown'),
        ({"device": "tpu"}, 'device = "tpu" is unknown'),
        ({"threads": -1}, "threads = -1 must be 0 or more"),
        ({"runtime": "openvino", "device": "cuda:1"}, 'computes on the CPU only; use "torch" on cuda:1'),
        ({"dtype": "float16"}, 'dtype = "float16" is for CUDA devices'),
        ({"dtype": "bfloat16", "runtime": "onnxruntime"}, "computes in float32 only"),
    ],
)
def test_what_cannot_be_is_said_in_a_sentence(wrong, says):
    with pytest.raises(ModelUnavailable) as caught:
        RuntimeSettings(**wrong)
    assert says in str(caught.value)
    assert str(caught.value).endswith(".")


def test_they_are_read_from_the_model_s_table():
    options = {"runtime": "torch", "dtype": "bfloat16", "cache_dir": "~/exports", "compile": True, "weights": "x.pt"}
    settings = RuntimeSettings.of(LoadContext("sam", device="cpu", threads=3, options=options))
    assert settings == RuntimeSettings("torch", "bfloat16", "cpu", 3, Path.home() / "exports", compile=True)


def test_what_is_left_empty_is_as_if_left_out():
    assert RuntimeSettings.of(LoadContext("sam", options={"cache_dir": "", "runtime": ""})) == RuntimeSettings()


@pytest.mark.parametrize(
    ("options", "says"), [({"runtime": 1}, "runtime = 1 must be text."), ({"compile": "yes"}, "must be true or false.")]
)
def test_a_value_of_another_kind_is_refused(options, says):
    with pytest.raises(ModelUnavailable, match=says):
        RuntimeSettings.of(LoadContext("sam", options=options))


def test_a_decoder_s_settings_differ_in_precision_alone():
    assert RuntimeSettings("openvino", threads=2).in_float32() == RuntimeSettings("openvino", "float32", threads=2)


def named(settings, can_compare=True):
    return [str(found) for found in candidates(settings, can_compare=can_compare)]


def test_auto_tries_reduced_precision_first_where_the_processor_has_it(monkeypatch):
    monkeypatch.setattr(candidate, "find_spec", lambda _: True)
    monkeypatch.setattr(cpu, "has_bfloat16", lambda: True)
    plain = ["openvino float32", "onnxruntime float32", "torch float32"]
    assert named(RuntimeSettings()) == ["openvino bfloat16", "torch bfloat16", *plain]
    assert named(RuntimeSettings(), can_compare=False) == plain
    assert named(RuntimeSettings().in_float32()) == plain
    assert named(RuntimeSettings("openvino")) == ["openvino bfloat16", "openvino float32"]
    monkeypatch.setattr(cpu, "has_bfloat16", lambda: False)
    assert named(RuntimeSettings()) == plain


def test_on_a_cuda_device_there_is_torch_alone():
    assert named(RuntimeSettings(device="cuda")) == ["torch float16", "torch bfloat16", "torch float32"]
    assert named(RuntimeSettings(device="cuda:0", dtype="float16"), can_compare=False) == ["torch float16"]


def test_auto_does_without_what_is_not_installed(monkeypatch):
    monkeypatch.setattr(cpu, "has_bfloat16", lambda: True)
    monkeypatch.setattr(candidate, "find_spec", lambda name: None if name in ("openvino", "onnxruntime") else True)
    assert named(RuntimeSettings()) == ["torch bfloat16", "torch float32"]


@pytest.mark.parametrize("runtime", ["onnxruntime", "openvino"])
def test_a_runtime_that_is_named_and_not_installed_says_what_to_install(monkeypatch, runtime):
    monkeypatch.setattr(candidate, "find_spec", lambda name: None if name == runtime else True)
    with pytest.raises(ModelUnavailable) as caught:
        candidates(RuntimeSettings(runtime), can_compare=True)
    assert str(caught.value) == (
        f"runtime = \"{runtime}\" needs {runtime}, not installed here: pip install 'maskbus[fast]'"
    )


def test_bfloat16_that_is_asked_for_on_a_processor_without(monkeypatch):
    monkeypatch.setattr(candidate, "find_spec", lambda _: True)
    monkeypatch.setattr(cpu, "has_bfloat16", lambda: False)
    assert candidates(RuntimeSettings("auto", "bfloat16"), can_compare=False) == [Candidate("torch", "bfloat16")]
    with pytest.raises(ModelUnavailable, match="nothing that openvino computes in on this processor"):
        candidates(RuntimeSettings("openvino", "bfloat16"), can_compare=False)


@pytest.mark.parametrize(
    ("text", "has"),
    [
        ("flags\t\t: fpu avx2 avx512_bf16\nmodel name\t: A\n\nflags: fpu\n", True),
        ("Features\t: fp asimd bf16\n", True),
        ("flags\t: fpu avx2 avx512f\n", False),
        ("", False),
    ],
)
def test_the_processor_s_flags_tell_whether_it_has_bfloat16(monkeypatch, tmp_path, text, has):
    (tmp_path / "cpuinfo").write_text(text)
    monkeypatch.setattr(cpu, "_CPUINFO", tmp_path / "cpuinfo")
    cpu._described.cache_clear()
    try:
        assert cpu.has_bfloat16() is has
        assert cpu.name()
    finally:
        cpu._described.cache_clear()
