"""The small network as ONNX: the same answers as in training, by whatever runtime, and small enough to ship."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="the extra `train` is not installed")
pytest.importorskip("onnx", reason="the extra `train` is not installed")

import torch

from maskbus import networks
from maskbus.models.nano_network import FACTS, FOLDER, IMAGE, PROMPT, NanoNetwork
from support.nano_network import tiny
from training.nano.export import export, halved
from training.nano.network import Nano
from training.nano.ship import BEGIN, CARD, END, MOST_BYTES

SIZE = 64


@pytest.fixture(scope="module")
def network() -> Nano:
    return tiny()


@pytest.fixture(scope="module")
def exported(network: Nano, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("nano")
    export(network, folder, SIZE)
    (folder / FACTS).write_text(json.dumps({"size": SIZE, "calibration": [[0.0, 1.0], [0.0, 1.0]]}))
    return folder


@pytest.mark.parametrize("runtime", networks.RUNTIMES[1:])
def test_every_runtime_answers_as_torch_does(runtime: str, exported: Path, network: Nano) -> None:
    if not networks.is_installed(runtime):
        pytest.skip(f"{runtime} is not installed")
    node = NanoNetwork(exported, runtime=runtime, threads=1)
    ready = halved(network)
    draw = np.random.default_rng(3)
    for _ in range(3):
        square = draw.integers(0, 256, (SIZE, SIZE, 3), np.uint8)
        prompt = (draw.random((5, SIZE // 2, SIZE // 2)) > 0.95).astype(np.float32)
        maps = node.look(square)
        logits, iou = node.answer(maps, prompt)
        with torch.inference_mode():
            wanted = ready.image(torch.from_numpy(square.transpose(2, 0, 1)[None].astype(np.float32) / 255))
            wanted_logits, wanted_iou = ready.prompt(*wanted, torch.from_numpy(prompt[None]))
        for one, other in zip(maps, wanted, strict=True):
            assert np.abs(one - other.numpy()).max() < 1e-3
        assert np.abs(logits - wanted_logits[0].numpy()).max() < 1e-3
        assert np.abs(iou - torch.sigmoid(wanted_iou[0]).numpy()).max() < 1e-3


def test_halved_weights_change_little(network: Nano) -> None:
    image = torch.rand(1, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(0))
    prompt = torch.zeros(1, 5, SIZE // 2, SIZE // 2)
    prompt[:, 0, 16, 16] = 1
    before = {name: weight.clone() for name, weight in network.state_dict().items()}
    with torch.inference_mode():
        full, small = network(image, prompt), halved(network)(image, prompt)
    assert (full[0] - small[0]).abs().max() < 0.05 * full[0].abs().max()
    # What is trained on stays as it is.
    assert all(torch.equal(weight, before[name]) for name, weight in network.state_dict().items())


def test_what_ships_is_small() -> None:
    assert (FOLDER / IMAGE).stat().st_size + (FOLDER / PROMPT).stat().st_size < MOST_BYTES


def test_what_ships_is_what_was_calibrated_and_is_on_the_card() -> None:
    facts = json.loads((FOLDER / FACTS).read_text())
    told = CARD.read_text().partition(BEGIN)[2].partition(END)[0]
    for name in (IMAGE, PROMPT):
        content = (FOLDER / name).read_bytes()
        digest = hashlib.sha256(content).hexdigest()
        assert facts["sha256"][name] == digest, "run `make ship-nano`"
        assert f"| `{name}` | {len(content)} | `{digest}` |" in told, "run `make ship-nano`"


def test_the_wheel_holds_the_network_and_nothing_of_its_training() -> None:
    wheel = pytest.importorskip("hatchling.builders.wheel", reason="the extra `dev` is not installed")
    root = Path(__file__).parents[2]
    held = {file.distribution_path for file in wheel.WheelBuilder(str(root)).recurse_included_files()}
    assert {f"maskbus/models/{name}" for name in (IMAGE, PROMPT, FACTS)} <= held
    assert {name.partition("/")[0] for name in held} == {"maskbus", "maskbus_wire", "maskbus_client"}
