import random
from collections import OrderedDict

import pytest

from maskbus.results.memory_store import MemoryStore

KIB = 1024


class Clock:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


def look(store, key):
    found = []
    store.lookup(key, found.append)
    assert len(found) == 1
    return found[0]


def test_what_was_put_is_found_and_the_rest_is_not():
    store = MemoryStore(100 * KIB)
    assert look(store, "a") is None
    store.put("a", [b"header", b"one"])
    assert look(store, "a") == (b"header", b"one")
    stats = store.stats()
    assert (stats.store, stats.hits, stats.misses, stats.stored, stats.entries) == ("memory", 1, 1, 1, 1)
    assert (stats.evictions, stats.errors) == (0, 0)
    assert stats.bytes > 9


def test_what_is_kept_is_a_copy():
    store = MemoryStore(100 * KIB)
    frame = bytearray(b"abc")
    store.put("a", [b"h", frame, memoryview(frame)[1:]])
    frame[:] = b"xyz"
    assert look(store, "a") == (b"h", b"abc", b"bc")


def test_least_recently_used_goes_first():
    store = MemoryStore(16 * KIB)  # room for eight of these
    for i in range(8):
        store.put(str(i), [bytes(KIB)])
    assert look(store, "0")
    store.put("8", [bytes(KIB)])
    assert look(store, "1") is None
    assert look(store, "0")
    assert store.stats().evictions == 1
    assert store.stats().bytes <= 16 * KIB


def test_one_takes_an_eighth_at_most():
    store = MemoryStore(80 * KIB)
    store.put("small", [b"x"])
    store.put("large", [bytes(5 * KIB), bytes(5 * KIB)])
    assert look(store, "large") is None
    assert look(store, "small")
    store.put("fits", [bytes(8 * KIB)])
    assert look(store, "fits")
    assert store.stats().stored == 2


def test_many_small_ones_are_bounded_as_well():
    store = MemoryStore(64 * KIB)
    for i in range(1000):
        store.put(str(i), [b""])
    assert store.stats().entries <= 64


def test_no_room_at_all():
    store = MemoryStore(0)
    store.put("a", [b""])
    assert look(store, "a") is None
    assert store.next_event() is None


def test_an_answer_is_good_for_so_long_whether_it_is_used_or_not():
    clock = Clock()
    store = MemoryStore(100 * KIB, 10.0, clock)
    assert store.next_event() is None
    store.put("a", [b"1"])
    clock.now += 6
    store.put("b", [b"2"])
    assert look(store, "a")
    assert store.next_event() == 110.0
    clock.now = 110.0
    assert look(store, "a") is None
    assert look(store, "b")
    assert store.next_event() == 116.0
    store.tick(116.0)
    stats = store.stats()
    assert (stats.entries, stats.bytes, stats.evictions) == (0, 0, 2)
    assert store.next_event() is None


def test_a_newer_answer_begins_anew():
    clock = Clock()
    store = MemoryStore(100 * KIB, 10.0, clock)
    store.put("a", [b"1"])
    clock.now += 6
    store.put("a", [b"2"])
    clock.now += 6
    assert look(store, "a") == (b"2",)
    assert (store.stats().entries, store.stats().evictions, store.stats().stored) == (1, 0, 2)


def test_without_an_age_none_goes():
    clock = Clock()
    store = MemoryStore(100 * KIB, 0.0, clock)
    store.put("a", [b"1"])
    clock.now += 1e9
    assert store.next_event() is None
    assert look(store, "a")


def test_closing_lets_go_of_everything():
    store = MemoryStore(100 * KIB, 10.0)
    store.put("a", [b"1"])
    store.close()
    assert look(store, "a") is None
    assert (store.stats().bytes, store.next_event()) == (0, None)


@pytest.mark.parametrize("round_", range(3))
def test_as_a_plain_model_would(round_):
    seed = random.randrange(2**32)
    print("seed", seed)
    rng = random.Random(seed)
    clock, capacity, ttl = Clock(), 32 * KIB, 20.0
    store = MemoryStore(capacity, ttl, clock)
    model: OrderedDict[str, tuple[bytes, float]] = OrderedDict()
    for _ in range(2000):
        clock.now += rng.choice([0, 0, 0, 1, 5])
        store.tick(clock.now)
        for key in [key for key, (_, put) in model.items() if put + ttl <= clock.now]:
            del model[key]
        key = str(rng.randrange(40))
        if rng.random() < 0.5:
            found = look(store, key)
            assert found == ((model[key][0],) if key in model else None)
            if key in model:
                model.move_to_end(key)
        else:
            frame = rng.randbytes(rng.randrange(5 * KIB))
            store.put(key, [frame])
            if KIB + len(frame) <= capacity // 8:
                model.pop(key, None)
                model[key] = (frame, clock.now)
                while sum(KIB + len(one) for one, _ in model.values()) > capacity:
                    model.popitem(last=False)
        assert store.stats().bytes == sum(KIB + len(one) for one, _ in model.values())
        assert store.stats().entries == len(model)
