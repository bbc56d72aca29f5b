import errno

import pytest

from maskbus.engine.launch import WorkerSpec
from maskbus.engine.worker_handle import WorkerHandle
from support.jobs import make_job
from support.workers import HELLO, PATIENCE, FakeLauncher, Listener


@pytest.fixture
def launcher():
    made = FakeLauncher()
    yield made
    made.close()


@pytest.fixture
def listener():
    return Listener()


@pytest.fixture
def handle(launcher, listener):
    spec = WorkerSpec(1, "echo", "module:Class", "cuda:0", 3, {"a": 1})
    made = WorkerHandle(spec, launcher, HELLO, PATIENCE, listener)
    yield made
    made.stop()


def ready(handle, launcher, now=0.0):
    if handle.state == "stopped":
        handle.start(now)
    launcher.worker.tell(type="ready", batch=1)
    handle.read(now)
    assert handle.state == "ready"


def busy(handle, launcher, now=0.0, **fields):
    ready(handle, launcher, now)
    job = make_job(**fields)
    handle.submit(job, now)
    return job


def codes(listener):
    return [entry[2] for entry in listener.take() if entry[0] == "failed"]


def test_life_of_a_worker(handle, launcher, listener):
    assert (handle.state, handle.fileno(), handle.next_event()) == ("stopped", -1, None)
    handle.start(0.0)
    assert handle.state == "starting"
    hello = launcher.worker.told()
    assert hello == [
        {**HELLO, "model": "echo", "handler": "module:Class", "device": "cuda:0", "threads": 3, "options": {"a": 1}}
    ]
    launcher.worker.tell(type="ready", batch=1)
    handle.read(1.0)
    job = make_job()
    handle.submit(job, 2.0)
    assert (handle.state, handle.job) == ("busy", job)
    assert launcher.worker.told() == [job.message]
    launcher.worker.tell(b"payload", type="done", job=job.number, outputs=[["", 1]])
    handle.read(3.0)
    assert (handle.state, handle.job) == ("ready", None)
    handle.stop()
    assert launcher.worker.told() == [{"type": "stop"}]
    assert (handle.state, handle.fileno()) == ("stopped", -1)
    assert listener.take() == [
        ("opened",),
        ("free", "ready"),
        ("done", job, [b"payload"]),
        ("free", "ready"),
        ("closing",),
    ]


def test_start_of_a_running_worker_does_nothing(handle, launcher):
    ready(handle, launcher)
    handle.start(0.0)
    assert len(launcher.started) == 1
    assert handle.state == "ready"


def test_error_of_a_job_leaves_the_worker_alone(handle, launcher, listener):
    job = busy(handle, launcher)
    listener.take()
    launcher.worker.tell(type="error", job=job.number, code="internal", message="Sorry.", path="prompt")
    handle.read(1.0)
    assert listener.take() == [("failed", job, "internal", "Sorry.", "prompt"), ("free", "ready")]
    assert len(launcher.started) == 1


def test_answer_to_another_job_is_ignored(handle, launcher, listener):
    job = busy(handle, launcher)
    listener.take()
    launcher.worker.tell(type="done", job=job.number + 1, outputs=[])
    handle.read(1.0)
    assert (handle.job, listener.take()) == (job, [])


def test_death_while_busy(handle, launcher, listener):
    job = busy(handle, launcher)
    listener.take()
    launcher.worker.die("ended by signal 9")
    handle.read(5.0)
    closing, failed = listener.take()
    assert closing == ("closing",)
    assert failed[1:3] == (job, "worker_died")
    assert "signal 9" in failed[3]
    assert (handle.state, handle.failure, handle.next_event()) == ("backing-off", "", 6.0)
    assert "signal 9" in handle.stats().last_error


def test_last_answer_of_a_worker_that_dies_counts(handle, launcher, listener):
    job = busy(handle, launcher)
    listener.take()
    launcher.worker.tell(type="done", job=job.number, outputs=[])
    launcher.worker.die()
    handle.read(1.0)
    assert ("done", job, []) in listener.take()
    handle.read(1.0)
    assert handle.state == "backing-off"
    assert codes(listener) == []


def test_back_off_doubles_up_to_its_most_and_is_reset_by_an_answer(handle, launcher):
    now, waits = 0.0, []
    for _ in range(6):
        ready(handle, launcher, now)
        launcher.worker.die()
        handle.read(now)
        waits.append(handle.next_event() - now)
        handle.tick(handle.next_event() - 0.001)
        assert handle.state == "backing-off"
        now = handle.next_event()
        handle.tick(now)
        assert handle.state == "starting"
    assert waits == [1, 2, 4, 8, 8, 8]
    assert handle.stats().restarts == 6
    job = busy(handle, launcher, now)
    launcher.worker.tell(type="done", job=job.number, outputs=[])
    handle.read(now)
    launcher.worker.die()
    handle.read(now)
    assert handle.next_event() - now == 1


def test_load_that_takes_too_long(handle, launcher, listener):
    handle.start(0.0)
    assert handle.next_event() == 100.0
    handle.tick(100.0)
    assert handle.state == "starting"
    handle.tick(100.1)
    assert handle.state == "backing-off"
    assert launcher.worker.body.killed
    assert listener.take()[-1] == ("unavailable", handle.failure)
    assert "100 s" in handle.failure
    assert handle.failure_code == "model_unavailable"


def test_model_that_cannot_be_loaded(handle, launcher, listener):
    handle.start(0.0)
    launcher.worker.tell(type="failed", code="model_unavailable", message="No weights.")
    handle.read(1.0)
    assert listener.take()[-1] == ("unavailable", "No weights.")
    assert (handle.state, handle.failure) == ("backing-off", "No weights.")
    handle.tick(2.0)
    assert (handle.state, handle.failure) == ("starting", "No weights.")
    launcher.worker.tell(type="ready", batch=1)
    handle.read(3.0)
    assert (handle.state, handle.failure) == ("ready", "")


def test_code_of_a_load_failure_is_that_of_the_last_one(handle, launcher):
    handle.start(0.0)
    launcher.worker.tell(type="failed", code="out_of_memory", message="Too big.")
    handle.read(0.0)
    assert handle.failure_code == "out_of_memory"
    handle.tick(1.0)
    launcher.worker.die("ended by signal 9")
    handle.read(1.0)
    assert "signal 9" in handle.failure
    assert handle.failure_code == "model_unavailable"


def test_worker_that_cannot_be_started(handle, launcher, listener):
    launcher.refuse = OSError(errno.EAGAIN, "Resource temporarily unavailable")
    handle.start(0.0)
    assert handle.state == "backing-off"
    assert "temporarily" in handle.failure
    launcher.refuse = None
    handle.tick(1.0)
    assert handle.state == "starting"


def test_worker_that_dies_before_it_is_told_its_model(handle, launcher, listener):
    real = launcher.start

    def start_dead(spec):
        connection, body = real(spec)
        launcher.worker.die()
        return connection, body

    launcher.start = start_dead
    handle.start(0.0)
    assert handle.state == "backing-off"
    assert "code 3" in handle.failure
    assert listener.take() == [("opened",), ("closing",), ("unavailable", handle.failure)]


def test_heartbeats_keep_a_worker_alive(handle, launcher, listener):
    ready(handle, launcher)
    for now in (9.0, 18.0, 27.0):
        launcher.worker.tell(type="beat", rss=5, cache=[1, 2, 3, 4, 5])
        handle.read(now)
        handle.tick(now + 1)
    assert handle.state == "ready"
    assert handle.next_event() == 37.0
    stats = handle.stats()
    assert (stats.rss_bytes, stats.cache_bytes, stats.cache_entries, stats.cache_hits, stats.cache_misses) == (
        5,
        1,
        2,
        3,
        4,
    )
    assert stats.pid == launcher.worker.body.pid


def test_missing_heartbeats_end_a_worker(handle, launcher, listener):
    job = busy(handle, launcher, deadline=1000.0)
    listener.take()
    handle.tick(10.0)
    assert handle.state == "busy"
    handle.tick(10.1)
    assert handle.state == "backing-off"
    assert launcher.worker.body.killed
    assert [entry[1:3] for entry in listener.take() if entry[0] == "failed"] == [(job, "worker_died")]


def test_heartbeats_that_lie_unread_count(handle, launcher):
    """A node that was held up itself must not blame its workers."""
    ready(handle, launcher)
    launcher.worker.tell(type="beat", rss=5, cache=[0, 0, 0, 0, 0])
    handle.tick(60.0)
    assert handle.state == "ready"


def test_hang_past_the_deadline(handle, launcher, listener):
    job = busy(handle, launcher, deadline=5.0)
    assert handle.next_event() == 7.0
    handle.tick(7.0)
    assert handle.state == "busy"
    handle.tick(7.1)
    assert handle.state == "backing-off"
    assert launcher.worker.body.killed
    assert codes(listener) == ["worker_died"]
    assert handle.job is None
    assert job.number


def test_cancel_is_told_to_the_worker_that_has_the_job_only(handle, launcher):
    job = busy(handle, launcher)
    launcher.worker.told()
    handle.cancel(make_job(), 0.0)
    assert launcher.worker.told() == []
    handle.cancel(job, 0.0)
    assert launcher.worker.told() == [{"type": "cancel", "job": job.number}]
    assert handle.job is job


def test_worker_that_stops_reading_is_ended(handle, launcher, listener):
    job = busy(handle, launcher)
    for _ in range(100_000):
        if handle.state != "busy":
            break
        handle.cancel(job, 0.0)
    assert handle.state == "backing-off"
    assert launcher.worker.body.killed
    assert codes(listener) == ["worker_died"]


def test_out_of_memory_replaces_the_worker_and_nothing_more_is_given_to_it(handle, launcher, listener):
    job = busy(handle, launcher)
    listener.take()
    launcher.worker.tell(type="error", job=job.number, code="out_of_memory", message="It ran out.", path="")
    launcher.worker.tell(type="beat", rss=5, cache=[1, 2, 3, 4, 5])
    handle.read(1.0)
    heard = listener.take()
    assert ("failed", job, "out_of_memory", "It ran out.", "") in heard
    assert not any(entry[0] == "free" for entry in heard)
    assert handle.state == "backing-off"
    assert launcher.worker.body.killed
    assert handle.stats().rss_bytes == 0


def test_nothing_is_submitted_to_a_worker_that_announced_out_of_memory_from_within_the_event(
    handle, launcher, listener
):
    """Whoever hears of the failure looks for work at once: the handle must not look ready then."""
    states = []
    listener.failed = lambda handle, *_: states.append(handle.state)
    job = busy(handle, launcher)
    launcher.worker.tell(type="error", job=job.number, code="out_of_memory", message="It ran out.", path="")
    handle.read(1.0)
    assert states == ["backing-off"]


def test_two_answers_in_one_read(handle, launcher, listener):
    first = busy(handle, launcher)
    second = make_job()
    given = iter([second])

    def free(handle):
        job = next(given, None)
        if job is not None:
            handle.submit(job, 1.0)

    listener.free = free
    for job in (first, second):
        launcher.worker.tell(type="done", job=job.number, outputs=[])
    handle.read(1.0)
    assert [entry[1] for entry in listener.take() if entry[0] == "done"] == [first, second]
    assert handle.state == "ready"


def test_large_message_on_a_line_of_the_system_s_default_size(listener):
    """Many systems grant a socket no more than 208 KiB, and 256 KiB of options are allowed."""
    launcher = FakeLauncher(buffer_bytes=212_992)
    handle = WorkerHandle(WorkerSpec(1, "echo", "module:Class"), launcher, HELLO, PATIENCE, listener)
    ready(handle, launcher)
    launcher.worker.told()
    job = make_job(message={"type": "job", "options": {"x": bytes(256 * 1024)}})
    handle.submit(job, 0.0)
    assert handle.state == "busy"
    assert launcher.worker.told() == [job.message]
    handle.stop()
    launcher.close()


def test_reap_ends_those_that_stay(handle, launcher):
    ready(handle, launcher)
    handle.stop()
    assert not launcher.worker.body.killed
    handle.reap(0.0)
    assert launcher.worker.body.killed


def test_reap_leaves_those_alone_that_went(handle, launcher):
    ready(handle, launcher)
    handle.stop()
    launcher.worker.die("exited with code 0")
    handle.reap(0.0)
    assert not launcher.worker.body.killed


def test_a_thousand_streams_that_end_while_a_worker_is_busy_do_not_end_it(listener):
    launcher = FakeLauncher(buffer_bytes=64 * 1024)
    handle = WorkerHandle(WorkerSpec(1, "echo", "module:Class", "cpu", 1, {}), launcher, HELLO, PATIENCE, listener)
    try:
        handle.start(0.0)
        job = busy(handle, launcher)
        sessions = [f"{i:016x}" for i in range(1000)]
        for session in sessions:
            handle.end_tracker(session)
        handle.tick(0.0)
        assert handle.state == "busy"
        assert [message["type"] for message in launcher.worker.told()] == ["hello", "job"]
        launcher.worker.tell(type="done", job=job.number)
        handle.read(1.0)
        assert launcher.worker.told() == [{"type": "end_trackers", "sessions": sessions}]
        handle.end_tracker("one more")  # while it has nothing to do
        handle.tick(2.0)
        handle.tick(3.0)
        assert launcher.worker.told() == [{"type": "end_trackers", "sessions": ["one more"]}]
    finally:
        handle.stop()
        launcher.close()


def test_a_worker_that_is_started_again_follows_nothing(handle, launcher):
    busy(handle, launcher)
    handle.end_tracker("a")
    launcher.worker.die()
    handle.read(0.0)
    handle.end_tracker("b")
    handle.tick(PATIENCE.backoff)
    ready(handle, launcher, PATIENCE.backoff)
    handle.tick(PATIENCE.backoff)
    assert [message["type"] for message in launcher.worker.told()] == ["hello"]
