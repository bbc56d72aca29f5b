import weakref

import numpy as np

from maskbus.interfaces import FoundObject, Image, Masks
from maskbus.worker.answer import MasksEncoder
from maskbus.worker.mask_source import AnsweredMasks, FoundMasks
from maskbus_wire import geometry

HEIGHT, WIDTH = 50, 70
ENCODINGS = ("rle", "bits", "bits+zlib", "png", "png_base64", "polygon", "raw", "labels", "overlay")
SEED = 5


def blobs(count=12):
    """Return masks with holes that touch borders and one another, from one pixel to the whole picture."""
    print(f"seed {SEED}")
    random = np.random.default_rng(SEED)
    masks = np.zeros((count, HEIGHT, WIDTH), np.bool_)
    for mask in masks[2:]:
        x, y = random.integers(0, WIDTH), random.integers(0, HEIGHT)
        part = mask[y : y + random.integers(1, 40), x : x + random.integers(1, 40)]
        part[:] = random.random(part.shape) < 0.8
        mask[y, x] = True
    masks[0] = True
    masks[1, -1, -1] = True
    return masks


def found(masks, scores):
    objects = []
    for mask, score in zip(masks, scores, strict=True):
        box, patch = geometry.window(mask)
        objects.append(FoundObject(box, patch.copy(), int(mask.sum()), score, 1.0, (3.0, 4.0), (0, 0, WIDTH, HEIGHT)))
    return objects


def test_masks_that_are_cut_to_their_boxes_are_written_as_whole_ones():
    masks = blobs()
    scores = np.linspace(1.2, -0.1, len(masks), dtype=np.float32)
    sources = [
        AnsweredMasks(Masks(masks, scores, np.ones(len(masks), np.float32))),
        FoundMasks(HEIGHT, WIDTH, found(masks, scores)),
    ]
    image = Image(np.full((HEIGHT, WIDTH, 3), 90, np.uint8))
    (one, its), (other, others) = (MasksEncoder(s, lambda: image).fields(ENCODINGS, inline=False) for s in sources)
    assert [bytes(part) for part in its] == [bytes(part) for part in others]
    assert (one["labels"], one["overlay"]) == (other["labels"], other["overlay"])
    for mask, same in zip(one["masks"], other["masks"], strict=True):
        assert (same.point, same.crop_box) == ((3.0, 4.0), (0, 0, WIDTH, HEIGHT))
        for name in ("bbox", "area", "predicted_iou", "stability_score", "rle", "polygon", "png_base64", "bits", "raw"):
            assert getattr(mask, name) == getattr(same, name), name
    assert 0 <= one["masks"][-1].predicted_iou <= one["masks"][0].predicted_iou <= 1


def test_no_two_full_masks_at_once(monkeypatch):
    made: list[weakref.ref] = []
    real = FoundObject.full

    def full(self, height, width):
        assert not any(mask() is not None for mask in made)
        mask = real(self, height, width)
        made.append(weakref.ref(mask))
        return mask

    monkeypatch.setattr(FoundObject, "full", full)
    masks = blobs()
    source = FoundMasks(HEIGHT, WIDTH, found(masks, np.ones(len(masks))))
    image = Image(np.full((HEIGHT, WIDTH, 3), 90, np.uint8))
    MasksEncoder(source, lambda: image).fields(ENCODINGS, inline=True)
    assert len(made) == 5 * len(masks)  # png is made once for both of its encodings


def test_none():
    for source in (AnsweredMasks(Masks.none(HEIGHT, WIDTH)), FoundMasks(HEIGHT, WIDTH, [])):
        assert (len(source), source.height, source.width) == (0, HEIGHT, WIDTH)
