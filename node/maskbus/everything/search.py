"""Search an image for all of its objects (Kirillov et al. 2023, Segment Anything, section 5 and appendix B)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from maskbus.everything import nms
from maskbus.everything.chunks import Chunks, Decoder
from maskbus.everything.crops import Crop, crops, is_cut_off, points
from maskbus.everything.finish import finished
from maskbus.everything.grid_hits import GridHits
from maskbus.everything.hits import Hit, Kept
from maskbus.everything.point_hits import PointHits
from maskbus.everything.shortage import Shortage
from maskbus.everything.tally import Tally
from maskbus.interfaces import (
    Embedding,
    EverythingSettings,
    Found,
    FoundObject,
    GridDecoder,
    Handler,
    Image,
    Job,
    ObjectFinder,
    UnsupportedPrompt,
)

_HALVINGS = 2
_LOWER = {"pred_iou_thresh": 0.6, "stability_score_thresh": 0.8}


def search(
    handler: Handler,
    image: Image,
    settings: EverythingSettings,
    job: Job,
    embedding: Embedding | None = None,
) -> Found:
    """Return the objects of an image, the largest first.

    With the same weights and settings they are those of the reference generators. Where memory is short, points are
    decoded fewer at a time, then from a coarser grid; where nothing is found, the search is made once more with lower
    thresholds. Both are said in the answer's notes. An `ObjectFinder` is asked for all objects of each part of the
    image at once: there is no grid, and the job is told of parts instead of points.

    Args:
        handler: Takes points. One that is a `GridDecoder` is many times faster, and so is an `ObjectFinder`.
        image: Of any size.
        settings: See `maskbus.everything.preset`.
        job: Is asked between chunks whether to go on, and told what was found.
        embedding: Of the whole image, where it is there already.

    Raises:
        UnsupportedPrompt: if the handler takes no points.
        JobAborted: as `Job.check`.
        MemoryError, RuntimeError: what the handler's libraries raise where there is not enough memory at all.
    """
    if "points" not in handler.info.prompts:
        raise UnsupportedPrompt(f"{handler.context.model} takes no points, and so cannot look for everything.")
    return _Search(handler, image, job, embedding).found(settings)


@dataclass
class _Search:
    handler: Handler
    image: Image
    job: Job
    embedding: Embedding | None

    def __post_init__(self) -> None:
        self._tally = Tally(self.job)
        self._notes: list[str] = []
        self._chunks: Chunks | None = None

    def found(self, settings: EverythingSettings) -> Found:
        objects, settings = self._with_less(settings)
        lower = replace(settings, **{name: min(value, getattr(settings, name)) for name, value in _LOWER.items()})
        if not objects and settings.retry and lower != settings:
            words = f"predicted IoU {lower.pred_iou_thresh:g} and stability {lower.stability_score_thresh:g}"
            objects, _ = self._with_less(lower)
            outcome = "" if objects else ", and found nothing either"
            self._notes.append(f"Nothing was found, so the search was made once more with {words}{outcome}.")
        note = self._chunks.note() if self._chunks is not None else None
        notes = ([note] if note else []) + self._notes
        return Found(self.image.height, self.image.width, objects, notes)

    def _with_less(self, settings: EverythingSettings) -> tuple[list[FoundObject], EverythingSettings]:
        """Search with fewer points where there is not enough memory; return the settings it took as well."""
        asked = settings.points_per_side
        for attempt in range(_HALVINGS + 1):
            try:
                objects = self._once(settings)
                break
            except Shortage as shortage:
                if attempt == _HALVINGS or settings.points_per_side == 1:
                    raise shortage.said from None
            settings = replace(settings, points_per_side=settings.points_per_side // 2)
        if settings.points_per_side != asked:
            self._notes.append(
                f"Memory was short: the grid had {settings.points_per_side} points a side instead of {asked}."
            )
        return objects, settings

    def _once(self, settings: EverythingSettings) -> list[FoundObject]:
        height, width = self.image.height, self.image.width
        parts = crops(height, width, settings)
        if isinstance(self.handler, ObjectFinder):
            self._tally.begin(len(parts))
            kept = [one for crop in parts for one in self._at_once(self.handler, crop, settings)]
        else:
            self._tally.begin(sum(len(points(crop, settings)) for crop in parts))
            kept = [one for crop in parts for one in self._in_crop(crop, settings)]
        if len(parts) > 1:
            # What a smaller crop shows, it shows in more detail.
            scores = [1 / (one.crop_box[2] * one.crop_box[3]) for one in kept]
            kept = _best(kept, scores, settings.crop_nms_thresh)
        return finished(kept, height, width, settings, self.job)

    def _in_crop(self, crop: Crop, settings: EverythingSettings) -> list[Kept]:
        decoder, chunks = self._decoder(crop, settings)
        grid = points(crop, settings)
        kept: list[Kept] = []
        done = 0
        while done < len(grid):
            self.job.check()
            hits, count = chunks.decode(decoder, grid[done:])
            objects = self._whole([_placed(hit, crop, grid[done + hit.point]) for hit in hits], crop)
            kept += [Kept.of(one) for one in objects]
            done += count
            self._tally.add(count, objects)
        return _best(kept, [one.predicted_iou for one in kept], settings.box_nms_thresh)

    def _at_once(self, finder: ObjectFinder, crop: Crop, settings: EverythingSettings) -> list[Kept]:
        embedding = self._embedding(crop)
        self.job.check()
        found = finder.find(embedding, settings, self.job)
        objects = self._whole([_moved(one, crop) for one in found], crop)
        self._tally.add(1, objects)
        kept = [Kept.of(one) for one in objects]
        return _best(kept, [one.predicted_iou for one in kept], settings.box_nms_thresh)

    def _whole(self, objects: list[FoundObject], crop: Crop) -> list[FoundObject]:
        """Return the objects that do not seem to go on beyond their crop."""
        return [one for one in objects if not is_cut_off(one.bbox, crop, self.image.height, self.image.width)]

    def _decoder(self, crop: Crop, settings: EverythingSettings) -> tuple[Decoder, Chunks]:
        embedding = self._embedding(crop)
        if not isinstance(self.handler, GridDecoder):
            return PointHits(self.handler, embedding, settings, self.job), Chunks(1)
        if self._chunks is None:
            self._chunks = Chunks(settings.points_per_batch or self.handler.points_per_batch)
        return GridHits(self.handler, embedding, settings, self.job), self._chunks

    def _embedding(self, crop: Crop) -> Embedding:
        if crop.layer == 0:
            if self.embedding is None:
                (self.embedding,) = self.handler.embed([self.image], self.job)
            return self.embedding
        self.job.check()
        pixels = self.image.pixels[crop.y : crop.y + crop.height, crop.x : crop.x + crop.width]
        (embedding,) = self.handler.embed([Image(pixels, self.image.order)], self.job)
        return embedding


def _placed(hit: Hit, crop: Crop, point: np.ndarray[tuple[int], np.dtype[np.float64]]) -> FoundObject:
    """Return the mask in the image's pixels."""
    height, width = hit.patch.shape
    return FoundObject(
        bbox=(crop.x + hit.x, crop.y + hit.y, width, height),
        patch=hit.patch,
        area=int(np.count_nonzero(hit.patch)),
        predicted_iou=hit.predicted_iou,
        stability_score=hit.stability_score,
        point=(crop.x + float(point[0]), crop.y + float(point[1])),
        crop_box=crop.box,
    )


def _moved(one: FoundObject, crop: Crop) -> FoundObject:
    """Return an object of a crop in the image's pixels."""
    x, y, width, height = one.bbox
    return replace(
        one,
        bbox=(crop.x + x, crop.y + y, width, height),
        point=(crop.x + one.point[0], crop.y + one.point[1]),
        crop_box=crop.box,
    )


def _best(kept: list[Kept], scores: Sequence[float], threshold: float) -> list[Kept]:
    boxes = np.array([one.bbox for one in kept], np.int64).reshape(-1, 4)
    return [kept[i] for i in nms.keep(boxes, np.array(scores, np.float64), threshold)]
