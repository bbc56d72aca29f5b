"""Objects that move on scenes made here, where the truth is known."""

from __future__ import annotations

import gc

import numpy as np
import psutil
import pytest

pytest.importorskip("cv2")

import cv2

from maskbus.contract import FreeJob
from maskbus.handlers.grabcut import GrabCutHandler
from maskbus.interfaces import (
    BadPrompt,
    Image,
    JobAborted,
    LoadContext,
    Prompt,
    Tracked,
    Tracker,
    TrackerOptions,
    UnsupportedPrompt,
)
from support import davis

HEIGHT, WIDTH = 180, 320
ORANGE, GREEN = (230, 130, 40), (60, 190, 80)


def ground() -> np.ndarray:
    """Return a bluish texture, larger than a frame."""
    random = np.random.default_rng(4)
    coarse = random.integers(0, 90, (30, 50, 3)).astype(np.uint8)
    return cv2.resize(coarse, (500, 300), interpolation=cv2.INTER_CUBIC) + np.array([10, 20, 90], np.uint8)


GROUND = ground()


def disc(x: float, y: float, radius: float = 28) -> np.ndarray:
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    return (columns - x) ** 2 + (rows - y) ** 2 <= radius**2


def painted(*shapes: tuple[np.ndarray, tuple[int, int, int]], shift: int = 0) -> Image:
    """Return a frame: the ground, moved to the left by `shift`, and masks in their colours over it, in this order."""
    rgb = GROUND[60 : 60 + HEIGHT, 60 + shift : 60 + shift + WIDTH].copy()
    stripes = 25 * np.sin(np.arange(WIDTH) / 3.0)[None, :, None]
    for mask, colour in shapes:
        rgb[mask] = np.clip(np.array(colour) + stripes, 0, 255).repeat(HEIGHT, 0)[mask].astype(np.uint8)
    return Image(rgb)


def iou(one: np.ndarray, other: np.ndarray) -> float:
    return float((one & other).sum() / max(1, (one | other).sum()))


def click(x: float, y: float, label: int = 1) -> Prompt:
    return Prompt(points=np.array([[x, y]], np.float32), labels=np.array([label], np.int8))


def box(*corners: float) -> Prompt:
    return Prompt(boxes=np.array([corners], np.float32))


@pytest.fixture(scope="module")
def handler() -> GrabCutHandler:
    return GrabCutHandler(LoadContext("grabcut"))


@pytest.fixture
def tracker(handler: GrabCutHandler) -> Tracker:
    return handler.tracker(TrackerOptions())


def play(tracker: Tracker, frames: list[Image]) -> list[Tracked]:
    return [tracker.advance(frame, FreeJob()) for frame in frames]


@pytest.mark.parametrize("kind", ["mask", "box", "click"])
def test_a_disc_that_moves(tracker: Tracker, kind: str) -> None:
    places = [(60 + 5 * n, 90 + 15 * np.sin(n / 4)) for n in range(30)]
    tracker.advance(painted((disc(*places[0]), ORANGE)), FreeJob())
    prompts = {"mask": Prompt(mask=disc(*places[0])), "box": box(31, 61, 89, 119), "click": click(60, 90)}
    first = tracker.prompt(1, prompts[kind], FreeJob())
    assert iou(first.masks[0], disc(*places[0])) > 0.9
    for place, seen in zip(places[1:], play(tracker, [painted((disc(*p), ORANGE)) for p in places[1:]]), strict=True):
        assert seen.present[0]
        assert iou(seen.masks[0], disc(*place)) > 0.85
        assert seen.predicted_iou[0] > 0.7


def test_the_camera_moves_and_the_disc_grows(tracker: Tracker) -> None:
    truth = [disc(150 + n, 90 - n, 22 + n) for n in range(25)]
    frames = [painted((mask, ORANGE), shift=4 * n) for n, mask in enumerate(truth)]
    tracker.advance(frames[0], FreeJob())
    tracker.prompt(1, Prompt(mask=truth[0]), FreeJob())
    seen = play(tracker, frames[1:])
    assert min(iou(one.masks[0], mask) for one, mask in zip(seen, truth[1:], strict=True)) > 0.8


def test_a_disc_that_leaves_is_not_present_and_is_found_where_it_comes_back(tracker: Tracker) -> None:
    out = [painted((disc(250 + 8 * n, 90), ORANGE)) for n in range(16)]
    tracker.advance(out[0], FreeJob())
    tracker.prompt(1, Prompt(mask=disc(250, 90)), FreeJob())
    assert not play(tracker, out[1:])[-1].present[0]
    gone = play(tracker, [painted()] * 20)
    assert not any(one.present[0] or one.masks.any() or one.predicted_iou[0] for one in gone)
    back = play(tracker, out[::-1])
    assert back[-1].present[0]
    assert iou(back[-1].masks[0], disc(250, 90)) > 0.8


def test_a_disc_that_is_covered_for_a_while(tracker: Tracker) -> None:
    bar = np.zeros((HEIGHT, WIDTH), np.bool_)
    bar[:, 110:190] = True
    frames = [painted((disc(50 + 5 * n, 90), ORANGE), (bar, (200, 200, 205))) for n in range(45)]
    tracker.advance(frames[0], FreeJob())
    tracker.prompt(1, Prompt(mask=disc(50, 90)), FreeJob())
    seen = play(tracker, frames[1:])
    assert not seen[19].present[0], "all of it is behind the bar"
    assert seen[-1].present[0]
    assert iou(seen[-1].masks[0], disc(50 + 5 * 44, 90)) > 0.8


def test_two_discs_that_pass_each_other(tracker: Tracker) -> None:
    def truth(n: int) -> tuple[np.ndarray, np.ndarray]:
        return disc(60 + 6 * n, 80), disc(260 - 6 * n, 105)

    frames = [painted((truth(n)[0], ORANGE), (truth(n)[1], GREEN)) for n in range(34)]
    tracker.advance(frames[0], FreeJob())
    tracker.prompt(5, Prompt(mask=truth(0)[0]), FreeJob())
    tracker.prompt(2, Prompt(mask=truth(0)[1]), FreeJob())
    last = play(tracker, frames[1:])[-1]
    assert last.object_ids == (5, 2)
    assert min(iou(mask, true) for mask, true in zip(last.masks, truth(33), strict=True)) > 0.85


def test_corrections(tracker: Tracker) -> None:
    left, right = disc(80, 90), disc(200, 90)
    tracker.advance(painted((left, ORANGE), (right, GREEN)), FreeJob())
    tracker.prompt(1, Prompt(mask=left | right), FreeJob())
    less = tracker.prompt(1, click(200, 90, 0), FreeJob()).masks[0]
    assert not less[90, 200]
    assert not (less & ~(left | right)).any(), "a click on the background only takes away"
    more = tracker.prompt(1, click(200, 90, 1), FreeJob()).masks[0]
    assert more[90, 200]
    assert not (less & ~more).any(), "a click on the object only adds"
    other = tracker.prompt(1, box(171, 61, 229, 119), FreeJob()).masks[0]
    assert iou(other, right) > 0.9, "a box takes the place of all before"
    moved = tracker.advance(painted((left, ORANGE), (disc(205, 90), GREEN)), FreeJob())
    assert iou(moved.masks[0], disc(205, 90)) > 0.85
    again = tracker.prompt(1, Prompt(mask=left), FreeJob())
    assert np.array_equal(again.masks[0], left), "a mask is believed"
    assert again.predicted_iou[0] == 1
    hidden = tracker.prompt(1, Prompt(mask=np.zeros_like(left)), FreeJob())
    assert (hidden.present[0], hidden.predicted_iou[0]) == (False, 0)
    found = tracker.advance(painted((left, ORANGE)), FreeJob())
    assert iou(found.masks[0], left) > 0.85


def test_a_removed_object_is_gone_and_its_id_free(tracker: Tracker) -> None:
    tracker.advance(painted((disc(80, 90), ORANGE)), FreeJob())
    tracker.prompt(1, Prompt(mask=disc(80, 90)), FreeJob())
    tracker.remove(1)
    assert tracker.advance(painted(), FreeJob()).object_ids == ()
    with pytest.raises(BadPrompt, match="no object 1"):
        tracker.remove(1)
    tracker.prompt(1, Prompt(mask=disc(200, 90)), FreeJob())
    assert tracker.object_ids == (1,)


def test_what_cannot_be_done_is_refused_and_changes_nothing(handler: GrabCutHandler) -> None:
    def follow(disturb: bool) -> np.ndarray:
        tracker = handler.tracker(TrackerOptions(max_objects=1))
        if disturb:
            with pytest.raises(BadPrompt, match="no frame yet"):
                tracker.prompt(1, click(3, 3), FreeJob())
        tracker.advance(painted((disc(80, 90), ORANGE)), FreeJob())
        tracker.prompt(1, Prompt(mask=disc(80, 90)), FreeJob())
        if disturb:
            refused = [
                (BadPrompt, "begin at 0", -1, click(3, 3)),
                (BadPrompt, "1 objects at most", 2, click(3, 3)),
                (BadPrompt, "Nothing is pointed at", 1, Prompt()),
                (BadPrompt, "one box, not 2", 1, Prompt(boxes=np.array([[1, 1, 9, 9], [2, 2, 9, 9]], np.float32))),
                (BadPrompt, "without points", 1, Prompt(boxes=box(1, 1, 9, 9).boxes, mask=disc(80, 90))),
                (BadPrompt, "5 by 4 pixels", 1, Prompt(mask=np.ones((4, 5), np.bool_))),
                (UnsupportedPrompt, "logits", 1, Prompt(logits=np.zeros((64, 64), np.float32))),
                (UnsupportedPrompt, "texts", 1, Prompt(texts=("a dog",))),
            ]
            for error, sentence, object_id, prompt in refused:
                with pytest.raises(error, match=sentence):
                    tracker.prompt(object_id, prompt, FreeJob())
            with pytest.raises(BadPrompt, match=r"60 by 40 pixels.*320 by 180"):
                tracker.advance(Image(np.zeros((40, 60, 3), np.uint8)), FreeJob())
            assert (tracker.frame, tracker.object_ids) == (0, (1,))
        return tracker.advance(painted((disc(86, 90), ORANGE)), FreeJob()).masks

    assert np.array_equal(follow(False), follow(True))


def test_a_new_object_needs_something_on_it(tracker: Tracker) -> None:
    tracker.advance(painted(), FreeJob())
    with pytest.raises(BadPrompt, match="Every point is background"):
        tracker.prompt(1, click(3, 3, 0), FreeJob())
    with pytest.raises(BadPrompt, match="mask is empty"):
        tracker.prompt(1, Prompt(mask=np.zeros((HEIGHT, WIDTH), np.bool_)), FreeJob())
    assert tracker.object_ids == ()


class Count:
    """Raise at the n-th check."""

    def __init__(self, fatal: int) -> None:
        self.left = fatal

    def check(self) -> None:
        if self.left == 0:
            raise JobAborted("cancelled")
        self.left -= 1


def test_a_cancelled_frame_changes_nothing(handler: GrabCutHandler) -> None:
    tracker = handler.tracker(TrackerOptions())
    tracker.advance(painted((disc(80, 90), ORANGE), (disc(200, 90), GREEN)), FreeJob())
    for number, x in enumerate((80, 200)):
        tracker.prompt(number, Prompt(mask=disc(x, 90)), FreeJob())
    following = painted((disc(84, 90), ORANGE), (disc(204, 90), GREEN))
    for checks in range(3):  # one for the frame, one for each object
        with pytest.raises(JobAborted):
            tracker.advance(following, Count(checks))
        assert tracker.frame == 0
    seen = tracker.advance(following, Count(3))
    assert [round(iou(mask, disc(x, 90)), 1) for mask, x in zip(seen.masks, (84, 204), strict=True)] == [1.0, 1.0]


def test_frames_keep_their_own_pixels(tracker: Tracker) -> None:
    borrowed = painted((disc(80, 90), ORANGE))
    tracker.advance(borrowed, FreeJob())
    borrowed.pixels[:] = 0
    assert iou(tracker.prompt(1, click(80, 90), FreeJob()).masks[0], disc(80, 90)) > 0.9


@pytest.mark.parametrize("shape", [(1, 1), (1, 400), (400, 1), (2, 3), (9, 9), (700, 40)])
def test_odd_frames(handler: GrabCutHandler, shape: tuple[int, int]) -> None:
    random = np.random.default_rng(1)
    frames = [Image(random.integers(0, 256, (*shape, 3), dtype=np.uint8)) for _ in range(3)]
    tracker = handler.tracker(TrackerOptions())
    tracker.advance(frames[0], FreeJob())
    tracker.prompt(1, Prompt(mask=np.ones(shape, np.bool_)), FreeJob())
    tracker.prompt(2, click(shape[1] - 1, shape[0] - 1), FreeJob())
    for seen in play(tracker, frames):
        assert seen.masks.shape == (2, *shape)
        assert np.isfinite(seen.predicted_iou).all()


@pytest.mark.timeout(300)  # on a machine that may be busy
def test_memory_is_flat_over_a_thousand_frames(handler: GrabCutHandler) -> None:
    tracker = handler.tracker(TrackerOptions())
    rows, columns = np.mgrid[:36, :48]
    frames = []
    for n in range(8):
        rgb = np.full((36, 48, 3), 60, np.uint8) + np.uint8(9) * (rows % 5 + columns % 3)[..., None].astype(np.uint8)
        rgb[(columns - 20 - n) ** 2 + (rows - 18) ** 2 < 81] = ORANGE
        frames.append(Image(rgb))
    frames += frames[::-1]
    tracker.advance(frames[0], FreeJob())
    tracker.prompt(1, click(20, 18), FreeJob())
    process = psutil.Process()

    def run(until: int) -> tuple[int, int]:
        while tracker.frame < until:
            seen = tracker.advance(frames[(tracker.frame + 1) % 16], FreeJob())
        assert seen.present[0]
        gc.collect()
        return tracker.nbytes, process.memory_info().rss

    held, resident = run(200)
    later_held, later_resident = run(1000)
    assert 0 < later_held == held < 8_000_000
    assert later_resident - resident < 8 << 20
    tracker.close()
    assert tracker.nbytes == 0


@pytest.mark.timeout(300)  # on a machine that may be busy
@pytest.mark.parametrize(("video", "floor"), [("blackswan", 0.8), ("camel", 0.6)])
def test_a_real_video(tracker: Tracker, tmp_path, video: str, floor: float) -> None:
    count = 25
    folder = davis.frames(video, count, tmp_path)
    ious = []
    for number in range(count):
        frame = Image(cv2.imread(str(folder / f"{number:05d}.jpg")), "bgr")
        true = cv2.imread(str(davis.annotation(video, number)), cv2.IMREAD_GRAYSCALE) > 127
        seen = tracker.advance(frame, FreeJob())
        if number == 0:
            tracker.prompt(1, Prompt(mask=true), FreeJob())
        else:
            assert seen.present[0]
            ious.append(iou(seen.masks[0], true))
    assert np.mean(ious) > floor
