"""FastSAM through a node: points, boxes, everything, and what it cannot do."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("onnx", reason="the extra `fast` is not installed")

from maskbus.handlers.fastsam import FastSam
from maskbus.testing import RunningNode, node
from maskbus_client import Client
from maskbus_client.errors import InvalidValue, ModelUnavailable, UnsupportedPrompt
from maskbus_client.progress import Progress
from support import fastsam

SQUARE = (slice(40, 120), slice(60, 200))


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningNode]:
    path = fastsam.write(tmp_path_factory.mktemp("fastsam") / "fastsam.onnx")
    with node({"fastsam": FastSam}, weights_dir=str(path.parent)) as running:
        yield running


@pytest.fixture
def client(running: RunningNode) -> Iterator[Client]:
    with running.client() as client:
        yield client


@pytest.fixture
def picture() -> np.ndarray:
    pixels = np.full((240, 320, 3), 30, np.uint8)
    pixels[SQUARE] = (255, 20, 20)
    pixels[160:220, 20:90] = (20, 240, 20)
    return pixels


def test_points_boxes_and_their_scores(client: Client, picture: np.ndarray) -> None:
    found = client.segment(picture, points=[(100, 80)])
    assert found.best.bbox == pytest.approx((60, 40, 140, 80), abs=2)
    assert found.best.predicted_iou == pytest.approx(fastsam.confidence((255, 20, 20)), abs=1e-3)
    found = client.segment(picture, boxes=[(20, 160, 89, 219), (230, 20, 300, 60)])
    assert [mask.area for mask in found] == [pytest.approx(60 * 70, rel=0.05), 0]
    assert len(client.segment(picture, points=[(300, 10)])) == 0


def test_everything_and_its_progress(client: Client, picture: np.ndarray) -> None:
    told: list[Progress] = []
    found = client.everything(picture, progress=told.append)
    for mask, box in zip(found, ((60, 40, 140, 80), (20, 160, 70, 60)), strict=True):
        assert mask.bbox == pytest.approx(box, abs=2)
    assert found.notes == []
    assert (told[-1].done, told[-1].total, told[-1].found) == (1, 1, 2)
    assert all(
        x <= mask.point[0] < x + w and y <= mask.point[1] < y + h for mask in found for x, y, w, h in [mask.bbox]
    )


def test_what_it_is_and_what_it_does_not_do(client: Client, picture: np.ndarray) -> None:
    (model,) = client.describe().models
    assert (model.name, model.licence) == ("fastsam", "Apache-2.0 AND AGPL-3.0-only")
    assert sorted(model.prompts) == ["boxes", "points"]
    with pytest.raises(UnsupportedPrompt, match="mask"):
        client.segment(picture, mask=np.ones((240, 320), np.bool_))
    with pytest.raises(InvalidValue, match="background"):
        client.segment(picture, points=[(100, 80)], labels=[0])


def test_a_missing_file_is_answered_in_a_sentence(tmp_path: Path, picture: np.ndarray) -> None:
    with (
        node({"fastsam": FastSam}, weights_dir=str(tmp_path)) as running,
        running.client() as client,
        pytest.raises(ModelUnavailable, match=r"(?i)there is no file .*fastsam\.onnx: docs/fastsam"),
    ):
        client.segment(picture, points=[(100, 80)])
