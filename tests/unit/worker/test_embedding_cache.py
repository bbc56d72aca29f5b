from dataclasses import dataclass

from maskbus.worker.embedding_cache import EmbeddingCache


@dataclass
class Sized:
    nbytes: int


def test_least_recently_used_goes_first():
    cache = EmbeddingCache(100)
    one, two, three = Sized(40), Sized(40), Sized(40)
    cache.put(b"1", one)
    cache.put(b"2", two)
    assert cache.get(b"1") is one
    cache.put(b"3", three)
    assert cache.get(b"2") is None
    assert cache.get(b"1") is one
    assert cache.get(b"3") is three
    assert (cache.nbytes, len(cache)) == (80, 2)
    assert (cache.hits, cache.misses) == (3, 1)


def test_one_that_is_too_large_is_not_kept_and_costs_nobody_anything():
    cache = EmbeddingCache(100)
    small = Sized(10)
    cache.put(b"1", small)
    cache.put(b"2", Sized(101))
    assert cache.get(b"2") is None
    assert cache.get(b"1") is small
    cache.put(b"3", Sized(100))
    assert (cache.nbytes, len(cache)) == (100, 1)


def test_replacing_counts_once():
    cache = EmbeddingCache(100)
    cache.put(b"1", Sized(60))
    cache.put(b"1", Sized(70))
    assert (cache.nbytes, len(cache)) == (70, 1)


def test_no_room_at_all():
    cache = EmbeddingCache(0)
    cache.put(b"1", Sized(1))
    assert len(cache) == 0


def test_clear():
    cache = EmbeddingCache(100)
    cache.put(b"1", Sized(60))
    cache.clear()
    assert (cache.nbytes, len(cache)) == (0, 0)
    assert cache.get(b"1") is None


def test_what_had_to_go_is_counted_and_what_never_came_is_not():
    cache = EmbeddingCache(100)
    cache.put(b"1", Sized(60))
    cache.put(b"1", Sized(50))
    cache.put(b"2", Sized(101))
    assert cache.evictions == 0
    cache.put(b"3", Sized(100))
    assert cache.evictions == 1
    cache.clear()
    assert cache.evictions == 1


def test_an_embedding_that_nobody_uses_goes():
    now = [0.0]
    cache = EmbeddingCache(100, ttl_s=10.0, clock=lambda: now[0])
    assert cache.next_sweep() is None
    cache.put(b"1", Sized(10))
    cache.put(b"2", Sized(20))
    now[0] = 6.0
    assert cache.get(b"1")
    assert cache.next_sweep() == 4.0
    now[0] = 10.0
    assert cache.next_sweep() == 0.0
    assert cache.get(b"2") is None
    assert (b"1" in cache, b"2" in cache, cache.nbytes, cache.evictions) == (True, False, 10, 1)
    now[0] = 16.0
    cache.sweep()
    assert (len(cache), cache.nbytes, cache.evictions) == (0, 0, 2)
    assert (cache.hits, cache.misses) == (1, 1)


def test_without_an_age_none_goes():
    now = [0.0]
    cache = EmbeddingCache(100, clock=lambda: now[0])
    cache.put(b"1", Sized(10))
    now[0] = 1e9
    assert cache.next_sweep() is None
    assert cache.get(b"1")


def test_looking_whether_one_is_there_is_no_use_of_it():
    cache = EmbeddingCache(100)
    for key in (b"1", b"2"):
        cache.put(key, Sized(50))
    assert b"1" in cache
    assert (cache.hits, cache.misses) == (0, 0)
    cache.put(b"3", Sized(50))
    assert b"1" not in cache


def test_one_that_is_discarded_is_gone_and_no_eviction():
    cache = EmbeddingCache(100)
    cache.put(b"1", Sized(60))
    cache.put(b"2", Sized(10))
    cache.discard(b"1")
    cache.discard(b"1")
    cache.discard(b"nothing")
    assert (cache.nbytes, len(cache), cache.evictions) == (10, 1, 0)
    assert cache.get(b"1") is None
    cache.put(b"3", Sized(90))
    assert (cache.nbytes, b"2" in cache) == (100, True)
