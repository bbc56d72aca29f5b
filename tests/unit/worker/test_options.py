"""What a worker makes of a request's post-processing, its limit of size, and its texts."""

from __future__ import annotations

import time

import cv2
import numpy as np
import pytest

from maskbus.handlers.echo import EchoHandler
from maskbus.interfaces import LoadContext, Masks, ModelInfo, TextScore, TextSettings
from maskbus.worker.embedder import Embedder
from maskbus.worker.embedding_cache import EmbeddingCache
from maskbus.worker.operations import Operations
from maskbus.worker.pictures import Pictures, SlotReader
from maskbus.worker.trackers import Trackers
from maskbus_wire import frames, label_map, png, polygon, replies, rle
from support.models import Bright

HEIGHT, WIDTH = 240, 320
CLEAN = {"fill_holes": 50, "remove_islands": 50, "smooth": 1.5}


def scene():
    """Return a dark picture with bright things in it: pixels (h, w, 3), and the mask of what is bright."""
    bright = np.zeros((HEIGHT, WIDTH), np.uint8)
    cv2.circle(bright, (90, 120), 60, 255, -1)
    cv2.circle(bright, (90, 120), 3, 0, -1)
    cv2.rectangle(bright, (200, 40), (300, 200), 255, -1)
    bright[10:13, 10:13] = 255
    return np.dstack([bright] * 3), bright > 0


class Job:
    number = 3
    report = None

    def check(self):
        pass

    def remaining(self):
        return 100.0

    def progress(self, done, total, found=()):
        if self.report is not None:
            self.report(done, total, found)


class Shown(Bright):
    """Write down what it is shown and asked, and answer each point by the bright part that it lies in."""

    def __init__(self, context):
        super().__init__(context)
        self.images = []
        self.prompts = []

    def embed(self, images, job):
        self.images += [image.pixels.copy() for image in images]
        return super().embed(images, job)

    def decode(self, embedding, prompt, options, job):
        self.prompts.append(prompt)
        mask = embedding.pixels > 127
        if len(prompt.points):
            x, y = np.rint(prompt.points[0]).astype(int)
            labels = cv2.connectedComponents(mask.astype(np.uint8))[1]
            mask = labels == labels[min(y, len(mask) - 1), min(x, mask.shape[1] - 1)]
        ones = np.ones(1, np.float32)
        return Masks(mask[None], ones, ones, np.zeros((1, 8, 8), np.float32) if options.logits else None)


class Rig:
    def __init__(self, directory, kind=Shown):
        self.directory = directory
        self.handler = kind(LoadContext("m"))
        pictures, self.cache = Pictures(SlotReader(directory), 1 << 20), EmbeddingCache(1 << 24)
        self.told = []
        self.operations = Operations(
            self.handler,
            Embedder(self.handler, pictures, self.cache),
            Trackers(self.handler, 1 << 24),
            pictures,
            SlotReader(directory),
            lambda control, payload: self.told.append(frames.decode_reply(frames.open_header(payload)[0])),
        )

    def picture(self, pixels):
        height, width = pixels.shape[:2]
        data = pixels.tobytes()
        (self.directory / "slot").write_bytes(data)
        described = {"encoding": "rgb8", "width": width, "height": height, "step": 3 * width, "key": ""}
        return {"slot": "slot", "nbytes": len(data), **described}

    def ask(self, op="segment", *, pixels=None, encodings=("rle",), **fields):
        """Return the control message, the reply, and the attachments."""
        message = {
            "job": 3,
            "op": op,
            "model": "m",
            "received": time.monotonic(),
            "image": self.picture(scene()[0] if pixels is None else pixels),
            "meta": {"id": "a"},
            "outputs": [{"topic": "", "encodings": list(encodings), "inline": False}],
        }
        if op == "everything":
            message |= {"preset": "default", "settings": {"points_per_side": 4}, "progress": False}
        elif op == "segment":
            message |= {"prompt": {}, "multimask": False, "options": {}, "blobs": {}}
        control, payload = self.operations.answer(message | fields, Job())
        plain, _ = frames.open_header(payload)
        return control, frames.decode_reply(plain), payload[1:]

    def masks(self, *arguments, **fields):
        """Return the reply, and its masks as arrays."""
        _, reply, _ = self.ask(*arguments, **fields)
        return reply, [rle.decode(mask.rle.counts, *mask.rle.size) for mask in reply.masks]


@pytest.fixture
def make(tmp_path):
    return lambda *arguments: Rig(tmp_path, *arguments)


# -- post-processing ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("op", ["segment", "everything"])
def test_all_encodings_show_the_processed_mask(make, op):
    rig = make()
    encodings = ("rle", "png", "polygon", "labels", "raw")
    point = {"prompt": {"points": [[60, 120]]}} if op == "segment" else {}
    _, reply, attachments = rig.ask(op, encodings=encodings, post=CLEAN, **point)
    labels = label_map.decode(
        np.frombuffer(attachments[reply.labels.attachment], np.uint8).reshape(HEIGHT, WIDTH), len(reply.masks)
    )
    for mask, label in zip(reply.masks, labels, strict=True):
        shown = rle.decode(mask.rle.counts, HEIGHT, WIDTH)
        assert np.array_equal(png.decode_mask(attachments[mask.png.attachment], HEIGHT, WIDTH), shown)
        assert np.array_equal(np.frombuffer(attachments[mask.raw.attachment], np.uint8) > 0, shown.ravel())
        assert np.array_equal(label, shown)  # none lies over another here
        again = polygon.decode(mask.polygon, HEIGHT, WIDTH)
        assert (again & shown).sum() / (again | shown).sum() >= 0.99
        assert mask.area == shown.sum()
    discs = [mask for mask in reply.masks if 110 < mask.bbox[2] < 125]
    assert len(discs) == 1
    assert rle.decode(discs[0].rle.counts, HEIGHT, WIDTH)[120, 90]  # its hole is filled


def test_what_is_published_is_what_is_answered(make):
    outputs = [
        {"topic": "", "encodings": ["rle"], "inline": False},
        {"topic": "t", "asked": "t", "encodings": ["rle"], "inline": False},
    ]
    control, reply, rest = make().ask(prompt={"points": [[60, 120]]}, outputs=outputs, post=CLEAN)
    assert [name for name, _ in control["outputs"]] == ["", "t"]
    published = frames.decode_reply(frames.open_header(rest)[0])
    assert published.masks == reply.masks
    assert rle.decode(reply.masks[0].rle.counts, HEIGHT, WIDTH)[120, 90]


def test_small_masks_are_left_out(make):
    rig = make(EchoHandler)
    boxes = {"boxes": [[10, 10, 20, 20], [30, 30, 100, 100], [5, 5, 6, 6]]}
    _, reply, attachments = rig.ask(prompt=boxes, encodings=("rle", "logits", "labels"), post={"min_area": 100})
    assert [mask.area for mask in reply.masks] == [100, 4900]
    assert len(attachments) == 3
    control, reply, _ = rig.ask(prompt=boxes, post={"min_area": 10_000})
    assert (reply.masks, control["best"]) == ([], None)


def test_everything_is_sorted_by_what_the_masks_are_now(make):
    rig = make()
    plain, _ = rig.masks("everything", settings={"points_per_side": 12, "retry": False})
    assert [mask.area for mask in plain.masks] == sorted((mask.area for mask in plain.masks), reverse=True)
    reply, masks = rig.masks("everything", settings={"points_per_side": 12, "retry": False}, post={"min_area": 100})
    assert [mask.area for mask in reply.masks] == [mask.area for mask in plain.masks if mask.area >= 100]
    assert [int(mask.sum()) for mask in masks] == [mask.area for mask in reply.masks]


def test_polygons_have_a_largest_error_and_are_no_more_than_asked(make):
    rig = make()
    exact = rig.ask(encodings=["polygon"])[1].masks[0]
    coarse = rig.ask(encodings=["polygon"], post={"max_error": 5})[1].masks[0]
    few = rig.ask(encodings=["polygon"], post={"max_error": 5, "max_contours": 1})[1].masks[0]
    assert (len(exact.polygon), len(coarse.polygon), len(few.polygon)) == (3, 3, 1)
    assert sum(map(len, coarse.polygon)) < sum(map(len, exact.polygon)) / 2
    assert few.polygon[0] in coarse.polygon
    assert exact.area == coarse.area == few.area  # the mask itself is what it is


def test_tracked_masks_are_processed_and_none_is_left_out(make):
    rig = make(EchoHandler)
    boxes = [{"boxes": [[10, 10, 110, 90]]}, {"boxes": [[150, 20, 153, 22]]}]
    step = {
        "session": "s", "begin": True, "size": (WIDTH, HEIGHT), "remove": [], "options": {}, "logits": False,
        "notes": [], "objects": [{"object_id": i, "prompt": box, "blobs": {}} for i, box in enumerate(boxes)],
    }  # fmt: skip
    _, plain, _ = rig.ask("track", **step)
    _, reply, _ = rig.ask("track", **step, post={"smooth": 8, "min_area": 100})
    assert [mask.object_id for mask in reply.masks] == [0, 1]
    assert plain.masks[0].area > reply.masks[0].area > 0.95 * plain.masks[0].area  # its corners are round
    assert reply.masks[1].area == plain.masks[1].area


# -- the size that the model is shown ----------------------------------------------------------------------------------


def test_the_model_is_shown_less_and_the_answer_is_of_the_image(make):
    rig = make()
    pixels, bright = scene()
    reply, (mask,) = rig.masks(prompt={"points": [[250, 120]]}, max_side=80)
    (shown,) = rig.handler.images
    assert np.array_equal(shown, cv2.resize(pixels, (80, 60), interpolation=cv2.INTER_AREA))
    assert rig.handler.prompts[0].points.tolist() == [[62.125, 29.625]]
    assert (reply.width, reply.height, mask.shape) == (WIDTH, HEIGHT, (HEIGHT, WIDTH))
    box = bright.copy()
    box[:, :180] = False
    assert (mask & box).sum() / (mask | box).sum() > 0.97
    assert reply.masks[0].area == mask.sum()


@pytest.mark.parametrize("op", ["segment", "everything"])
def test_a_small_image_is_answered_as_ever(make, op):
    rig = make()
    plain, limited = (rig.ask(op, encodings=["rle", "logits"], max_side=side) for side in (0, WIDTH))
    assert len(rig.handler.images) == 1
    assert plain[1].masks == limited[1].masks
    assert plain[2] == limited[2]
    assert (plain[1].cached, limited[1].cached) == (False, True)


def test_an_embedding_is_kept_for_each_size(make):
    rig = make()
    cached = [rig.ask(max_side=side)[1].cached for side in (0, 100, 100, 200, 0, 320, 5000, 200)]
    assert cached == [False, False, True, False, True, True, True, True]
    assert [image.shape[1] for image in rig.handler.images] == [320, 100, 200]
    sent = rig.picture(scene()[0]) | {"digest": b"0123456789abcdef"}
    assert not rig.ask(image=sent)[1].cached  # it is the node that knows
    assert rig.ask(image=sent)[1].cached


def test_logits_stay_as_the_model_gives_them(make):
    rig = make(EchoHandler)
    _, reply, _ = rig.ask(prompt={"boxes": [[0, 0, 160, 120]]}, max_side=64, encodings=["logits"])
    assert (reply.masks[0].logits.shape, reply.masks[0].bbox) == ([48, 64], (0, 0, 160, 120))


def test_an_overlay_is_of_the_image_itself(make):
    _, reply, attachments = make().ask(encodings=["overlay"], max_side=64)
    painted = cv2.imdecode(np.frombuffer(attachments[reply.overlay.attachment], np.uint8), cv2.IMREAD_COLOR)
    assert painted.shape == (HEIGHT, WIDTH, 3)
    pixels, bright = scene()
    away = cv2.dilate(bright.astype(np.uint8), np.ones((25, 25))) == 0
    assert np.array_equal(painted[away], pixels[away])


def test_everything_of_a_large_image(make):
    rig = make()
    settings = {"points_per_side": 12, "crop_n_layers": 1, "min_area": 100, "retry": False}
    _, reply, _ = rig.ask("everything", settings=settings, max_side=160, progress=True)
    assert {image.shape[:2] for image in rig.handler.images} >= {(120, 160)}
    assert all(image.shape[1] <= 160 for image in rig.handler.images)
    _, bright = scene()
    stats = cv2.connectedComponentsWithStats(bright.astype(np.uint8))[2]
    large = sorted((int(area) for area in stats[:, -1] if area > 100), reverse=True)
    assert len(reply.masks) >= 3
    assert all(mask.area >= 100 for mask in reply.masks)
    for area, mask in zip(large, reply.masks[:3], strict=True):
        assert mask.area == pytest.approx(area, rel=0.03)
        assert 0 <= mask.point[0] < WIDTH
        assert mask.rle.size == (HEIGHT, WIDTH)
    assert reply.masks[0].crop_box == (0, 0, WIDTH, HEIGHT)
    # What is told meanwhile is of the image as well.
    candidates = [mask for progress in rig.told for mask in progress.masks]
    assert max(mask.bbox[0] + mask.bbox[2] for mask in candidates) > 160
    assert {mask.rle.size for mask in candidates} == {(HEIGHT, WIDTH)}


def test_areas_are_those_of_the_image(make):
    rig = make()
    _, (mask,) = rig.masks(prompt={"points": [[60, 120]]}, max_side=160)
    hole = 29  # of three pixels to either side: seven or so are shown
    assert not mask[120, 90]
    assert rig.masks(prompt={"points": [[60, 120]]}, max_side=160, post={"fill_holes": 2 * hole})[1][0][120, 90]
    assert not rig.masks(prompt={"points": [[60, 120]]}, max_side=160, post={"fill_holes": hole // 2})[1][0][120, 90]


def test_a_picture_of_a_job_that_waits_is_embedded_as_it_is_shown(make):
    class Batching(Shown):
        info = ModelInfo(title="x", prompts=frozenset({"none", "points"}), licence="MIT", batch=4)

    rig = make(Batching)
    rig.ask(pixels=np.zeros((HEIGHT, WIDTH, 3), np.uint8))  # now it is known how large an embedding is
    rig.handler.images.clear()
    waiting = [
        {"job": i, "image": rig.picture(scene()[0]), "max_side": side} for i, side in enumerate((0, 100, 100), 7)
    ]
    control, _, _ = rig.ask(max_side=80, ahead=waiting)
    assert control["ahead"] == [7, 8, 9]
    assert [image.shape[1] for image in rig.handler.images] == [80, 320, 100]
    assert [rig.ask(max_side=side)[1].cached for side in (0, 80, 100, 90)] == [True, True, True, False]


# -- texts -------------------------------------------------------------------------------------------------------------


class Texts(Bright):
    """Answer two masks, whatever the texts are."""

    info = ModelInfo(title="Texts", prompts=frozenset({"text"}), licence="MIT")

    def decode(self, embedding, prompt, options, job):
        self.settings = options.text
        masks = np.zeros((2, *embedding.pixels.shape), np.bool_)
        masks[0, :3, :3] = masks[1, :9, :9] = True
        numbers = np.array([0.5, 0.9], np.float32)
        scores = (
            TextScore("cup", 2, 40, np.float32(0.25), np.float32(0.5)),
            TextScore("dog", 0, 40, -0.125, 0.0),
            TextScore("cat", 0, 0),
        )
        return Masks(masks, numbers, numbers, None, ("cup", "cup"), numbers / 2, numbers / 4, scores)


def test_scores_of_texts(make):
    rig = make(Texts)
    options = {"select": "cosine", "threshold": 0.5, "background": "blur"}
    control, reply, _ = rig.ask(prompt={"text": ["cup", "dog", "cat"]}, text_options=options)
    assert rig.handler.settings == TextSettings(**options)
    assert reply.scores == [
        replies.TextScore(text="cup", masks=2, proposals=40, similarity=0.25, probability=0.5),
        replies.TextScore(text="dog", masks=0, proposals=40, similarity=-0.125, probability=0.0),
        replies.TextScore(text="cat", masks=0, proposals=0),
    ]
    assert [mask.probability for mask in reply.masks] == pytest.approx([0.125, 0.225])
    assert control["best"] == pytest.approx(0.9)
    control, reply, _ = rig.ask(prompt={"text": ["cup"]}, text_options=None, post={"min_area": 10})
    assert rig.handler.settings == TextSettings()
    assert ([mask.area for mask in reply.masks], len(reply.scores)) == ([81], 3)
    assert (reply.masks[0].label, reply.masks[0].probability) == ("cup", pytest.approx(0.225))


def test_the_best_mask_of_each_operation(make):
    rig = make()
    assert rig.ask(prompt={"points": [[60, 120]]})[0]["best"] == 1
    assert rig.ask("everything")[0]["best"] == 1
    assert rig.ask("everything", post={"min_area": WIDTH * HEIGHT + 1})[0]["best"] is None
    assert rig.ask(pixels=np.zeros((40, 50, 3), np.uint8))[0]["best"] is None  # a mask without a pixel is none
    assert "best" not in rig.ask("embed")[0]
