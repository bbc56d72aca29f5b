import numpy as np
import pytest

from maskbus.interfaces import FoundObject
from maskbus.worker import progress
from maskbus.worker.progress import ProgressReport
from maskbus_wire import rle

HEIGHT, WIDTH = 6, 9


def found(x):
    patch = np.ones((2, 3), np.bool_)
    patch[1, 1] = False
    return FoundObject((x, 1, 3, 2), patch, 5, 0.75, 0.5, (x + 1.0, 2.0), (0, 0, WIDTH, HEIGHT))


@pytest.fixture
def clock(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    return now


@pytest.fixture
def sent():
    return []


@pytest.fixture
def report(sent, clock):
    return ProgressReport("mine", HEIGHT, WIDTH, sent.append)


def test_at_once_then_now_and_then_and_at_last(report, sent, clock):
    for done in range(1, 101):
        clock[0] += 0.004
        report(done, 100)
    assert [reply.done for reply in sent] == [1, 26, 51, 76, 100]
    assert all((reply.id, reply.total, reply.masks) == ("mine", 100, []) for reply in sent)
    report.close()
    assert len(sent) == 5


def test_nothing_that_was_found_is_lost(report, sent, clock):
    report(1, 10, [found(0)])
    report(2, 10, [found(1), found(2)])
    report(3, 10)
    assert [len(reply.masks) for reply in sent] == [1]
    clock[0] += 0.2
    report(4, 10, [found(3)])
    report(5, 10, [found(4)])
    report.close()
    assert [(reply.done, reply.found, len(reply.masks)) for reply in sent] == [(1, 1, 1), (4, 4, 3), (5, 5, 1)]


def test_what_a_candidate_tells(report, sent):
    report(1, 10, [found(2)])
    (mask,) = sent[0].masks
    assert (mask.bbox, mask.area, mask.predicted_iou, mask.stability_score) == ((2, 1, 3, 2), 5, 0.75, 0.5)
    assert (mask.point, mask.crop_box) == ((3.0, 2.0), (0, 0, WIDTH, HEIGHT))
    assert np.array_equal(rle.decode(mask.rle.counts, *mask.rle.size), found(2).full(HEIGHT, WIDTH))


def test_who_has_nothing_to_tell(report, sent):
    report.close()
    assert sent == []
