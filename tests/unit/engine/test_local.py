import pytest

from maskbus.config import Config
from maskbus.engine import threads
from maskbus.engine.catalogue import Card, Catalogue
from maskbus.engine.local import LocalEngine
from support.jobs import make_job
from support.workers import FakeLauncher, Listener


def card(name, **fields):
    defaults = {"target": f"module:{name}", "title": name, "prompts": frozenset({"none"}), "licence": "MIT"}
    defaults |= {"weights": "none needed", "ready": True, "missing": "", "multimask": False, "has_logits": False}
    return Card(name=name, **{**defaults, **fields})


@pytest.fixture
def launcher():
    made = FakeLauncher()
    yield made
    made.close()


@pytest.fixture
def engine(launcher, tmp_path):
    cards = [card("one", devices=("cuda:0", "cuda:1"), threads=2, options={"a": 1}), card("other")]
    catalogue = Catalogue({card.name: card for card in cards})
    made = LocalEngine(Config(heartbeat_s=3.0), catalogue, launcher, tmp_path, Listener())
    yield made
    made.stop(0.0)


def test_nothing_runs_until_it_is_asked_for(engine, launcher):
    assert launcher.started == []
    assert engine.stats() == []
    assert engine.next_event() is None
    assert [worker.state for worker in engine.workers("one")] == ["stopped", "stopped"]


def test_one_worker_a_device_each_with_a_number_of_its_own(engine, launcher, tmp_path, monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    engine.start("one", 0.0)
    engine.start("one", 0.0)
    engine.start("other", 0.0)
    assert [(spec.model, spec.device, spec.threads, spec.options) for spec in launcher.specs] == [
        ("one", "cuda:0", 2, {"a": 1}),
        ("one", "cuda:1", 2, {"a": 1}),
        ("other", "cpu", threads.available_cores(), {}),
    ]
    assert len({spec.number for spec in launcher.specs}) == 3
    hello = launcher.worker.told()[0]
    assert (hello["slots"], hello["heartbeat_s"], hello["handler"]) == (str(tmp_path), 3.0, "module:other")
    assert [(stats.model, stats.state) for stats in engine.stats()] == [("one", "starting")] * 2 + [
        ("other", "starting")
    ]


def plan(launcher, directory, monkeypatch, cards, cores=8, **settings):
    """Return an engine on a machine of so many cores."""
    monkeypatch.setattr(threads, "available_cores", lambda: cores)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    catalogue = Catalogue({card.name: card for card in cards})
    return LocalEngine(Config(**settings), catalogue, launcher, directory, Listener())


def given(launcher):
    """Return the threads of each worker, as its environment and its handler are told."""
    told = [worker.told()[0]["threads"] for worker in launcher.started]
    assert told == [spec.threads for spec in launcher.specs]
    return told


def test_workers_that_start_with_the_node_share_the_cores(launcher, tmp_path, monkeypatch):
    cards = [card("a", devices=("cpu", "cpu")), card("b"), card("gpu", devices=("cuda:0",)), card("later")]
    engine = plan(launcher, tmp_path, monkeypatch, cards, preload=["a", "b", "gpu"])
    engine.start_preloaded(0.0)
    assert given(launcher) == [2, 2, 2, 0]
    engine.stop(0.0)


def test_one_that_comes_later_shares_with_those_that_are_there(launcher, tmp_path, monkeypatch):
    engine = plan(launcher, tmp_path, monkeypatch, [card(name) for name in "abc"], preload=[])
    for name in "abc":
        engine.start(name, 0.0)
    assert given(launcher) == [8, 4, 2]
    launcher.started[0].die()
    engine.workers("a")[0].read(1.0)
    engine.tick(100.0)
    assert launcher.specs[-1].threads == 2  # it starts again, and now there are three
    engine.stop(0.0)


def test_what_was_said_of_threads_holds(launcher, tmp_path, monkeypatch):
    cards = [card("a", threads=7), card("b")]
    engine = plan(launcher, tmp_path, monkeypatch, cards, cores=1, preload=["a", "b"])
    engine.start_preloaded(0.0)
    assert given(launcher) == [7, 1]
    engine.stop(0.0)


def test_a_word_for_all_libraries_holds(monkeypatch):
    monkeypatch.setattr(threads, "available_cores", lambda: 8)
    assert threads.share(2, {"OMP_NUM_THREADS": "3"}) == 3
    assert threads.share(2, {"OMP_NUM_THREADS": " 5,2 "}) == 5
    assert threads.share(2, {"OMP_NUM_THREADS": "0"}) == 4
    assert threads.share(3, {"OMP_NUM_THREADS": "many"}) == 2
    assert threads.share(0, {}) == 8
    assert threads.share(9, {}) == 1


def test_cancel_finds_the_worker(engine, launcher):
    engine.start("one", 0.0)
    for worker in launcher.started:
        worker.tell(type="ready", batch=1)
    jobs = [make_job(model="one"), make_job(model="one")]
    for handle, job in zip(engine.workers("one"), jobs, strict=True):
        handle.read(0.0)
        handle.submit(job, 0.0)
    for worker in launcher.started:
        worker.told()
    engine.cancel(jobs[1], 0.0)
    assert [worker.told() for worker in launcher.started] == [[], [{"type": "cancel", "job": jobs[1].number}]]


def test_next_event_is_the_earliest_and_tick_reaches_all(engine, launcher):
    engine.start("one", 5.0)
    engine.start("other", 0.0)
    assert engine.next_event() == 300.0
    engine.tick(306.0)
    assert [stats.state for stats in engine.stats()] == ["backing-off"] * 3


def test_stop_asks_everybody_before_it_forces_anybody(engine, launcher):
    engine.start("one", 0.0)
    engine.stop(0.0)
    assert [worker.told()[-1] for worker in launcher.started] == [{"type": "stop"}] * 2
    assert all(worker.body.killed for worker in launcher.started)
    assert engine.stats() == []
