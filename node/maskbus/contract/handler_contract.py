"""What must hold for every handler, as a test class that plugin authors inherit.

    from maskbus.contract import HandlerContract

    class TestMyHandler(HandlerContract):
        handler = MyHandler

pytest collects the inherited tests. Set `options` to what the model's configuration would hold, and
`segments_scene = True` if the model finds a bright disc on a dark ground when it is pointed at one.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from maskbus.interfaces import (
    Availability,
    DecodeOptions,
    Embedding,
    FoundObject,
    Handler,
    HandlerError,
    Image,
    JobAborted,
    LoadContext,
    Masks,
    Prompt,
)

KINDS = frozenset({"points", "boxes", "mask", "logits", "text", "none"})
_CENTRE = (70, 30)
_RADIUS = 18


class FreeJob:
    """A job that nobody cancels and that has all the time in the world."""

    def check(self) -> None:
        """Let the handler go on."""

    def remaining(self) -> float:
        """Return an hour."""
        return 3600.0

    def progress(self, done: int, total: int, found: Sequence[FoundObject] = ()) -> None:
        """Take note of nothing."""


class CancelledJob(FreeJob):
    """A job that was taken back before it began."""

    def check(self) -> None:
        """Raise `JobAborted`."""
        raise JobAborted("The request was cancelled.")


def scene(height: int = 80, width: int = 120) -> npt.NDArray[np.uint8]:
    """Return an RGB picture, uint8 (height, width, 3): an orange disc, right of the middle, on dark blue."""
    rows, columns = np.mgrid[:height, :width]
    noise = np.random.default_rng(7).integers(0, 12, (height, width, 3))
    picture = np.array([20, 30, 70]) + noise
    disc = (columns - _CENTRE[0]) ** 2 + (rows - _CENTRE[1]) ** 2 <= _RADIUS**2
    picture[disc] += np.array([200, 110, -60])
    return picture.clip(0, 255).astype(np.uint8)


def disc(height: int = 80, width: int = 120) -> npt.NDArray[np.bool_]:
    """Return the mask of the disc in `scene`, bool (height, width)."""
    rows, columns = np.mgrid[:height, :width]
    inside: npt.NDArray[np.bool_] = (columns - _CENTRE[0]) ** 2 + (rows - _CENTRE[1]) ** 2 <= _RADIUS**2
    return inside


class HandlerContract:
    """Inherit, set `handler`, and pytest runs what follows."""

    handler: ClassVar[type[Handler]]
    options: ClassVar[Mapping[str, Any]] = {}
    device: ClassVar[str] = "cpu"
    segments_scene: ClassVar[bool] = False

    def make(self) -> Handler:
        """Load the handler, or skip the test where it cannot run."""
        context = self.context()
        availability = self.handler.availability(context)
        if not availability.ready:
            import pytest

            pytest.skip(availability.missing)
        return self.handler(context)

    def context(self) -> LoadContext:
        """Return what the handler is loaded with."""
        return LoadContext(model="tested", device=self.device, weights_dir=Path(), options=self.options)

    def test_info_is_complete(self) -> None:
        info = self.handler.info
        assert info.title
        assert info.licence
        assert info.prompts
        assert info.prompts <= KINDS

    def test_availability_says_what_is_missing(self) -> None:
        availability = self.handler.availability(self.context())
        assert isinstance(availability, Availability)
        assert availability.ready or availability.missing

    def test_module_is_cheap_to_import(self) -> None:
        heavy = ("torch", "cv2", "onnxruntime")
        code = f"import {self.handler.__module__}, sys; sys.exit(any(name in sys.modules for name in {heavy}))"
        assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0

    def test_one_embedding_an_image(self) -> None:
        images = [Image(scene()), Image(scene(40, 90))]
        embeddings = self.make().embed(images, FreeJob())
        assert len(embeddings) == 2
        assert all(embedding.nbytes >= 0 for embedding in embeddings)

    def test_each_kind_of_prompt(self) -> None:
        handler = self.make()
        for prompt in self.prompts():
            self.assert_sound(self.run(handler, scene(), prompt), 80, 120)

    def test_image_is_not_written_to(self) -> None:
        handler, pixels = self.make(), scene()
        pixels.flags.writeable = False
        for prompt in self.prompts():
            self.run(handler, pixels, prompt)

    def test_embedding_outlives_the_pixels(self) -> None:
        handler, pixels = self.make(), scene()
        prompt = next(self.prompts())
        before = self.run(handler, pixels, prompt)
        embedding = self.embed(handler, pixels)
        pixels[:] = 0
        after = handler.decode(embedding, prompt, DecodeOptions(), FreeJob())
        assert np.array_equal(before.masks, after.masks)

    def test_same_question_same_answer(self) -> None:
        handler = self.make()
        embedding = self.embed(handler, scene())
        prompts = list(self.prompts())
        first = [handler.decode(embedding, prompt, DecodeOptions(), FreeJob()) for prompt in prompts]
        second = [handler.decode(embedding, prompt, DecodeOptions(), FreeJob()) for prompt in reversed(prompts)]
        for one, other in zip(first, reversed(second), strict=True):
            assert np.array_equal(one.masks, other.masks)
            assert np.allclose(one.predicted_iou, other.predicted_iou)

    def test_one_mask_a_box(self) -> None:
        if "boxes" not in self.handler.info.prompts:
            return
        boxes = np.array([[50, 10, 90, 50], [5, 50, 40, 78], [51, 11, 91, 51]], np.float32)
        assert len(self.run(self.make(), scene(), Prompt(boxes=boxes))) == 3

    def test_hypotheses_come_best_first(self) -> None:
        if not self.handler.info.multimask or "points" not in self.handler.info.prompts:
            return
        masks = self.run(self.make(), scene(), _examples()["points"], DecodeOptions(multimask=True))
        assert len(masks) >= 1
        assert (np.diff(masks.predicted_iou) <= 1e-6).all()

    def test_logits_where_they_are_announced(self) -> None:
        if not self.handler.info.has_logits:
            return
        masks = self.run(self.make(), scene(), next(self.prompts()), DecodeOptions(logits=True))
        assert masks.logits is not None
        assert masks.logits.dtype == np.float32
        assert len(masks.logits) == len(masks)

    def test_colour_order_does_not_matter(self) -> None:
        handler, pixels = self.make(), scene()
        for prompt in self.prompts():
            rgb = self.run(handler, pixels, prompt)
            bgr = handler.decode(
                handler.embed([Image(pixels[:, :, ::-1], "bgr")], FreeJob())[0], prompt, DecodeOptions(), FreeJob()
            )
            assert np.array_equal(rgb.masks, bgr.masks)

    def test_odd_pictures(self) -> None:
        handler = self.make()
        for height, width in ((1, 1), (1, 64), (64, 1), (2, 3), (33, 47)):
            for image in (Image(scene(height, width)), Image(scene(height, width)[:, :, 0], "mono")):
                embedding = handler.embed([image], FreeJob())[0]
                for prompt in _examples(height, width).values():
                    if not prompt.kinds <= self.handler.info.prompts or not (prompt.kinds or self.takes_none):
                        continue
                    try:
                        masks = handler.decode(embedding, prompt, DecodeOptions(), FreeJob())
                    except HandlerError:
                        continue
                    self.assert_sound(masks, height, width)

    def test_a_cancelled_job_ends_quietly(self) -> None:
        handler = self.make()
        try:
            embedding = handler.embed([Image(scene())], CancelledJob())[0]
            handler.decode(embedding, next(self.prompts()), DecodeOptions(), CancelledJob())
        except JobAborted:
            pass
        self.run(handler, scene(), next(self.prompts()))

    def test_finds_the_disc(self) -> None:
        if not self.segments_scene:
            return
        handler = self.make()
        for kind in ("points", "boxes"):
            if kind in self.handler.info.prompts:
                mask = self.run(handler, scene(), _examples()[kind]).masks[0]
                assert (mask & disc()).sum() / (mask | disc()).sum() > 0.8, kind

    @property
    def takes_none(self) -> bool:
        """Tell whether the model answers without a prompt."""
        return "none" in self.handler.info.prompts

    def prompts(self) -> Iterator[Prompt]:
        """Yield an example of each kind of prompt the model takes."""
        for kind, prompt in _examples().items():
            if kind in self.handler.info.prompts:
                yield prompt

    def embed(self, handler: Handler, pixels: npt.NDArray[np.uint8]) -> Embedding:
        """Embed one RGB picture."""
        return handler.embed([Image(pixels)], FreeJob())[0]

    def run(
        self,
        handler: Handler,
        pixels: npt.NDArray[np.uint8],
        prompt: Prompt,
        options: DecodeOptions | None = None,
    ) -> Masks:
        """Embed and decode."""
        return handler.decode(self.embed(handler, pixels), prompt, options or DecodeOptions(), FreeJob())

    def assert_sound(self, masks: Masks, height: int, width: int) -> None:
        """Check shapes, types and ranges of an answer."""
        assert masks.masks.dtype == np.bool_
        assert masks.masks.shape[1:] == (height, width)
        for scores in (masks.predicted_iou, masks.stability_score):
            assert scores.shape == (len(masks),)
            assert np.isfinite(scores).all()
            assert ((scores >= 0) & (scores <= 1)).all()


def _examples(height: int = 80, width: int = 120) -> Mapping[str, Prompt]:
    x, y = min(_CENTRE[0], width - 1), min(_CENTRE[1], height - 1)
    points = np.array([[x, y]], np.float32)
    left, top = max(0, x - 20), max(0, y - 20)
    box = np.array([[left, top, min(width, x + 20) or 1, min(height, y + 20) or 1]], np.float32)
    rows, columns = np.mgrid[:height, :width]
    mask: npt.NDArray[np.bool_] = (abs(columns - x) <= 8) & (abs(rows - y) <= 8)
    one: Sequence[int] = [1]
    return {
        "points": Prompt(points=points, labels=np.array(one, np.int8)),
        "boxes": Prompt(boxes=box),
        "mask": Prompt(mask=mask),
        "logits": Prompt(logits=np.where(mask[::2, ::2], np.float32(4), np.float32(-4))),
        "text": Prompt(texts=("an orange disc",)),
        "none": Prompt(),
    }
