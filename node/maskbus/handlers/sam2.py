"""SAM 2 and SAM 2.1: what SAM does, and objects followed through a video."""

from __future__ import annotations

from typing import TYPE_CHECKING

from maskbus.handlers.sam import SamHandler, describe
from maskbus.interfaces import Image, LoadContext, ModelInfo, Tracker, TrackerOptions

if TYPE_CHECKING:
    from maskbus.models.sam2_video import Sam2Video

_PAGE = "https://github.com/facebookresearch/sam2"


def _card(version: str, size: str, millions: int) -> ModelInfo:
    return describe(f"SAM {version}, Hiera {size}: {millions} million parameters", _PAGE, sam2=True)


class Sam2Handler(SamHandler):
    """Answer prompts on images, and follow objects through videos."""

    def __init__(self, context: LoadContext) -> None:
        super().__init__(context)
        self._video: Sam2Video | None = None

    def tracker(self, options: TrackerOptions) -> Tracker:
        """Begin to follow objects; the parts of the model that only videos need are loaded with the first tracker."""
        from maskbus.models.sam2_tracker import Sam2Tracker
        from maskbus.models.sam2_video import Features

        video = self._video
        if video is None:
            from maskbus.models import loading

            video = self._video = loading.load_video(self.variant, self.context)

        def encode(image: Image) -> Features:
            coarse, middle, fine = self._segmenter.encode(video.pixels(image))
            return Features(fine, middle, coarse)

        return Sam2Tracker(video, options, encode)


class Sam21HieraTiny(Sam2Handler):
    """SAM 2.1 with the tiny encoder."""

    variant = "sam2.1-hiera-tiny"
    info = _card("2.1", "tiny", 39)


class Sam21HieraSmall(Sam2Handler):
    """SAM 2.1 with the small encoder."""

    variant = "sam2.1-hiera-small"
    info = _card("2.1", "small", 46)


class Sam21HieraBasePlus(Sam2Handler):
    """SAM 2.1 with the base plus encoder."""

    variant = "sam2.1-hiera-base-plus"
    info = _card("2.1", "base+", 81)


class Sam21HieraLarge(Sam2Handler):
    """SAM 2.1 with the large encoder."""

    variant = "sam2.1-hiera-large"
    info = _card("2.1", "large", 224)


class Sam2HieraTiny(Sam2Handler):
    """SAM 2 with the tiny encoder."""

    variant = "sam2-hiera-tiny"
    info = _card("2", "tiny", 39)


class Sam2HieraSmall(Sam2Handler):
    """SAM 2 with the small encoder."""

    variant = "sam2-hiera-small"
    info = _card("2", "small", 46)


class Sam2HieraBasePlus(Sam2Handler):
    """SAM 2 with the base plus encoder."""

    variant = "sam2-hiera-base-plus"
    info = _card("2", "base+", 81)


class Sam2HieraLarge(Sam2Handler):
    """SAM 2 with the large encoder."""

    variant = "sam2-hiera-large"
    info = _card("2", "large", 224)
