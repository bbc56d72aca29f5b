"""A tracker answers what the authors' predictor answers, and holds no more of a video than it needs."""

from __future__ import annotations

import gc
from pathlib import Path

import numpy as np
import psutil
import pytest

pytest.importorskip("torch", reason="torch is not installed")
pytest.importorskip("transformers", reason="transformers is not installed")

import torch
from PIL import Image as Pillow
from transformers import Sam2VideoModel

from maskbus.interfaces import BadPrompt, Image, JobAborted, Prompt, TrackerOptions, UnsupportedPrompt
from maskbus.models import sam2_config, sam2_keys
from maskbus.models.sam2_memory import MAX_CONDITIONING
from maskbus.models.sam2_tracker import Sam2Tracker
from maskbus.models.sam2_video import Sam2Video
from support import davis, sam2_reference
from support.sam2_duo import Duo, Job, freeze, points, small_model, small_pair

WIDTH, HEIGHT = 151, 101


@pytest.fixture(autouse=True, scope="module")
def _few_threads():
    before = torch.get_num_threads()
    # More only wait for each other in models as small as these.
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Make a video of a texture that moves, of odd size."""
    path = tmp_path_factory.mktemp("frames")
    random = np.random.default_rng(5)
    texture = Pillow.fromarray(random.integers(0, 255, (12, 16, 3), dtype=np.uint8)).resize((240, 180))
    for number in range(24):
        left, top = 2 * number, number
        texture.crop((left, top, left + WIDTH, top + HEIGHT)).save(path / f"{number:05d}.jpg", quality=95)
    return path


@pytest.fixture(scope="module")
def pair():
    return small_pair()


@pytest.fixture(scope="module")
def video() -> Sam2Video:
    torch.manual_seed(3)
    return Sam2Video(small_model())


def frame(seed: int = 0, width: int = WIDTH, height: int = HEIGHT) -> Image:
    return Image(np.random.default_rng(seed).integers(0, 255, (height, width, 3), dtype=np.uint8))


CLICK = points([[70, 50]], [1])


def test_one_object_by_a_click_until_all_memories_are_full(pair, folder):
    duo = Duo(pair, folder)
    duo.advance()
    duo.click(1, [[60.0, 50.0]], [1])
    answer = duo.advance(20)
    assert answer.logits.std() > 1, "the weights give no logits worth comparing"
    assert 0.05 < answer.masks.mean() < 0.95


def test_a_second_object_is_added_later(pair, folder):
    duo = Duo(pair, folder)
    duo.advance(2)
    duo.click(7, [[60.0, 50.0]], [1])
    duo.advance(4)
    duo.click(3, [[100.5, 20.25], [20.0, 80.0]], [1, 0])
    answer = duo.advance(4)
    assert answer.object_ids == (7, 3)


@pytest.mark.parametrize("keep", [False, True])
def test_corrections_add_up_in_one_frame(folder, keep):
    duo = Duo(
        small_pair(f"++model.add_all_frames_to_correct_as_cond={str(keep).lower()}"), folder, keep_corrections=keep
    )
    duo.advance()
    duo.click(1, [[60.0, 50.0]], [1])
    duo.click(1, [[10.0, 50.0]], [0])
    duo.advance(3)
    duo.click(1, [[30.0, 30.0]], [1])
    duo.click(1, [[140.0, 90.0]], [0])
    duo.advance(9)


def test_more_corrections_than_are_kept(folder):
    bound = f"++model.max_cond_frames_in_attn={MAX_CONDITIONING}"
    pair = small_pair("++model.add_all_frames_to_correct_as_cond=true", bound)
    duo = Duo(pair, folder, keep_corrections=True)
    duo.advance()
    duo.click(1, [[60.0, 50.0]], [1])
    for number in range(MAX_CONDITIONING + 2):
        duo.advance(1 + number % 2)
        duo.click(1, [[10.0 + 20 * number, 50.0]], [number % 2])
    duo.advance(3)


def test_a_box_with_and_without_points(pair, folder):
    duo = Duo(pair, folder)
    duo.advance()
    duo.box(1, [20, 10, 90, 77.5])
    duo.box(2, [60, 30, 140, 95], [[100, 50]], [1])
    duo.advance(2)
    duo.click(1, [[30.0, 30.0]], [1])
    duo.box(1, [10, 10, 60, 60])
    duo.click(1, [[50.0, 30.0]], [0])
    duo.advance(3)


def test_a_mask(pair, folder):
    duo = Duo(pair, folder)
    mask = np.zeros((HEIGHT, WIDTH), np.bool_)
    mask[20:70, 30:95] = True
    duo.advance()
    assert duo.mask(1, mask).predicted_iou.tolist() == [1]
    duo.click(2, [[100.0, 20.0]], [1])
    duo.advance(3)
    duo.mask(2, mask)
    duo.mask(1, ~mask)
    duo.click(1, [[40.0, 30.0]], [1])
    duo.advance(3)
    assert not duo.mask(1, np.zeros_like(mask)).present[0]
    duo.advance(2)


@pytest.mark.parametrize("batch", [1, 2])
def test_an_object_is_removed(pair, folder, batch):
    duo = Duo(pair, folder, batch=batch)
    duo.advance()
    for object_id in (1, 2, 3):
        duo.click(object_id, [[40.0 * object_id, 50.0]], [1])
    duo.advance(2)
    duo.remove(2)
    assert duo.advance(2).object_ids == (1, 3)
    duo.click(2, [[80.0, 50.0]], [1])
    assert duo.advance().object_ids == (1, 3, 2)
    for object_id in (1, 3, 2):
        duo.remove(object_id)
    assert duo.advance().object_ids == ()
    duo.click(9, [[80.0, 50.0]], [1])
    duo.advance(2)


def test_a_hidden_object(folder):
    duo = Duo(small_pair(presence=-0.07), folder)
    duo.advance()
    for number, place in enumerate([[20.0, 20.0], [130.0, 20.0], [75.0, 50.0], [20.0, 90.0], [130.0, 90.0]]):
        duo.click(number, [place], [1])
    duo.advance(4)
    assert {True, False} == set(duo.seen), "the weights do not hide any object"


def test_the_older_family(folder):
    duo = Duo(small_pair(family="sam2", presence=1.5), folder)
    duo.advance()
    duo.click(1, [[60.0, 50.0]], [1])
    duo.advance(3)
    duo.click(1, [[10.0, 50.0]], [0])
    duo.advance(3)


def test_objects_share_no_pixel_where_they_must_not(folder):
    duo = Duo(small_pair("++model.non_overlap_masks=true"), folder, overlap=False)
    duo.advance()
    for object_id in (1, 2, 3):
        duo.click(object_id, [[40.0 * object_id, 30.0 * object_id]], [1])
    answer = duo.advance(2)
    assert answer.masks.sum(0).max() == 1


def test_objects_may_overlap_otherwise(pair, folder):
    duo = Duo(pair, folder)
    duo.advance()
    duo.box(1, [20, 10, 90, 77])
    assert duo.box(2, [20, 10, 91, 77]).masks.sum(0).max() == 2


def test_thirty_frames_of_a_real_video(pair, tmp_path):
    duo = Duo(pair, davis.frames("dog", 30, tmp_path), tolerance=1e-4)
    duo.advance()
    duo.click(1, [[400.0, 240.0]], [1])
    duo.advance(5)
    duo.click(1, [[500.0, 260.0]], [0])
    duo.advance(5)
    duo.box(2, [300, 120, 620, 400])
    duo.advance(9)
    true = np.array(Pillow.open(davis.annotation("dog", duo.tracker.frame)).convert("L")) > 127
    duo.mask(3, true)
    duo.advance(4)
    duo.remove(1)
    duo.advance(6)
    assert duo.tracker.frame == 29


@pytest.mark.timeout(400)  # four runs of the encoder, on a machine that may be busy
def test_the_true_size_on_a_real_video(tmp_path):
    """Two frames of 1024 × 1024 pixels through the whole of sam2.1-hiera-tiny."""
    folder = davis.frames("blackswan", 2, tmp_path)
    torch.set_num_threads(2)
    torch.manual_seed(4)
    theirs = sam2_reference.build("sam2.1-hiera-tiny", video=True)
    sam2_reference.randomise(theirs, 4)
    ours = Sam2VideoModel(sam2_config.video_config("sam2.1-hiera-tiny")).eval()
    ours.load_state_dict(sam2_keys.to_transformers(theirs.state_dict()))
    duo = Duo((theirs, ours), folder, tolerance=1e-3)
    duo.advance()
    duo.click(1, [[430.0, 200.0]], [1])
    duo.advance()
    torch.set_num_threads(1)


class Count:
    """Raise at the n-th check."""

    def __init__(self, fatal: int) -> None:
        self.left = fatal

    def check(self) -> None:
        if self.left == 0:
            raise JobAborted("cancelled")
        self.left -= 1


@pytest.mark.parametrize("call", ["advance", "correct", "add"])
def test_a_call_that_is_cut_short_changes_nothing(video, call):
    tracker = Sam2Tracker(video, TrackerOptions(logits=True))
    tracker.advance(frame(0), Job())
    for object_id in range(3):
        tracker.prompt(object_id, CLICK, Job())
    tracker.advance(frame(1), Job())

    def attempt(job):
        if call == "advance":
            return tracker.advance(frame(2), job)
        return tracker.prompt(1 if call == "correct" else 8, CLICK, job)

    before, checks = freeze(tracker), 0
    while True:
        try:
            answer = attempt(Count(checks))
            break
        except JobAborted:
            assert freeze(tracker) == before
            checks += 1
    assert checks >= 4
    fresh = Sam2Tracker(video, TrackerOptions(logits=True))
    fresh.advance(frame(0), Job())
    for object_id in range(3):
        fresh.prompt(object_id, CLICK, Job())
    fresh.advance(frame(1), Job())
    tracker = fresh
    assert np.array_equal(attempt(Job()).logits, answer.logits)


def test_a_failing_encoder_changes_nothing(video):
    def encode(image):
        if image.pixels[0, 0, 0] == 1:
            raise MemoryError
        return video.encode(image)

    good = Image(np.zeros((8, 8, 3), np.uint8))
    tracker = Sam2Tracker(video, TrackerOptions(), encode)
    tracker.advance(good, Job())
    tracker.prompt(1, points([[3, 3]], [1]), Job())
    before = freeze(tracker)
    with pytest.raises(MemoryError):
        tracker.advance(Image(np.ones((8, 8, 3), np.uint8)), Job())
    assert freeze(tracker) == before
    assert tracker.advance(good, Job()).frame == 1


def test_what_cannot_be_done_is_refused_in_a_sentence(video):
    tracker = Sam2Tracker(video, TrackerOptions(max_objects=2))
    with pytest.raises(BadPrompt, match="no frame yet"):
        tracker.prompt(1, CLICK, Job())
    tracker.advance(frame(), Job())
    mask = np.zeros((HEIGHT, WIDTH), np.bool_)
    box = np.array([[1, 1, 9, 9]], np.float32)
    refused = [
        (BadPrompt, "begin at 0", -1, CLICK),
        (BadPrompt, "Nothing is pointed at", 1, Prompt()),
        (BadPrompt, "one box, not 2", 1, Prompt(boxes=np.repeat(box, 2, 0))),
        (BadPrompt, "Every point is background", 1, points([[3, 3]], [0])),
        (BadPrompt, "mask is empty", 1, Prompt(mask=mask)),
        (BadPrompt, "without points and boxes", 1, Prompt(boxes=box, mask=~mask)),
        (BadPrompt, "5 by 4 pixels", 1, Prompt(mask=np.ones((4, 5), np.bool_))),
        (UnsupportedPrompt, "logits", 1, Prompt(logits=np.zeros((64, 64), np.float32))),
        (UnsupportedPrompt, "texts", 1, Prompt(texts=("a dog",))),
    ]
    for error, sentence, object_id, prompt in refused:
        with pytest.raises(error, match=sentence):
            tracker.prompt(object_id, prompt, Job())
    tracker.prompt(1, CLICK, Job())
    tracker.prompt(2, CLICK, Job())
    with pytest.raises(BadPrompt, match="2 objects at most"):
        tracker.prompt(3, CLICK, Job())
    with pytest.raises(BadPrompt, match="no object 5"):
        tracker.remove(5)
    with pytest.raises(BadPrompt, match=r"60 by 40 pixels.*151 by 101"):
        tracker.advance(frame(0, 60, 40), Job())
    assert (tracker.frame, tracker.object_ids) == (0, (1, 2))
    tracker.prompt(1, points([[3, 3]], [0]), Job())
    with pytest.raises(BadPrompt, match="overlap is true or false"):
        Sam2Tracker(video, TrackerOptions(extra={"overlap": 1}))


def test_frames_without_objects_cost_no_encoding_and_keep_their_own_pixels(video):
    encoded = []

    def encode(image):
        encoded.append(image.pixels.copy())
        return video.encode(image)

    tracker = Sam2Tracker(video, TrackerOptions(), encode)
    borrowed = frame(1).pixels.copy()
    for _ in range(3):
        answer = tracker.advance(Image(borrowed), Job())
    assert (answer.masks.shape, answer.object_ids) == ((0, HEIGHT, WIDTH), ())
    assert encoded == []
    pixels = borrowed.copy()
    borrowed[:] = 0
    tracker.prompt(1, CLICK, Job())
    tracker.prompt(1, CLICK, Job())
    assert len(encoded) == 1
    assert np.array_equal(encoded[0], pixels)


def test_logits_come_only_where_they_are_asked_for(video):
    tracker = Sam2Tracker(video, TrackerOptions())
    tracker.advance(frame(), Job())
    assert tracker.prompt(1, CLICK, Job()).logits is None


def test_memory_is_flat_over_many_frames():
    torch.manual_seed(3)
    narrow = {"memory_attention_feed_forward_hidden_size": 64, "mask_decoder_config.mlp_dim": 64}
    video = Sam2Video(small_model(size=64, layers=1, **narrow))
    with torch.inference_mode():
        features = [video.encode(frame(seed, 32, 24)) for seed in range(3)]
    options = TrackerOptions(extra={"keep_corrections": True})
    tracker = Sam2Tracker(video, options, lambda image: features[image.pixels[0, 0, 0]])
    images = [Image(np.full((24, 32, 3), number, np.uint8)) for number in range(3)]
    click = points([[15, 12]], [1])
    process = psutil.Process()

    def play(frames):
        for number in range(frames):
            tracker.advance(images[number % 3], Job())
            if number % 50 == 0:
                tracker.prompt(1, click, Job())
        gc.collect()
        return tracker.nbytes, process.memory_info().rss

    tracker.advance(images[0], Job())
    tracker.prompt(1, click, Job())
    play(50 * (MAX_CONDITIONING + 1))
    held, resident = play(120)
    later_held, later_resident = play(1000 - tracker.frame)
    assert tracker.frame == 1000
    assert 0 < later_held == held < 1_000_000
    assert later_resident - resident < 8 << 20
    tracker.close()
    assert tracker.nbytes == 0
