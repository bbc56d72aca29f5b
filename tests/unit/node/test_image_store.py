import pytest

from maskbus.engine.arena import PAGE, Arena
from maskbus.node.image_store import ImageStore, KeptImage, new_image_id

SLOT = 16 * PAGE


@pytest.fixture
def arena(tmp_path):
    made = Arena(tmp_path, 64 * SLOT)
    yield made
    made.close()


def keep(store, arena, name):
    """As the node does it: the job's hold is released once the image is in the store."""
    slot = arena.lease(SLOT)
    image = KeptImage(name, slot, SLOT, "rgb8", 1, 1, 3, {})
    store.put(image, 0.0)
    slot.release()
    return image


def test_put_get_release(arena):
    store = ImageStore(3 * SLOT)
    image = keep(store, arena, "a")
    assert store.get("a", 0.0) is image
    assert store.get("b", 0.0) is None
    assert (len(store), store.nbytes, arena.used) == (1, SLOT, SLOT)
    assert store.release("a")
    assert not store.release("a")
    assert (len(store), store.nbytes, arena.used) == (0, 0, 0)


def test_least_recently_used_goes_first(arena):
    store = ImageStore(3 * SLOT)
    for name in "abc":
        keep(store, arena, name)
    store.get("a", 0.0)
    keep(store, arena, "d")
    assert [name for name in "abcd" if store.get(name, 0.0)] == ["a", "c", "d"]
    assert (store.nbytes, arena.used) == (3 * SLOT, 3 * SLOT)


def test_an_image_in_use_keeps_its_slot_when_it_is_evicted(arena):
    store = ImageStore(SLOT)
    held = keep(store, arena, "a").slot.retain()
    held.write(b"pixels")
    keep(store, arena, "b")
    assert store.get("a", 0.0) is None
    assert arena.used == 2 * SLOT
    fresh = arena.lease(SLOT)
    assert fresh is not held
    fresh.release()
    assert held.path.read_bytes()[:6] == b"pixels"
    held.release()
    assert arena.used == SLOT


def test_one_image_is_kept_however_large(arena):
    store = ImageStore(1)
    keep(store, arena, "a")
    keep(store, arena, "b")
    assert [name for name in "ab" if store.get(name, 0.0)] == ["b"]


def test_evict_oldest(arena):
    store = ImageStore(3 * SLOT)
    assert not store.evict_oldest()
    keep(store, arena, "a")
    keep(store, arena, "b")
    assert store.evict_oldest()
    assert [name for name in "ab" if store.get(name, 0.0)] == ["b"]
    assert store.evict_oldest()
    assert not store.evict_oldest()
    assert arena.used == 0


def test_names_cannot_be_guessed():
    names = {new_image_id() for _ in range(1000)}
    assert len(names) == 1000
    assert all(len(name) == 32 for name in names)


def test_names_of_those_that_had_to_go_are_remembered(arena):
    store = ImageStore(2 * SLOT)
    for name in "abcd":
        keep(store, arena, name)
    store.release("c")
    assert [name for name in "abcdx" if store.has_expired(name)] == ["a", "b"]


def test_not_without_end(arena, monkeypatch):
    monkeypatch.setattr("maskbus.node.image_store._REMEMBERED", 2)
    store = ImageStore(1)
    for name in "abcd":
        keep(store, arena, name)
    assert [name for name in "abcd" if store.has_expired(name)] == ["b", "c"]


def test_an_image_that_nobody_uses_goes(arena):
    store = ImageStore(9 * SLOT, ttl_s=10.0)
    assert store.next_event() is None
    keep(store, arena, "a")
    keep(store, arena, "b")
    assert store.get("a", 6.0)
    assert store.next_event() == 10.0
    store.tick(9.9)
    assert len(store) == 2
    store.tick(10.0)
    assert (len(store), store.has_expired("b"), store.next_event()) == (1, True, 16.0)
    assert store.get("a", 16.0) is None
    assert store.has_expired("a")
    assert (arena.used, store.nbytes) == (0, 0)


def test_without_an_age_none_goes(arena):
    store = ImageStore(9 * SLOT)
    keep(store, arena, "a")
    assert store.next_event() is None
    assert store.get("a", 1e9)
