import math

import pytest
import torch

from maskbus.models.runtime import Stage
from maskbus.models.runtime import choose as choosing
from maskbus.models.runtime.candidate import REFERENCE, Candidate
from maskbus.models.runtime.choose import choose
from maskbus.models.runtime.measure import Measured, Remembered, difference

BF16 = Candidate("openvino", "bfloat16")
OPENVINO = Candidate("openvino", "float32")
ORT = Candidate("onnxruntime", "float32")
EXAMPLES = (torch.arange(6.0),)


class Fake(Stage):
    """Doubles its input, with an error; `seconds` is what measuring it finds."""

    def __init__(self, candidate, seconds, error=0.0):
        self.runtime, self.dtype, self.seconds, self.error = candidate.runtime, candidate.dtype, seconds, error
        self.calls = 0

    def __call__(self, inputs):
        self.calls += 1
        return (inputs[0] * 2 + self.error,)


@pytest.fixture
def rig(monkeypatch):
    """Choose among fakes, each of which takes as long as it says."""
    monkeypatch.setattr(choosing, "measure", lambda stage, inputs: Measured(stage.seconds, stage(inputs)))

    def run(stages, agrees=None, order=None, **options):
        def build(candidate):
            made = stages.get(candidate, RuntimeError("Unsupported operation.\nA long tale."))
            if isinstance(made, Exception):
                raise made
            return made

        stages.setdefault(REFERENCE, Fake(REFERENCE, 1.0))
        return choose("net", order or list(stages), build, EXAMPLES, agrees, report=lambda _: None, **options)

    return run


def test_the_fastest_is_chosen(rig):
    choice = rig({OPENVINO: Fake(OPENVINO, 0.5), ORT: Fake(ORT, 0.3)})
    assert choice.candidate == ORT
    assert choice.seconds == {"openvino float32": 0.5, "onnxruntime float32": 0.3, "torch float32": 1.0}
    assert choice.sentence() == "onnxruntime float32, 300 ms a call (torch float32 1000 ms; openvino float32 500 ms)"


def test_of_two_that_measure_alike_the_one_first_in_order_is_chosen(rig):
    assert rig({OPENVINO: Fake(OPENVINO, 0.50), ORT: Fake(ORT, 0.49)}).candidate == OPENVINO


def test_reduced_precision_whose_masks_agree_is_taken_and_its_float32_not_tried(rig):
    plain = Fake(OPENVINO, 0.5)
    choice = rig({BF16: Fake(BF16, 0.2), OPENVINO: plain}, agrees=lambda candidate, reference: 0.995)
    assert choice.candidate == BF16
    assert choice.agreement == {"openvino bfloat16": 0.995}
    assert "agreement 0.9950 with float32" in choice.sentence()
    assert plain.calls == 0


@pytest.mark.parametrize("score", [0.9, math.nan])
def test_reduced_precision_whose_masks_do_not_agree_is_refused_however_fast(rig, caplog, score):
    choice = rig({BF16: Fake(BF16, 0.01), OPENVINO: Fake(OPENVINO, 0.5)}, agrees=lambda candidate, reference: score)
    assert choice.candidate == OPENVINO
    assert "0.99 is needed" in choice.refused["openvino bfloat16"]
    assert "net does without openvino bfloat16" in caplog.text


def test_reduced_precision_that_the_user_named_is_taken_and_its_agreement_told(rig):
    choice = rig({BF16: Fake(BF16, 0.2)}, lambda candidate, reference: 0.9, order=[BF16], trusted=True)
    assert choice.candidate == BF16
    assert choice.agreement == {"openvino bfloat16": 0.9}


def test_float32_that_computes_something_else_is_refused(rig):
    choice = rig({OPENVINO: Fake(OPENVINO, 0.1, error=0.5), ORT: Fake(ORT, 0.4, error=1e-4)})
    assert choice.candidate == ORT
    assert "away from torch's" in choice.refused["openvino float32"]


def test_what_fails_is_skipped_with_one_line(rig, caplog):
    choice = rig({OPENVINO: RuntimeError("Unsupported operation.\nA long tale."), ORT: Fake(ORT, 0.4)})
    assert choice.candidate == ORT
    assert caplog.messages == ["net does without openvino float32: Unsupported operation."]


def test_where_nothing_works_nothing_is_chosen(rig):
    choice = rig({}, order=[OPENVINO])
    assert not choice.runtime
    assert choice.refused == {"openvino float32": "Unsupported operation."}


def test_after_a_while_what_works_is_enough(rig, monkeypatch):
    monkeypatch.setattr(choosing, "_SECONDS", -1.0)
    late = Fake(ORT, 0.1)
    broken = RuntimeError("no")
    choice = rig({BF16: broken, OPENVINO: Fake(OPENVINO, 0.5), ORT: late}, agrees=lambda *_: 1.0)
    assert choice.candidate == OPENVINO
    assert late.calls == 0


def test_the_reference_computes_the_same_inputs_once():
    stage = Fake(REFERENCE, 1.0)
    remembered = Remembered(stage, EXAMPLES, stage(EXAMPLES))
    assert torch.equal(remembered([EXAMPLES[0].clone()])[0], EXAMPLES[0] * 2)
    assert stage.calls == 1
    other = [torch.ones(6)]
    assert torch.equal(remembered(other)[0], other[0] * 2)
    other[0] += 1
    assert torch.equal(remembered(other)[0], other[0] * 2), "the caller may use its memory again"
    assert stage.calls == 3


def test_difference():
    one = torch.tensor([1.0, -4.0])
    assert difference([one], [one]) == 0
    assert difference([one + 0.4], [one]) == pytest.approx(0.1)
    assert difference([one], [one, one]) == math.inf
    assert difference([one[:1]], [one]) == math.inf
    assert difference([one * math.nan], [one]) == math.inf
    assert difference([torch.zeros(0)], [torch.zeros(0)]) == 0
