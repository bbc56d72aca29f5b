"""What the tests of the contract share."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from maskbus.contract.jobs import FreeJob
from maskbus.contract.scene import examples
from maskbus.interfaces import DecodeOptions, Embedding, Handler, Image, LoadContext, Masks, Prompt


class Case:
    """Load a handler and ask it."""

    handler: ClassVar[type[Handler]]
    options: ClassVar[Mapping[str, Any]] = {}
    device: ClassVar[str] = "cpu"
    segments_scene: ClassVar[bool] = False
    exact_grid: ClassVar[bool] = True
    """Whether `decode_grid` finds exactly what `decode` finds; not where a single prompt gets a closer look."""

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

    @property
    def takes_none(self) -> bool:
        """Tell whether the model answers without a prompt."""
        return "none" in self.handler.info.prompts

    def prompts(self) -> Iterator[Prompt]:
        """Yield an example of each kind of prompt the model takes."""
        for kind, prompt in examples().items():
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
