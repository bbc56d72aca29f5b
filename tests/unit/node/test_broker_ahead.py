"""Images of jobs that wait, given to a worker that embeds several at once."""

import pytest

from maskbus_wire import replies, requests
from maskbus_wire.prompts import Image, Slot
from maskbus_wire.requests import Cancel
from support.peer import TINY, segment
from support.rig import card
from support.shared import Mapped


def names(jobs):
    return [job["meta"]["id"] for job in jobs]


def waiting(rig, batch, *ids, **fields):
    """Have a worker that embeds so many images at once work at a first job, with others behind it."""
    rig.ask(segment(id="first"), TINY)
    rig.ready(batch)
    (first,) = rig.jobs()
    for name in ids:
        rig.ask(segment(id=name, **fields), TINY)
    return first


def ahead(job):
    return [other["job"] for other in job.get("ahead", [])]


def test_the_next_in_line_come_along(make):
    rig = make()
    rig.finish(waiting(rig, 3, *"abcd"))
    (a,) = rig.jobs()
    assert names([a]) == ["a"]
    assert len(ahead(a)) == 2
    b, c = a["ahead"]
    rig.finish(a, control={"ahead": ahead(a)})
    (job,) = rig.jobs()
    assert (job["meta"]["id"], job["job"], job["image"]) == ("b", b["job"], b["image"])
    assert c["job"] not in ahead(job)  # its embedding is there
    assert len(ahead(job)) == 1


@pytest.mark.parametrize(("batch", "fields"), [(1, {}), (4, {"cache_embeddings": False})])
def test_none_where_that_is_of_no_use(make, batch, fields):
    rig = make(card("echo", **fields))
    rig.finish(waiting(rig, batch, *"ab"))
    (job,) = rig.jobs()
    assert "ahead" not in job


def test_who_is_in_a_hurry_does_not_wait_for_the_images_of_those_who_are_not(make):
    rig = make()
    first = waiting(rig, 4, "a", "b", lane="batch")
    rig.ask(segment(id="quick"), TINY)
    rig.finish(first)
    (quick,) = rig.jobs()
    assert (quick["meta"]["id"], ahead(quick)) == ("quick", [])
    rig.finish(quick)
    (a,) = rig.jobs()
    assert (a["meta"]["id"], len(ahead(a))) == ("a", 1)


@pytest.mark.parametrize("how", ["cancelled", "late"])
def test_images_are_held_until_the_worker_is_done_whatever_becomes_of_their_jobs(make, how):
    rig = make()
    rig.finish(waiting(rig, 3, "a", "b", "c", deadline_ms=1000))
    (a,) = rig.jobs()
    used = rig.arena.used
    if how == "cancelled":
        for name in "bc":
            rig.ask(Cancel(target=name, id="cancel"))
    else:
        rig.broker.tick(rig.broker.next_event() + 1.5)
    assert rig.waiting() == 0
    assert rig.arena.used == used
    rig.finish(a, control={"ahead": ahead(a)})
    assert rig.arena.used == 0


def test_an_image_in_a_client_s_slot_is_held_as_well(make):
    rig = make()
    lease = rig.ask(requests.Lease(id="l", slots=2, slot_bytes=100))
    mapped = Mapped(lease.path)
    slots = [mapped.write(index, TINY.tobytes(), "rgb8", 5, 4) for index in (0, 1)]
    first = waiting(rig, 2)
    for index, generation in enumerate(slots):
        image = Image(slot=Slot(lease=lease.lease, index=index, generation=generation))
        rig.ask(segment(id=str(index), image=image))
    rig.finish(first)
    (job,) = rig.jobs()
    assert job["ahead"][0]["image"]["entry"] > 0
    free = mapped.entry(1).state
    rig.ask(Cancel(target="1", id="cancel"))
    assert mapped.entry(1).state == free
    rig.finish(job)
    assert mapped.entry(1).state != free
    mapped.close()


@pytest.mark.parametrize("how", ["dies", "fails"])
def test_a_worker_that_ends_gives_them_all_back(make, how):
    rig = make(backoff_s=1.0)
    rig.finish(waiting(rig, 3, *"abc"))
    (a,) = rig.jobs()
    if how == "dies":
        rig.launcher.worker.die()
        rig.read()
        assert isinstance(rig.replies()[-1], replies.Error)
    else:
        rig.fail(a)
        (b,) = rig.jobs()
        assert (b["meta"]["id"], len(ahead(b))) == ("b", 1)
    rig.broker.begin_stop()
    rig.broker.abandon()
    assert rig.arena.used == 0


def test_the_others_have_their_share(make):
    rig = make(card("echo", devices=("cuda:0", "cuda:1")))
    for name in "ab":
        rig.ask(segment(id=name), TINY)
    rig.ready(batch=3)
    assert [ahead(job) for worker in rig.launcher.started for job in rig.jobs(worker)] == [[], []]


def test_two_workers(make):
    """Those whose images one worker embeds are left to it, as long as it has done so."""
    rig = make(card("echo", devices=("cuda:0", "cuda:1")))
    for name in "ab":
        rig.ask(segment(id=name), TINY)
    one, two = rig.launcher.started
    rig.ready(batch=3)
    (a,), (b,) = rig.jobs(one), rig.jobs(two)
    for name in "cdefgh":
        rig.ask(segment(id=name), TINY)
    rig.finish(a, one)
    (c,) = rig.jobs(one)
    rig.finish(b, two)
    (f,) = rig.jobs(two)
    assert (names([c, f]), len(ahead(c)), len(ahead(f))) == (["c", "f"], 2, 1)
    rig.finish(f, two, control={"ahead": ahead(f)})
    for name in "gh":
        (job,) = rig.jobs(two)
        assert job["meta"]["id"] == name
        rig.finish(job, two)
    assert rig.jobs(two) == []  # d and e are the other's
    rig.finish(c, one, control={"ahead": ahead(c)[:1]})  # which has left out e
    assert (names(rig.jobs(one)), names(rig.jobs(two))) == (["d"], ["e"])
