from maskbus.results.backoff import Backoff
from maskbus.results.seldom import Seldom


def test_each_failure_in_a_row_costs_twice_as_long():
    pause = Backoff(1.0, 30.0)
    assert not pause.holds(0.0)
    waits = []
    for _ in range(8):
        pause.failed(100.0)
        waits.append(pause.until - 100.0)
    assert waits == [1, 2, 4, 8, 16, 30, 30, 30]
    assert pause.holds(129.9)
    assert not pause.holds(130.0)


def test_a_success_makes_the_next_failure_the_first():
    pause = Backoff(1.0, 30.0)
    for _ in range(5):
        pause.failed(0.0)
    pause.worked()
    assert not pause.holds(0.0)
    pause.failed(50.0)
    assert pause.until == 51.0


def test_what_is_seldom_comes_once_a_minute():
    seldom = Seldom(60.0)
    told = [now for now in range(0, 200, 7) if seldom.may(float(now))]
    assert told == [0, 63, 126, 189]
