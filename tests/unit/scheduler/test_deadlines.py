import random

from maskbus.scheduler import Deadlines
from support.jobs import make_job


def test_jobs_come_out_by_deadline_and_only_when_it_is_over():
    deadlines = Deadlines()
    order = [5.0, 1.0, 3.0, 3.0, 9.0]
    jobs = [make_job(deadline=deadline) for deadline in order]
    for job in jobs:
        deadlines.add(job)
    assert deadlines.next() == 1.0
    assert deadlines.passed(0.5) == []
    assert deadlines.passed(3.0) == [jobs[1], jobs[2], jobs[3]]
    assert deadlines.next() == 5.0
    assert deadlines.passed(100.0) == [jobs[0], jobs[4]]
    assert deadlines.next() is None
    assert deadlines.passed(100.0) == []


def test_answered_jobs_are_neither_late_nor_next():
    deadlines = Deadlines()
    jobs = [make_job(deadline=float(i)) for i in range(3)]
    for job in jobs:
        deadlines.add(job)
    jobs[0].answered = jobs[1].answered = True
    assert deadlines.next() == 2.0
    jobs[2].answered = True
    assert deadlines.next() is None
    assert deadlines.passed(10.0) == []
    assert len(deadlines) == 0


def test_answered_jobs_do_not_pile_up_behind_one_that_waits():
    deadlines = Deadlines()
    waiting = make_job(deadline=0.0)
    deadlines.add(waiting)
    for i in range(10_000):
        job = make_job(deadline=1.0 + i)
        deadlines.add(job)
        job.answered = True
        assert len(deadlines) <= 258
    assert deadlines.passed(0.0) == [waiting]


def test_a_crowd_of_waiting_jobs_is_kept_whole_and_in_order():
    seed = 20240611
    print(f"seed {seed}")
    chance = random.Random(seed)
    deadlines = Deadlines()
    jobs = [make_job(deadline=chance.uniform(0, 100)) for _ in range(2000)]
    for job in jobs:
        deadlines.add(job)
        job.answered = chance.random() < 0.3
    wanted = sorted((job for job in jobs if not job.answered), key=lambda job: (job.deadline, job.number))
    assert deadlines.passed(100.0) == wanted
