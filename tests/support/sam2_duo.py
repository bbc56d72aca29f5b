"""A tracker and the authors' predictor on one video, compared after every call."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image as Pillow
from transformers import Sam2VideoModel

from maskbus.interfaces import Image, Prompt, Tracked, TrackerOptions
from maskbus.models import sam2_config, sam2_keys
from maskbus.models.sam2_tracker import Sam2Tracker
from maskbus.models.sam2_video import Sam2Video
from support import sam2_reference

SMALL = sam2_config.Hiera(24, 1, (1, 1, 2, 1), (3,))


class Job:
    """Let everything through."""

    def check(self) -> None:
        pass


def small_model(family: str = "sam2.1", size: int = 256, layers: int = 2, **narrow: Any) -> Sam2VideoModel:
    """Build the small model with transformers' random weights."""
    config = sam2_config.make_config(SMALL, family, size)
    config.memory_attention_num_layers = layers
    for path, value in narrow.items():
        *owners, field = path.split(".")
        setattr(functools.reduce(getattr, owners, config), field, value)
    return Sam2VideoModel(config).eval()


def small_pair(
    *overrides: str, family: str = "sam2.1", seed: int = 1, presence: float = 4.0
) -> tuple[Any, Sam2VideoModel]:
    """Build the small model twice, theirs and transformers', with equal weights."""
    torch.manual_seed(seed)
    theirs = sam2_reference.build(f"{family}-hiera-tiny", *sam2_reference.SMALL, *overrides, video=True)
    sam2_reference.randomise(theirs, seed, presence)
    ours = small_model(family)
    ours.load_state_dict(sam2_keys.to_transformers(theirs.state_dict()))
    return theirs, ours


def points(places: list[list[float]], labels: list[int]) -> Prompt:
    """Point at something."""
    return Prompt(points=np.array(places, np.float32), labels=np.array(labels, np.int8))


class Duo:
    """Do everything twice; the answers must agree."""

    def __init__(
        self,
        pair: tuple[Any, Sam2VideoModel],
        folder: Path,
        tolerance: float = 1e-4,
        batch: int | None = None,
        **extra: Any,
    ) -> None:
        theirs, ours = pair
        self.files = sorted(folder.iterdir())
        self.player = sam2_reference.Player(theirs, str(folder))
        self.tracker = Sam2Tracker(Sam2Video(ours), TrackerOptions(logits=True, extra=extra), batch=batch)
        self.tolerance = tolerance
        self.furthest = 0.0
        self.seen: list[bool] = []

    def advance(self, frames: int = 1) -> Tracked:
        for _ in range(frames):
            self.player.advance()
            picture = np.array(Pillow.open(self.files[self.player.frame]).convert("RGB"))
            answer = self._same(self.tracker.advance(Image(picture), Job()))
        return answer

    def click(self, object_id: int, places: list[list[float]], labels: list[int]) -> Tracked:
        self.player.point(object_id, places, labels)
        return self._same(self.tracker.prompt(object_id, points(places, labels), Job()))

    def box(self, object_id: int, box: list[float], places: list[list[float]] = (), labels: list[int] = ()) -> Tracked:
        self.player.point(object_id, places or None, labels or None, box)
        prompt = points(places, labels) if places else Prompt()
        prompt = Prompt(prompt.points, prompt.labels, np.array([box], np.float32))
        return self._same(self.tracker.prompt(object_id, prompt, Job()))

    def mask(self, object_id: int, mask: np.ndarray) -> Tracked:
        self.player.mask(object_id, mask)
        return self._same(self.tracker.prompt(object_id, Prompt(mask=mask), Job()))

    def remove(self, object_id: int) -> None:
        self.player.remove(object_id)
        self.tracker.remove(object_id)

    def _same(self, answer: Tracked) -> Tracked:
        assert answer.frame == self.player.frame == self.tracker.frame
        assert list(answer.object_ids) == self.player.state["obj_ids"]
        if not answer.object_ids:
            assert answer.masks.shape[0] == 0
            return answer
        expected = self.player.field("pred_masks")[:, 0].numpy()
        distance = float(np.abs(answer.logits - expected).max())
        self.furthest = max(self.furthest, distance)
        assert distance <= self.tolerance, f"logits differ by {distance} in frame {answer.frame}"
        presence = self.player.field("object_score_logits")[:, 0]
        assert answer.present.tolist() == (presence > 0).tolist()
        self.seen += answer.present.tolist()
        for ours, theirs in zip(answer.masks, self.player.masks.numpy(), strict=True):
            # IoU of 0.9999; small pictures have fewer pixels than that, of which one may lie on the edge.
            wrong, union = (ours != theirs).sum(), (ours | theirs).sum()
            assert wrong <= max(1, 1e-4 * union), f"{wrong} of {union} pixels differ in frame {answer.frame}"
        return answer


def freeze(tracker: Sam2Tracker) -> Any:
    """Return all a tracker holds, to compare before with after."""
    return {**vars(tracker), "_objects": dict(tracker._objects)}
