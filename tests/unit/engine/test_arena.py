import errno
import os

import pytest

from maskbus.engine.arena import PAGE, Arena, ArenaFull

SMALLEST = 16 * PAGE
MIB = 1 << 20


@pytest.fixture
def arena(tmp_path):
    made = Arena(tmp_path, 16 * MIB)
    yield made
    made.close()


def files(arena):
    return sorted(arena._directory.iterdir())


def read(slot):
    return slot.path.read_bytes()


@pytest.mark.parametrize("nbytes", [0, 1, SMALLEST, SMALLEST + 1, 100_000, MIB, MIB + 1, 1920 * 1080 * 3])
def test_a_slot_holds_what_was_asked_for_and_wastes_an_eighth_at_most(arena, nbytes):
    slot = arena.lease(nbytes)
    assert slot.used == nbytes
    assert slot.size >= nbytes
    assert slot.size % PAGE == 0
    assert slot.size <= max(SMALLEST, nbytes + max(PAGE, nbytes // 8 + 1))
    assert slot.path.stat().st_size == slot.size
    assert slot.path.stat().st_blocks * 512 >= slot.size  # reserved, not only announced


def test_written_parts_stand_one_after_the_other(arena):
    slot = arena.lease(6)
    slot.write(b"ab", memoryview(b"cd"), b"", b"ef")
    assert read(slot)[:6] == b"abcdef"


def test_a_released_slot_is_used_again_for_its_size_class(arena):
    slot = arena.lease(100_000)
    path, reserved = slot.path, arena.reserved
    slot.release()
    assert arena.used == 0
    assert arena.reserved == reserved
    again = arena.lease(100_001)
    assert again.path == path
    assert arena.reserved == reserved
    other = arena.lease(100_000)
    assert other.path != path


def test_a_slot_comes_back_with_the_last_release_only(arena):
    slot = arena.lease(1)
    assert slot.retain() is slot
    slot.release()
    assert arena.used == slot.size
    slot.release()
    assert arena.used == 0


def test_capacity_is_never_exceeded(tmp_path):
    arena = Arena(tmp_path, 4 * SMALLEST)
    slots = [arena.lease(1) for _ in range(4)]
    with pytest.raises(ArenaFull, match="in use"):
        arena.lease(1)
    assert arena.reserved == arena.used == 4 * SMALLEST
    assert len(files(arena)) == 4
    slots[0].release()
    arena.lease(1)
    with pytest.raises(ArenaFull, match="more than"):
        arena.lease(5 * SMALLEST)
    arena.close()


def test_a_slot_larger_than_the_capacity_costs_nobody_anything(tmp_path):
    arena = Arena(tmp_path, 4 * SMALLEST)
    arena.lease(1).release()
    with pytest.raises(ArenaFull):
        arena.lease(4 * SMALLEST + 1)
    assert arena.reserved == SMALLEST
    arena.close()


def test_free_slots_of_other_sizes_make_room(tmp_path):
    arena = Arena(tmp_path, 4 * SMALLEST)
    for slot in [arena.lease(1) for _ in range(4)]:
        slot.release()
    large = arena.lease(3 * SMALLEST)
    assert arena.reserved <= 4 * SMALLEST
    assert files(arena).count(large.path) == 1
    assert len(files(arena)) == 2
    arena.close()


def test_full_file_system(arena, monkeypatch):
    def full(descriptor, start, size):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(ArenaFull, match="shared memory"):
        arena.lease(1)
    assert files(arena) == []
    assert arena.reserved == arena.used == 0


def test_full_file_system_makes_the_arena_give_up_its_free_slots(arena, monkeypatch):
    free = [arena.lease(1), arena.lease(MIB)]
    for slot in free:
        slot.release()
    real = os.posix_fallocate

    def full_until_removed(descriptor, start, size):
        if any(slot.path.exists() for slot in free):
            raise OSError(errno.ENOSPC, "No space left on device")
        real(descriptor, start, size)

    monkeypatch.setattr(os, "posix_fallocate", full_until_removed)
    slot = arena.lease(2 * MIB)
    assert files(arena) == [slot.path]
    assert arena.reserved == slot.size


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EMFILE])
def test_no_inode_or_descriptor_left(arena, monkeypatch, number):
    def refuse(*arguments, **keywords):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(ArenaFull):
        arena.lease(1)
    assert arena.reserved == arena.used == 0


def test_names_cannot_be_guessed_and_files_are_private(arena):
    one, two = arena.lease(1), arena.lease(1)
    assert one.name != two.name
    assert len(one.name) >= 24
    assert one.path.stat().st_mode & 0o777 == 0o600


def test_release_after_close_is_harmless(arena):
    leased, free = arena.lease(1), arena.lease(1)
    free.release()
    arena.close()
    assert files(arena) == []
    leased.release()
    assert arena.reserved == arena.used == 0
    arena.close()
