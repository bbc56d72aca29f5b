"""The network's vote lands where it belongs, and `nano` follows what `grabcut` follows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

pytest.importorskip("cv2")

import cv2

from maskbus.contract import FreeJob
from maskbus.handlers.nano import NanoHandler
from maskbus.handlers.nano_track import CLIP, SHARED, WEIGHT, NanoVoice
from maskbus.interfaces import BadPrompt, Image, JobAborted, LoadContext, Prompt, Tracker, TrackerOptions
from maskbus.models.nano_map import CERTAIN

HEIGHT, WIDTH = 180, 320


class Echo:
    """A network that sees nothing, and answers the mask it was given."""

    side, map_side = 256, 128

    def __init__(self) -> None:
        self.looked: list[np.ndarray] = []
        self.asked: list[np.ndarray] = []

    def look(self, square: np.ndarray) -> Sequence[np.ndarray]:
        self.looked.append(square)
        return []

    def answer(self, maps: Sequence[np.ndarray], prompt: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        self.asked.append(prompt)
        return np.stack([20 * prompt[4]] * 3), np.array([0.75, 0, 0], np.float32)


def voice(network: Any, height: int, width: int) -> NanoVoice:
    return NanoVoice(network, np.zeros((height, width, 3), np.uint8))


def ellipse(shape: tuple[int, int], x: float, y: float, across: float, down: float) -> np.ndarray:
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    return ((columns - x) / across) ** 2 + ((rows - y) / down) ** 2 <= 1


@pytest.mark.parametrize("frame", [(240, 427), (480, 854), (1000, 1779)])
@pytest.mark.parametrize("middle", [(200, 120), (20, 15), (420, 236)])
def test_a_vote_lies_where_the_mask_lay(frame: tuple[int, int], middle: tuple[int, int]) -> None:
    shape = (240, 427)
    mask = ellipse(shape, *middle, 60, 30)
    part = slice(max(middle[1] - 80, 0), min(middle[1] + 80, 240)), slice(max(middle[0] - 130, 0), middle[0] + 130)
    part = part[0], slice(part[1].start, min(part[1].stop, 427))
    odds = np.where(mask[part], 6.0, -6.0).astype(np.float32)
    region = np.array([middle[0] - 60, middle[1] - 30, middle[0] + 61, middle[1] + 31], np.float32)
    told, iou = voice(Echo(), *frame)(odds, part, region, shape)
    assert iou == 0.75
    assert told.shape == odds.shape
    assert np.abs(told).max() == pytest.approx(WEIGHT * CLIP)
    found, there = told > 0, mask[part]
    assert (found & there).sum() / (found | there).sum() > 0.94


def test_what_the_others_found_is_asked_about_and_never_taken_for_certain() -> None:
    network = Echo()
    odds = np.where(ellipse((100, 100), 50, 50, 20, 20), 30.0, -30.0).astype(np.float32)
    voice(network, 100, 100)(odds, (slice(0, 100), slice(0, 100)), np.array([30, 30, 70, 70], np.float32), (100, 100))
    assert not network.asked[0][:4].any()
    assert np.abs(network.asked[0][4]).max() == pytest.approx(2 * CERTAIN - 1)


def test_colours_come_in_the_networks_order() -> None:
    network = Echo()
    blue = np.zeros((60, 60, 3), np.uint8)
    blue[..., 0] = 200
    odds = np.zeros((60, 60), np.float32)
    NanoVoice(network, blue)(odds, (slice(0, 60), slice(0, 60)), np.array([20, 20, 40, 40], np.float32), (60, 60))
    assert network.looked[0][5, 5].tolist() == [0, 0, 200]


def test_objects_beside_each_other_are_looked_at_once() -> None:
    def looks(*regions: tuple[float, float, float, float]) -> int:
        network = Echo()
        ask = voice(network, 300, 300)
        for region in regions:
            ask(
                np.zeros((300, 300), np.float32),
                (slice(0, 300), slice(0, 300)),
                np.array(region, np.float32),
                (300, 300),
            )
        return len(network.looked)

    assert looks((100, 100, 200, 200), (110, 105, 190, 195)) == 1
    assert looks((100, 100, 200, 200), (10, 100, 40, 140)) == 2, "not in it"
    assert SHARED < 9
    assert looks((90, 90, 210, 210), (130, 130, 170, 170)) == 2, "too small in it"


@pytest.fixture(scope="module")
def handler() -> NanoHandler:
    return NanoHandler(LoadContext("nano"))


@pytest.fixture
def tracker(handler: NanoHandler) -> Tracker:
    return handler.tracker(TrackerOptions())


def painted(*places: tuple[float, float]) -> Image:
    """Return a frame: orange discs on a bluish texture."""
    coarse = np.random.default_rng(4).integers(0, 90, (18, 32, 3)).astype(np.uint8)
    size = (WIDTH, HEIGHT)
    rgb = cv2.resize(coarse, size, interpolation=cv2.INTER_CUBIC) // 2 + np.array([10, 20, 90], np.uint8)
    for x, y in places:
        rgb[disc(x, y)] = 230, 130, 40
    return Image(rgb)


def disc(x: float, y: float) -> np.ndarray:
    return ellipse((HEIGHT, WIDTH), x, y, 28, 28)


def iou(one: np.ndarray, other: np.ndarray) -> float:
    return float((one & other).sum() / max(1, (one | other).sum()))


def test_two_discs_are_followed_corrected_and_let_go(tracker: Tracker) -> None:
    places = [((60 + 6 * n, 60), (260 - 6 * n, 125)) for n in range(10)]
    tracker.advance(painted(*places[0]), FreeJob())
    for number, place in enumerate(places[0]):
        tracker.prompt(number, Prompt(mask=disc(*place)), FreeJob())
    for truth in places[1:]:
        seen = tracker.advance(painted(*truth), FreeJob())
        assert seen.present.all()
        assert min(iou(mask, disc(*place)) for mask, place in zip(seen.masks, truth, strict=True)) > 0.8
        assert (seen.predicted_iou > 0).all()
    other = disc(*places[-1][1])
    assert np.array_equal(tracker.prompt(0, Prompt(mask=other), FreeJob()).masks[0], other)
    tracker.remove(1)
    assert iou(tracker.advance(painted(*places[-1]), FreeJob()).masks[0], other) > 0.8


def test_a_disc_that_is_gone_is_not_present_and_is_found_again(tracker: Tracker) -> None:
    tracker.advance(painted((150, 90)), FreeJob())
    tracker.prompt(1, Prompt(mask=disc(150, 90)), FreeJob())
    tracker.advance(painted((152, 90)), FreeJob())
    gone = [tracker.advance(painted(), FreeJob()) for _ in range(6)]
    assert not gone[-1].present[0]
    assert not gone[-1].masks.any()
    back = [tracker.advance(painted((156, 90)), FreeJob()) for _ in range(4)]
    assert back[-1].present[0]
    assert iou(back[-1].masks[0], disc(156, 90)) > 0.8


def test_what_is_refused_or_cancelled_changes_nothing(handler: NanoHandler) -> None:
    class Count:
        def __init__(self, fatal: int) -> None:
            self.left = fatal

        def check(self) -> None:
            if self.left == 0:
                raise JobAborted("cancelled")
            self.left -= 1

    def follow(disturb: bool) -> np.ndarray:
        tracker = handler.tracker(TrackerOptions())
        tracker.advance(painted((80, 90)), FreeJob())
        tracker.prompt(1, Prompt(mask=disc(80, 90)), FreeJob())
        if disturb:
            with pytest.raises(BadPrompt, match=r"60 by 40 pixels.*320 by 180"):
                tracker.advance(Image(np.zeros((40, 60, 3), np.uint8)), FreeJob())
            for checks in range(2):
                with pytest.raises(JobAborted):
                    tracker.advance(painted((86, 90)), Count(checks))
        held = tracker.nbytes
        masks = tracker.advance(painted((86, 90)), FreeJob()).masks
        assert tracker.nbytes == held, "nothing of what the network saw is kept"
        return masks

    assert np.array_equal(follow(False), follow(True))


@pytest.mark.parametrize("shape", [(1, 1), (1, 400), (400, 1), (9, 9), (700, 40)])
def test_odd_frames(handler: NanoHandler, shape: tuple[int, int]) -> None:
    random = np.random.default_rng(1)
    tracker = handler.tracker(TrackerOptions())
    tracker.advance(Image(random.integers(0, 256, (*shape, 3), dtype=np.uint8)), FreeJob())
    tracker.prompt(1, Prompt(mask=np.ones(shape, np.bool_)), FreeJob())
    seen = tracker.advance(Image(random.integers(0, 256, (*shape, 3), dtype=np.uint8)), FreeJob())
    assert seen.masks.shape == (1, *shape)
    assert np.isfinite(seen.predicted_iou).all()
