"""What simulated cameras deliver, rightly and wrongly."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from maskbus.simulator import clip, overlap
from maskbus.simulator.camera import Faults, SimulatedCamera
from maskbus.simulator.scene import Scene
from maskbus_wire import compressed_image

PIXELS = 1_000_000


def decoded(data: object) -> np.ndarray:
    assert isinstance(data, bytes)
    return compressed_image.decode(data, max_pixels=PIXELS)[0][:, :, ::-1]


def test_jpeg_frames_look_like_raw_ones() -> None:
    jpeg, raw = (SimulatedCamera(160, 120, 30, moving=True, encoding=encoding) for encoding in ("jpeg", "raw"))
    picture = raw.frame(40)
    assert isinstance(picture, np.ndarray)
    assert np.abs(decoded(jpeg.frame(40)).astype(int) - picture).mean() < 6
    assert np.array_equal(raw.truth(40).rgb, picture)


def test_a_tick_is_the_time_in_the_scene() -> None:
    camera = SimulatedCamera(160, 120, 30, moving=True, encoding="raw")
    assert np.array_equal(camera.frame(90, tick=3), camera.frame(3))
    assert not np.array_equal(camera.frame(90), camera.frame(3))


def test_a_still_scene_costs_nothing_and_is_not_frozen() -> None:
    camera = SimulatedCamera(160, 120, 30)
    frames = [camera.frame(number) for number in range(16)]
    assert len({frame for frame in frames if isinstance(frame, bytes)}) == 8
    assert frames[3] is frames[11]
    assert np.array_equal(camera.truth(3).labels, camera.truth(4).labels)
    assert np.array_equal(camera.truth(3).labels, camera.scene.view(0.0).labels)


def test_garbage_says_what_it_is_and_cannot_be_decoded() -> None:
    camera = SimulatedCamera(160, 120, 30, faults=Faults(garbage=3))
    for number in range(9):
        data = camera.frame(number)
        assert isinstance(data, bytes)
        assert compressed_image.probe(data)[1:] == (160, 120)
        if number % 3 == 2:
            with pytest.raises(ValueError, match="cut"):
                compressed_image.decode(data, max_pixels=PIXELS)
        else:
            decoded(data)


@pytest.mark.parametrize("moving", [False, True])
def test_the_size_changes_and_the_truth_with_it(moving: bool) -> None:
    camera = SimulatedCamera(161, 121, 30, moving=moving, encoding="raw", faults=Faults(change_size=4))
    for number in range(12):
        frame = camera.frame(number)
        assert isinstance(frame, np.ndarray)
        assert frame.shape == ((61, 81, 3) if number // 4 % 2 else (121, 161, 3))
        assert camera.truth(number).labels.shape == frame.shape[:2]


def test_a_clip_has_its_truth_beside_it(tmp_path: Path) -> None:
    scene = Scene(160, 120, seed=6)
    told: list[int] = []
    clip.write(tmp_path / "clip.mp4", scene, 10.0, 12, seed=6, tell=told.append)
    assert told == list(range(1, 13))
    video = cv2.VideoCapture(str(tmp_path / "clip.mp4"))
    assert video.get(cv2.CAP_PROP_FPS) == 10
    described = json.loads((tmp_path / "clip-truth" / "clip.json").read_text())
    assert (described["frames"], described["width"], described["height"], described["seed"]) == (12, 160, 120, 6)
    x, y = described["objects"][0]["point"]
    for number in range(12):
        whole, frame = video.read()
        assert whole
        view = scene.view(number / 10)
        assert np.abs(frame[:, :, ::-1].astype(int) - view.rgb).mean() < 12
        with Image.open(tmp_path / "clip-truth" / f"{number:05}.png") as opened:
            labels = np.array(opened)
        assert np.array_equal(labels, view.labels)
        if number == 0:
            assert labels[int(y), int(x)] == 1
    assert not video.read()[0]
    video.release()


def test_overlap() -> None:
    one, other = np.zeros((4, 4), np.bool_), np.zeros((4, 4), np.bool_)
    assert overlap.iou(one, other) == 1
    one[:2] = True
    assert overlap.iou(one, other) == 0
    other[1:] = True
    assert overlap.iou(one, other) == 0.25
