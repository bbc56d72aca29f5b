"""What holds for models that follow objects through a video."""

# ruff: noqa: D102 — a test's name says what it checks

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import numpy.typing as npt

from maskbus.contract.case import Case
from maskbus.contract.jobs import FreeJob
from maskbus.contract.scene import disc, examples, scene
from maskbus.interfaces import (
    BadPrompt,
    HandlerError,
    Image,
    Prompt,
    Tracked,
    Tracker,
    TrackerOptions,
    UnsupportedPrompt,
)


class TrackerContract(Case):
    """Part of `HandlerContract`."""

    def test_who_does_not_follow_objects_says_so(self) -> None:
        if not self.handler.info.tracks:
            _refused(lambda: self.make().tracker(TrackerOptions()), UnsupportedPrompt)

    def test_an_object_is_followed(self) -> None:
        if not self.handler.info.tracks:
            return
        with self._tracker() as tracker:
            assert (tracker.frame, tracker.object_ids) == (-1, ())
            assert len(_assert_tracked(tracker.advance(_frame(0), FreeJob()), 0, ())) == 0
            there = _assert_tracked(tracker.prompt(7, examples()["points"], FreeJob()), 0, (7,))
            if self.segments_scene:
                assert (there[0] & disc()).sum() / (there[0] | disc()).sum() > 0.8
            _assert_tracked(tracker.advance(_frame(1), FreeJob()), 1, (7,))
            _assert_tracked(tracker.prompt(3, self._another(), FreeJob()), 1, (7, 3))
            _assert_tracked(tracker.advance(_frame(2), FreeJob()), 2, (7, 3))
            assert (tracker.frame, tracker.object_ids) == (2, (7, 3))
            assert tracker.nbytes > 0
            tracker.remove(7)
            _assert_tracked(tracker.advance(_frame(3), FreeJob()), 3, (3,))

    def test_what_a_tracker_refuses_changes_nothing(self) -> None:
        if not self.handler.info.tracks:
            return
        with self._tracker(TrackerOptions(max_objects=1)) as tracker:
            tracker.advance(_frame(0), FreeJob())
            tracker.prompt(1, examples()["points"], FreeJob())
            _refused(lambda: tracker.advance(Image(scene(40, 90)), FreeJob()), BadPrompt)
            _refused(lambda: tracker.remove(2), BadPrompt)
            _refused(lambda: tracker.prompt(2, examples()["points"], FreeJob()), HandlerError)
            _assert_tracked(tracker.advance(_frame(1), FreeJob()), 1, (1,))

    def test_same_video_same_masks(self) -> None:
        if not self.handler.info.tracks:
            return
        assert np.array_equal(self._video(), self._video())

    def _another(self) -> Prompt:
        if "mask" in self.handler.info.prompts:
            return examples()["mask"]
        return Prompt(points=np.array([[20, 60]], np.float32), labels=np.ones(1, np.int8))

    def _video(self) -> npt.NDArray[np.bool_]:
        with self._tracker() as tracker:
            tracker.advance(_frame(0), FreeJob())
            tracker.prompt(1, examples()["points"], FreeJob())
            return tracker.advance(_frame(1), FreeJob()).masks

    @contextmanager
    def _tracker(self, options: TrackerOptions | None = None) -> Iterator[Tracker]:
        tracker = self.make().tracker(options or TrackerOptions())
        try:
            yield tracker
        finally:
            tracker.close()


def _frame(number: int) -> Image:
    """Return the scene, moved to the left a little with each frame."""
    return Image(np.roll(scene(), -3 * number, 1))


def _assert_tracked(tracked: Tracked, frame: int, object_ids: tuple[int, ...]) -> npt.NDArray[np.bool_]:
    count = len(object_ids)
    assert (tracked.frame, tuple(tracked.object_ids)) == (frame, object_ids)
    assert tracked.masks.dtype == tracked.present.dtype == np.bool_
    assert tracked.masks.shape == (count, 80, 120)
    assert tracked.present.shape == (count,)
    assert tracked.predicted_iou.shape == (count,)
    assert np.isfinite(tracked.predicted_iou).all()
    return tracked.masks


def _refused(call: Callable[[], object], error: type[HandlerError]) -> None:
    try:
        call()
    except error:
        return
    raise AssertionError("It was not refused.")
