"""Work is shared out, every part is done once, and errors come back."""

from __future__ import annotations

import threading

import pytest
import torch

from maskbus.models.crew import Crew


@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("count", [0, 1, 2, 7])
def test_every_part_is_done_once(threads: int, count: int) -> None:
    crew, done = Crew(threads), torch.zeros(8)
    with crew.at_work():
        weights = torch.ones(8)  # of inference mode, which the other threads must be in as well

        def work(part: int) -> None:
            done[part] += weights[part]

        crew.each(work, range(count))
    assert done.tolist() == [1.0] * count + [0.0] * (8 - count)


def test_parts_are_done_at_the_same_time() -> None:
    crew, both = Crew(2), threading.Barrier(2, timeout=30)
    crew.each(lambda _: both.wait() and None, [1, 2])


@pytest.mark.parametrize("wrong", [0, 1])
def test_what_a_part_raises_is_raised_after_the_others_are_done(wrong: int) -> None:
    crew, done = Crew(2), []

    def work(part: int) -> None:
        if part == wrong:
            raise MemoryError("no room")
        done.append(part)

    with pytest.raises(MemoryError, match="no room"):
        crew.each(work, [0, 1])
    assert done == [1 - wrong]


def test_threads_of_operations_are_as_before_afterwards() -> None:
    before, crew = torch.get_num_threads(), Crew(2)
    with crew.at_work():
        assert torch.get_num_threads() == 1
    assert torch.get_num_threads() == before
    with pytest.raises(ValueError, match="invalid literal"), crew.at_work():
        int("x")
    assert torch.get_num_threads() == before
