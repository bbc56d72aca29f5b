from support.jobs import make_job


def test_finish_releases_everything_once():
    released = []
    job = make_job(holds=[lambda: released.append("slot"), lambda: released.append("pin")])
    job.finish()
    job.finish()
    assert released == ["slot", "pin"]


def test_jobs_are_compared_by_identity():
    one = make_job()
    other = make_job(number=one.number, envelope=one.envelope, message=one.message)
    assert one != other
    assert len({one, other}) == 2
