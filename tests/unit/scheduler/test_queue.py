import pytest

from maskbus.scheduler import LANES, ModelQueue, QueueFull
from support.jobs import make_job


def fill(queue, *lanes):
    jobs = [make_job(lane=lane) for lane in lanes]
    for job in jobs:
        queue.push(job)
    return jobs


def test_lanes_come_one_after_the_other_and_jobs_of_a_lane_in_order_of_arrival():
    queue = ModelQueue(10)
    batch, stream, first, last, late_stream = fill(queue, "batch", "stream", "interactive", "interactive", "stream")
    assert [queue.pop() for _ in range(5)] == [first, last, stream, late_stream, batch]
    assert queue.pop() is None


def test_iteration_and_drain_have_the_order_of_pop():
    queue = ModelQueue(10)
    batch, stream, interactive = fill(queue, *reversed(LANES))
    assert list(queue) == [interactive, stream, batch]
    assert queue.drain() == [interactive, stream, batch]
    assert len(queue) == 0
    assert queue.drain() == []


def test_bound_counts_all_lanes_together():
    queue = ModelQueue(3)
    jobs = fill(queue, *LANES)
    with pytest.raises(QueueFull) as caught:
        queue.require_room()
    assert caught.value.length == 3
    with pytest.raises(QueueFull):
        queue.push(make_job())
    assert len(queue) == 3
    assert queue.remove(jobs[2])
    queue.push(make_job())


def test_pop_takes_the_first_that_fits_and_leaves_the_others_in_order():
    queue = ModelQueue(10)
    first, second, third = fill(queue, "interactive", "interactive", "batch")
    assert queue.pop(lambda job: job is not first) is second
    assert queue.pop(lambda job: job is not first) is third
    assert queue.pop(lambda job: job is not first) is None
    assert queue.pop() is first


def test_remove_tells_whether_it_was_there():
    queue = ModelQueue(10)
    one, two = fill(queue, "stream", "stream")
    assert queue.remove(one)
    assert not queue.remove(one)
    assert not queue.remove(make_job())
    assert list(queue) == [two]


def test_lengths_name_only_lanes_with_jobs():
    queue = ModelQueue(10)
    assert queue.lengths() == {}
    fill(queue, "batch", "batch", "interactive")
    assert queue.lengths() == {"interactive": 1, "batch": 2}
