import threading

from maskbus.results.backlog import Backlog, Write
from maskbus.results.patience import Lookup


def lookup(key):
    return Lookup(key, lambda _: None, 0.0)


def test_lookups_come_first_and_in_order():
    backlog = Backlog(10, 10_000)
    backlog.write(Write("w", (b"1",)))
    one, two = lookup("1"), lookup("2")
    assert backlog.ask(one)
    assert backlog.ask(two)
    assert [backlog.next(), backlog.next()] == [one, two]
    assert backlog.next() == Write("w", (b"1",))


def test_both_are_bounded():
    backlog = Backlog(2, 10_000)
    assert [backlog.ask(lookup(str(i))) for i in range(4)] == [True, True, False, False]
    write = Write("w", (bytes(2000), bytes(1000)))
    assert [backlog.write(write) for _ in range(4)] == [True, True, False, False]
    assert 6000 < backlog.nbytes <= 10_000
    for _ in range(3):
        backlog.next()
    assert backlog.write(write)
    many = Backlog(1, 10_000)
    assert sum(many.write(Write("w", (b"",))) for _ in range(100)) < 10


def test_draining_hands_out_the_lookups():
    backlog = Backlog(10, 10_000)
    one = lookup("1")
    backlog.ask(one)
    backlog.write(Write("w", (b"1",)))
    assert backlog.drain() == [one]
    assert (backlog.drain(), backlog.nbytes) == ([], 0)


def test_who_waits_is_woken():
    backlog = Backlog(10, 10_000)
    seen = []
    thread = threading.Thread(target=lambda: seen.extend([backlog.next(), backlog.next()]))
    thread.start()
    one = lookup("1")
    backlog.ask(one)
    backlog.close()
    thread.join(10)
    assert not thread.is_alive()
    assert seen in ([one, None], [None, None])
    backlog.wait(60.0)
    assert backlog.next() is None
