"""FastSAM by its authors' package, where it is installed; and what they make of the same network."""

from __future__ import annotations

import copy
import importlib.util
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

if importlib.util.find_spec("ultralytics") is None:
    pytest.skip("ultralytics (AGPL-3.0) is not installed: maskbus[fastsam-agpl]", allow_module_level=True)

from maskbus.contract import FreeJob, HandlerContract
from maskbus.handlers.fastsam_ultralytics import FastSamUltralytics
from maskbus.interfaces import Handler, Image, LoadContext, ModelUnavailable

SIDE = 256
CONF = 0.5


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Return a network of the smallest size with random weights, and objects that it is sure of."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("YOLO_OFFLINE", "true")
        patch.setenv("YOLO_AUTOINSTALL", "false")
        patch.setenv("YOLO_CONFIG_DIR", str(tmp_path_factory.mktemp("settings")))
        from ultralytics.nn.tasks import SegmentationModel

        torch.manual_seed(3)
        network = SegmentationModel("yolov8n-seg.yaml", nc=1, verbose=False)
        for module in network.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.momentum = None
                module.reset_running_stats()
        with torch.no_grad():
            network.train()(torch.from_numpy(noise(SIDE, SIDE)).permute(2, 0, 1)[None].float() / 255)
            head = network.eval().model[-1]
            for branch, factor in ((head.cv2, 40.0), (head.cv3, 20.0), (head.cv4, 6.0)):
                for layers in branch:
                    layers[-1].weight.mul_(factor)
            for layers in head.cv3:
                layers[-1].bias.fill_(-1.0)
        yield network


@pytest.fixture(scope="module")
def weights(network: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    from safetensors.torch import save_file

    path = tmp_path_factory.mktemp("weights") / "fastsam.safetensors"
    save_file(network.state_dict(), path)
    return path


def load(path: Path, **options: Any) -> FastSamUltralytics:
    given = {"weights": str(path), "input_side": SIDE, "conf": CONF, **options}
    return FastSamUltralytics(LoadContext(model="fastsam-ultralytics", threads=2, options=given))


@pytest.fixture(scope="module")
def handler(weights: Path) -> Iterator[FastSamUltralytics]:
    loaded = load(weights)
    yield loaded
    loaded.close()


def noise(height: int, width: int) -> np.ndarray:
    import cv2

    coarse = np.random.default_rng(4).integers(0, 256, (8, 8, 3), np.uint8)
    return np.asarray(cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC), np.uint8)


class TestFastSamUltralytics(HandlerContract):
    handler = FastSamUltralytics

    @pytest.fixture(autouse=True)
    def _loaded(self, handler: Handler) -> None:
        self.loaded = handler

    def make(self) -> Handler:
        return self.loaded

    def context(self) -> LoadContext:
        return self.loaded.context


@pytest.mark.parametrize(("height", "width"), [(256, 256), (192, 256), (1080, 1920), (640, 480)])
def test_the_same_objects_as_the_authors_predictor(network: Any, handler: Handler, height: int, width: int) -> None:
    from ultralytics.models.fastsam import FastSAMPredictor

    photo = noise(height, width)
    overrides = {"imgsz": SIDE, "conf": CONF, "iou": 0.9, "retina_masks": True, "verbose": False, "device": "cpu"}
    predictor = FastSAMPredictor(overrides={**overrides, "save": False, "mode": "predict", "rect": True})
    predictor.setup_model(copy.deepcopy(network), verbose=False)  # it fuses layers, which rounds otherwise
    predictor.model.format = "pt"  # of others it makes squares
    (answer,) = predictor(photo[:, :, ::-1])
    masks = answer.masks.data.numpy().astype(bool)

    (found,) = handler.embed([Image(photo)], FreeJob())
    cuts = [found.cut(which, 1.0) for which in range(len(found))]  # type: ignore[attr-defined]
    ours = [(sure, cut) for sure, cut in zip(found.confidence, cuts, strict=True) if cut.mask.any()]  # type: ignore[attr-defined]
    assert len(ours) == len(masks) > 20
    assert np.allclose([sure for sure, _ in ours], answer.boxes.conf.numpy(), atol=1e-3)
    same = []
    for mask, (_, cut) in zip(masks, ours, strict=True):
        full = np.zeros((height, width), np.bool_)
        full[cut.y : cut.y + cut.mask.shape[0], cut.x : cut.x + cut.mask.shape[1]] = cut.mask
        same.append((full & mask).sum() / (full | mask).sum())
    print(f"IoU: {np.mean(same):.5f} on the average, {np.min(same):.3f} at least")
    # Where the grey around the photo is no whole number of cells, the authors scale logits twice, and we once.
    assert np.median(same) > 0.999  # a few that are equally sure come in another order


def test_published_files_are_not_opened(network: Any, tmp_path: Path) -> None:
    torch.save({"model": network}, tmp_path / "FastSAM-s.pt")
    with pytest.raises(ModelUnavailable, match=r"could run code\. A published FastSAM file is converted by: python -c"):
        load(tmp_path / "FastSAM-s.pt")
    torch.save(network.state_dict(), tmp_path / "state.pt")
    assert load(tmp_path / "state.pt").weights_digest


def test_weights_of_something_else_are_refused(tmp_path: Path) -> None:
    torch.save({"model.0.conv.weight": torch.zeros(7, 3, 3, 3)}, tmp_path / "other.pt")
    with pytest.raises(ModelUnavailable, match="is not of FastSAM"):
        load(tmp_path / "other.pt")
    torch.save({"model.0.conv.weight": torch.zeros(16, 3, 3, 3)}, tmp_path / "other.pt")
    with pytest.raises(ModelUnavailable, match="is not of FastSAM: it has no"):
        load(tmp_path / "other.pt")


def test_the_package_is_not_imported_with_the_handler() -> None:
    code = "import sys, maskbus.handlers.fastsam_ultralytics; sys.exit('ultralytics' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False, env=os.environ).returncode == 0
