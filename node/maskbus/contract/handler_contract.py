"""What holds for clicks, boxes and masks."""

# ruff: noqa: D102 — a test's name says what it checks

from __future__ import annotations

import subprocess
import sys

import numpy as np

from maskbus.contract.everything_contract import EverythingContract
from maskbus.contract.jobs import CancelledJob, FreeJob
from maskbus.contract.scene import disc, examples, scene
from maskbus.contract.tracker_contract import TrackerContract
from maskbus.interfaces import Availability, DecodeOptions, HandlerError, Image, JobAborted, Prompt

KINDS = frozenset({"points", "boxes", "mask", "logits", "text", "none"})


class HandlerContract(EverythingContract, TrackerContract):
    """Inherit, set `handler`, and pytest runs what follows."""

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
        masks = self.run(self.make(), scene(), examples()["points"], DecodeOptions(multimask=True))
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
                for prompt in examples(height, width).values():
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
                mask = self.run(handler, scene(), examples()[kind]).masks[0]
                assert (mask & disc()).sum() / (mask | disc()).sum() > 0.8, kind
