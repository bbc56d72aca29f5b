import select
import threading

import pytest

from maskbus.node.aside import Aside


@pytest.fixture
def aside():
    made = Aside()
    yield made
    made.close()


def wait(aside):
    assert select.select([aside], [], [], 10)[0]


def test_work_is_done_elsewhere_and_what_follows_here(aside):
    seen = []
    aside.run(threading.get_ident, lambda outcome: seen.append((outcome, threading.get_ident())))
    wait(aside)
    assert not seen
    aside.take()
    ((worked, followed),) = seen
    assert worked != followed == threading.get_ident()
    assert not select.select([aside], [], [], 0)[0]


def test_an_error_of_the_system_is_an_outcome(aside):
    def fail():
        raise OSError(28, "No space left on device")

    seen = []
    aside.run(fail, seen.append)
    wait(aside)
    aside.take()
    assert isinstance(seen[0], OSError)


def test_closing_waits_for_what_has_begun():
    aside = Aside()
    go, seen = threading.Event(), []
    aside.run(lambda: go.wait(10), seen.append)
    threading.Timer(0.05, go.set).start()
    aside.close()
    assert seen == [True]


def test_nothing_to_take_is_nothing(aside):
    aside.take()
