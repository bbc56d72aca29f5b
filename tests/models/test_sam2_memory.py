"""The memory of one object forgets what no later frame looks at."""

from __future__ import annotations

import pytest

pytest.importorskip("torch", reason="torch is not installed")

import torch

from maskbus.models.sam2_memory import MAX_CONDITIONING, Memory, Moment


def moment(number: int) -> Moment:
    return Moment(torch.full((4,), float(number)), torch.full((6, 2), number, dtype=torch.bfloat16))


def remember(frames: int, shown: tuple[int, ...] = (0,)) -> Memory:
    memory = Memory(pictures=6, pointers=15)
    for number in range(frames):
        memory = memory.plus(number, moment(number), number in shown)
    return memory


def test_six_pictures_and_fifteen_pointers_besides_the_first():
    recall = remember(100).recall(100)
    assert [age for age, _ in recall.pictures] == [0, 6, 5, 4, 3, 2, 1]
    assert [age for age, _ in recall.pointers] == [100, *range(15, 0, -1)]
    assert [int(pointer[0]) for _, pointer in recall.pointers] == [0, *range(85, 100)]
    assert [int(picture[0, 0]) for _, picture in recall.pictures] == [0, *range(94, 100)]


def test_a_young_object_has_what_there_is():
    assert remember(1).recall(1).shape == (1, 1)
    assert remember(4).recall(4).shape == (4, 4)
    assert remember(10).recall(10).shape == (7, 10)


def test_its_size_is_constant_once_it_is_full():
    assert len({remember(frames).nbytes for frames in range(16, 40)}) == 1


def test_the_oldest_conditioning_frame_becomes_one_like_others():
    shown = tuple(range(MAX_CONDITIONING + 1))
    memory = remember(MAX_CONDITIONING + 1, shown)
    assert tuple(memory.conditioning) == shown[1:]
    assert tuple(memory.recent) == (0,)
    # Seen in frame 5 it is five frames old; in frame 7 it is too old for a picture.
    assert (5, 0) in [(age, int(picture[0, 0])) for age, picture in memory.recall(5).pictures]
    later = remember(20, shown)
    assert 0 not in later.conditioning
    assert 0 not in later.recent


def test_adding_leaves_the_old_memory_as_it_was():
    old = remember(5)
    before = (dict(old.conditioning), dict(old.recent))
    old.plus(5, moment(5), False)
    assert (old.conditioning, old.recent) == before
