import socket
import time

import pytest

from maskbus.interfaces import DeadlinePassed, JobAborted
from maskbus.worker.channel import Channel, ChannelClosed, pack
from maskbus.worker.current_job import CurrentJob, Inbox

FAR = 1e12


@pytest.fixture
def line():
    node, worker = (Channel(end) for end in socket.socketpair())
    yield node, worker
    node.close()
    worker.close()


def tell(node, kind, number):
    node.send([pack({"type": kind, "job": number})])


def test_a_job_may_go_on_until_it_is_cancelled(line):
    node, worker = line
    job = CurrentJob(7, FAR, Inbox(worker))
    job.check()
    tell(node, "cancel", 8)
    job.check()
    tell(node, "cancel", 7)
    with pytest.raises(JobAborted) as caught:
        job.check()
    assert caught.value.code == "cancelled"
    with pytest.raises(JobAborted):
        job.check()


def test_deadline(line):
    job = CurrentJob(7, time.monotonic() - 1, Inbox(line[1]))
    assert job.remaining() < 0
    with pytest.raises(DeadlinePassed) as caught:
        job.check()
    assert caught.value.code == "deadline_exceeded"
    assert CurrentJob(7, time.monotonic() + 100, Inbox(line[1])).remaining() > 50


def test_jobs_that_come_while_one_runs_are_kept_in_order(line):
    node, worker = line
    inbox = Inbox(worker)
    for number in (8, 9):
        tell(node, "job", number)
    tell(node, "cancel", 9)
    CurrentJob(7, FAR, inbox).check()
    tell(node, "stop", 0)
    assert [inbox.next()["job"] for _ in range(2)] == [8, 9]
    with pytest.raises(JobAborted):
        CurrentJob(9, FAR, inbox).check()
    assert inbox.next()["type"] == "stop"


def test_a_cancellation_of_a_job_that_is_over_is_not_remembered(line):
    node, worker = line
    inbox = Inbox(worker)
    tell(node, "cancel", 7)
    assert inbox.is_cancelled(7)
    inbox.forget(7)
    assert not inbox.is_cancelled(7)


def test_the_end_of_the_line(line):
    node, worker = line
    inbox = Inbox(worker)
    tell(node, "job", 8)
    node.close()
    assert not inbox.is_cancelled(7)
    assert inbox.next()["job"] == 8
    with pytest.raises(ChannelClosed):
        inbox.next()


def test_progress_goes_to_whoever_wants_it(line):
    job = CurrentJob(7, FAR, Inbox(line[1]))
    job.progress(1, 2)
    told = []
    job.report = lambda *what: told.append(what)
    job.progress(2, 2, ["found"])
    assert told == [(2, 2, ["found"])]


def test_patience(line):
    node, worker = line
    inbox = Inbox(worker)
    with pytest.raises(TimeoutError):
        inbox.next(0.01)
    tell(node, "job", 8)
    assert inbox.next(0.01)["job"] == 8
    tell(node, "cancel", 9)
    with pytest.raises(TimeoutError):
        inbox.next(0.01)
    assert inbox.is_cancelled(9)
