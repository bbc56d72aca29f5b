"""Pictures embedded for one job, and for those that wait behind it."""

import cv2
import numpy as np
import pytest

from maskbus.interfaces import BadPrompt, DeadlinePassed, JobAborted, LoadContext, ModelInfo
from maskbus.worker.clock import Clock
from maskbus.worker.embedder import Embedder
from maskbus.worker.embedding_cache import EmbeddingCache
from maskbus.worker.pictures import Pictures, SlotReader
from maskbus_wire.errors import WireError
from support.models import Bright

NBYTES = 20
"""Of an embedding of a picture of 4 × 5 pixels."""


class Job:
    def __init__(self, left=100.0):
        self.left = left

    def check(self):
        pass

    def remaining(self):
        return self.left


class Batching(Bright):
    """Write down how many pictures came at once."""

    info = ModelInfo(title="x", prompts=frozenset({"none"}), licence="MIT", batch=4)

    def __init__(self, context):
        super().__init__(context)
        self.sizes = []
        self.fail = None

    def embed(self, images, job):
        self.sizes.append(len(images))
        if self.fail is not None:
            self.fail(images)
        return super().embed(images, job)


class Rig:
    def __init__(self, directory, kind=Batching, cache_bytes=100 * NBYTES):
        self.directory = directory
        self.handler = kind(LoadContext("m"))
        self.cache = EmbeddingCache(cache_bytes)
        self.embedder = Embedder(self.handler, Pictures(SlotReader(directory), 1000), self.cache)
        self.number = 0

    def picture(self, number, data=None, **fields):
        """Return what the node says of picture `number`; all of its pixels are that number."""
        data = np.full((4, 5, 3), number, np.uint8).tobytes() if data is None else data
        name = f"{number} {len(data)}"
        (self.directory / name).write_bytes(data)
        return {
            "slot": name, "nbytes": len(data), "encoding": "rgb8", "width": 5, "height": 4, "step": 15, "key": "",
            **fields,
        }  # fmt: skip

    def embed(self, picture, *waiting, job=None, once=False):
        if isinstance(picture, int):
            picture = self.picture(picture)
        ahead = [
            {"job": i, "image": self.picture(p) if isinstance(p, int) else p, "once": once}
            for i, p in enumerate(waiting, 1)
        ]
        message = {"image": picture, "ahead": ahead, **({"once": True} if once else {})}
        return self.embedder.embed(message, job or Job(), Clock(0.0))

    def value(self, number):
        """Return the value that the cached embedding of picture `number` has; None where there is none."""
        embedded = self.embed(number)
        return int(embedded.embedding.pixels[0, 0]) if embedded.cached else None


@pytest.fixture
def make(tmp_path):
    def make(*arguments, known=True, **fields):
        rig = Rig(tmp_path, *arguments, **fields)
        if known:
            rig.embed(200)  # from now on the size of an embedding is known
            rig.handler.sizes.clear()
        return rig

    return make


def test_those_that_wait_are_embedded_along_and_found_at_their_turn(make):
    rig = make()
    embedded = rig.embed(1, 2, 3, 4)
    assert (embedded.cached, embedded.ahead, rig.handler.sizes) == (False, [1, 2, 3], [4])
    assert int(embedded.embedding.pixels[0, 0]) == 1
    assert [rig.value(number) for number in (1, 2, 3, 4)] == [1, 2, 3, 4]
    assert rig.handler.sizes == [4]


def test_never_more_than_the_handler_takes(make):
    rig = make()
    assert rig.embed(1, 2, 3, 4, 5, 6).ahead == [1, 2, 3]
    assert rig.handler.sizes == [4]


def test_a_handler_may_take_less_than_its_class_says(make):
    class OnCpu(Batching):
        @property
        def batch(self):
            return 1 if self.context.device == "cpu" else 4

    rig = make(OnCpu)
    assert rig.embed(1, 2).ahead == []
    assert rig.handler.sizes == [1]


def test_none_along_where_the_job_s_own_is_there(make):
    rig = make()
    rig.embed(1)
    assert rig.embed(1, 2).ahead == []
    assert rig.handler.sizes == [1]


def test_the_same_picture_is_embedded_once(make):
    rig = make()
    rig.embed(9)
    assert rig.embed(1, 1, 2, 9, 2, 3).ahead == [1, 2, 3, 4, 5]
    assert rig.handler.sizes == [1, 3]
    assert (rig.cache.hits, rig.cache.misses) == (0, 3)


def test_the_first_is_alone_as_nobody_knows_how_large_an_embedding_is(make):
    rig = make(known=False)
    assert rig.embed(1, 2, 3).ahead == []
    assert rig.embed(4, 2, 3).ahead == [1, 2]
    assert rig.handler.sizes == [1, 3]


def test_they_take_half_of_the_cache_at_most(make):
    rig = make(cache_bytes=5 * NBYTES)
    assert rig.embed(1, 2, 3, 4).ahead == [1, 2]
    rig = make(cache_bytes=NBYTES)
    assert rig.embed(1, 2, 3, 4).ahead == []
    assert rig.handler.sizes == [1]


def test_none_along_where_embeddings_are_not_kept(make):
    class Forgetful(Batching):
        info = ModelInfo(title="x", prompts=frozenset({"none"}), licence="MIT", batch=4, cache_embeddings=False)

    rig = make(Forgetful)
    assert rig.embed(1, 2).ahead == []
    assert rig.handler.sizes == [1]


def broken(rig):
    good = cv2.imencode(".jpg", np.zeros((4, 5, 3), np.uint8))[1].tobytes()
    return {
        "damaged": rig.picture(2, good[:-2], encoding="jpeg", step=0),
        "another checksum": rig.picture(2, checksum=1),
        "written to": rig.picture(2, bytes(8) + bytes(52), entry=0, generation=3),
        "gone": rig.picture(2) | {"slot": "nothing"},
    }


@pytest.mark.parametrize("what", ["damaged", "another checksum", "written to", "gone"])
def test_a_bad_picture_harms_no_other(make, what):
    rig = make()
    bad = broken(rig)[what]
    embedded = rig.embed(1, bad, 3, 4)
    assert embedded.ahead == [2, 3]
    assert [rig.value(number) for number in (1, 3, 4)] == [1, 3, 4]
    with pytest.raises((WireError, FileNotFoundError)):
        rig.embed(bad)


@pytest.mark.parametrize("error", [ValueError("odd"), BadPrompt("odd"), MemoryError()])
def test_one_that_the_handler_cannot_take_harms_no_other(make, error):
    rig = make()

    def fail(images):
        if any(int(image.pixels[0, 0, 0]) == 3 for image in images):
            raise error

    rig.handler.fail = fail
    embedded = rig.embed(1, 2, 3)
    assert (embedded.ahead, rig.handler.sizes) == ([], [3, 1])
    assert rig.value(1) == 1
    with pytest.raises(type(error)):
        rig.embed(3)


def test_after_a_batch_that_was_too_large_they_are_smaller(make):
    rig = make()

    def fail(images):
        if len(images) > 2:
            raise MemoryError

    rig.handler.fail = fail
    rig.embed(1, 2, 3, 4)
    rig.embed(2, 3, 4)
    assert rig.handler.sizes == [4, 1, 2]


@pytest.mark.parametrize("error", [JobAborted("gone"), DeadlinePassed("late")])
def test_a_job_that_is_cancelled_is_not_tried_again(make, error):
    rig = make()

    def fail(images):
        raise error

    rig.handler.fail = fail
    with pytest.raises(type(error)):
        rig.embed(1, 2)
    assert rig.handler.sizes == [2]


def test_a_handler_that_forgets_one(make):
    class Lazy(Batching):
        def embed(self, images, job):
            return super().embed(images, job)[:1]

    rig = make(Lazy)
    with pytest.raises(ValueError, match="made 1 embeddings of 2 images"):
        rig.embed(1, 2)


def test_a_job_that_is_too_late_embeds_nothing(make):
    rig = make()
    with pytest.raises(DeadlinePassed):
        rig.embed(1, 2, job=Job(left=0.0))
    assert rig.handler.sizes == []


# -- frames of streams -------------------------------------------------------------------------------------------------


def test_frames_push_nothing_out_of_the_cache(make):
    class One(Batching):
        info = ModelInfo(title="x", prompts=frozenset({"none"}), licence="MIT")

    rig = make(One, cache_bytes=3 * NBYTES, known=False)
    for number in (1, 2):
        rig.embed(number)
    for number in range(10, 60):
        assert not rig.embed(number, once=True).cached
    assert [rig.value(number) for number in (1, 2)] == [1, 2]
    assert (rig.cache.evictions, len(rig.cache)) == (0, 2)


def test_frames_of_several_streams_are_embedded_together_and_gone_after_their_turn(make):
    rig = make(cache_bytes=10 * NBYTES)
    kept = len(rig.cache)
    for turn in range(20):
        numbers = [turn * 3 + i for i in range(3)]
        assert rig.embed(numbers[0], *numbers[1:], once=True).ahead == [1, 2]
        for number in numbers[1:]:
            embedded = rig.embed(number, once=True)
            assert (embedded.cached, int(embedded.embedding.pixels[0, 0])) == (True, number)
    assert rig.handler.sizes == [3] * 20
    assert (len(rig.cache), rig.cache.evictions) == (kept, 0)


def test_the_first_frames_tell_how_large_an_embedding_is(make):
    rig = make(known=False)
    assert rig.embed(1, 2, 3, once=True).ahead == []
    assert rig.embed(2, 3, once=True).ahead == [1]


def test_a_frame_does_not_take_away_what_a_request_is_to_find_again(make):
    rig = make()
    rig.embed(1)
    assert rig.embed(1, once=True).cached
    assert rig.value(1) == 1
    rig.embed(5, 6, once=True)
    assert rig.embed(6).cached  # a request for what was made for a frame: from now on it is the request's
    assert rig.embed(6, once=True).cached
    assert rig.value(6) == 6


def test_frames_that_nobody_came_for_are_not_remembered_for_ever(make):
    rig = make(cache_bytes=8 * NBYTES)
    for turn in range(50):
        rig.embed(2 * turn, 2 * turn + 1, once=True)
    assert len(rig.embedder._passing) <= 9
    assert len(rig.cache) <= 8
