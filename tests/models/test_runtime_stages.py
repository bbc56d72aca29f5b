import logging

import pytest

pytest.importorskip("onnxruntime")
pytest.importorskip("onnxscript")
pytest.importorskip("openvino")

import torch

from maskbus.models.runtime import RuntimeSettings, cpu, prepare
from maskbus.models.runtime.network import Network
from support.networks import PICTURE, POINTS, Picture, Points, image, points

RUNTIMES = ("torch", "onnxruntime", "openvino")


@pytest.fixture(scope="module")
def cache_dir(tmp_path_factory):
    return tmp_path_factory.mktemp("exports") / "private"


@pytest.fixture(params=RUNTIMES)
def settings(request, cache_dir):
    return RuntimeSettings(request.param, "float32", threads=1, cache_dir=cache_dir)


def test_every_runtime_answers_as_torch(settings):
    module = Picture().eval()
    stage = prepare(module, [image()], settings=settings, **PICTURE)
    assert (stage.runtime, stage.dtype) == (settings.runtime, "float32")
    given = image(seed=1)
    with torch.no_grad():
        expected = Picture().eval()(given)
    outputs = stage([given])
    for output, wanted in zip(outputs, expected, strict=True):
        torch.testing.assert_close(output, wanted, rtol=0, atol=1e-5)
        assert output.dtype == torch.float32
        assert output.is_contiguous()


def test_an_answer_stays_as_it_is_when_the_next_is_computed(settings):
    stage = prepare(Picture().eval(), [image()], settings=settings, **PICTURE)
    first = stage([image(1)])
    kept = [output.clone() for output in first]
    stage([image(2)])
    assert all(torch.equal(now, before) for now, before in zip(first, kept, strict=True))


def test_inputs_need_not_be_contiguous_and_stay_as_they_are(settings):
    stage = prepare(Picture().eval(), [image()], settings=settings, **PICTURE)
    strided = image(1).permute(0, 1, 3, 2)
    before = strided.clone()
    torch.testing.assert_close(stage([strided])[0], stage([strided.contiguous()])[0], rtol=0, atol=1e-6)
    assert torch.equal(strided, before)


def test_sizes_may_vary_where_they_were_said_to(settings):
    stage = prepare(Points().eval(), points(1), settings=settings, **POINTS)
    kept = []
    for count in (1, 2, 7, 64, 3):
        given = points(count, seed=count)
        with torch.no_grad():
            expected = Points().eval()(*given)
        kept.append((stage(given)[0], expected))
    for output, expected in kept:
        torch.testing.assert_close(output, expected, rtol=0, atol=1e-5)


def test_torch_in_bfloat16_answers_float32_nearby(cache_dir):
    stage = prepare(
        Picture().eval(), [image()], settings=RuntimeSettings("torch", "bfloat16", cache_dir=cache_dir), **PICTURE
    )
    outputs = stage([image()])
    with torch.no_grad():
        expected = Picture().eval()(image())
    for output, wanted in zip(outputs, expected, strict=True):
        assert output.dtype == torch.float32
        assert output.is_contiguous()
        torch.testing.assert_close(output, wanted, rtol=0, atol=0.05)
        assert not torch.equal(output, wanted)


@pytest.mark.skipif(not cpu.has_bfloat16(), reason="this processor has no bfloat16")
def test_openvino_in_bfloat16_answers_float32_nearby(cache_dir):
    settings = RuntimeSettings("openvino", "bfloat16", threads=1, cache_dir=cache_dir)
    outputs = prepare(Picture().eval(), [image()], settings=settings, **PICTURE)([image()])
    with torch.no_grad():
        expected = Picture().eval()(image())
    for output, wanted in zip(outputs, expected, strict=True):
        assert output.dtype == torch.float32
        torch.testing.assert_close(output, wanted, rtol=0, atol=0.05)


def test_a_module_of_one_output_answers_a_tuple(cache_dir):
    stage = prepare(Points().eval(), points(2), settings=RuntimeSettings("torch", cache_dir=cache_dir), **POINTS)
    assert isinstance(stage(points(2)), tuple)
    assert stage.describe() == "torch float32"


def test_the_exporter_says_nothing_to_the_user(tmp_path, capfd, caplog, recwarn):
    caplog.set_level(logging.DEBUG)
    levels = [logging.getLogger(name).level for name in ("torch.onnx", "onnxscript")]
    Network(Points().eval(), points(2), "points", "", *_names()).export(tmp_path)
    assert [logging.getLogger(name).level for name in ("torch.onnx", "onnxscript")] == levels
    assert capfd.readouterr() == ("", "")
    assert not caplog.records
    assert not recwarn.list
    assert {path.name for path in tmp_path.iterdir()} == {"model.onnx", "model.onnx.data"}


def _names():
    return POINTS["input_names"], POINTS["output_names"], POINTS["dynamic_axes"]
