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
