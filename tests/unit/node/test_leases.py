import os

import pytest

from maskbus.node.leases import Leases
from maskbus_wire import shared_layout as layout
from maskbus_wire.errors import WireError
from maskbus_wire.shared_layout import Entry, Header
from support.shared import Mapped

SLOT = 8192
PIXELS = bytes(range(60))


@pytest.fixture
def leases(tmp_path):
    made = Leases(tmp_path, 200_000, 100_000)
    yield made
    made.close()
    assert not list(tmp_path.iterdir())


def grant(leases, slots=3, slot_bytes=SLOT, route="a", now=100.0):
    return leases.grant(leases.prepare(slots, slot_bytes, route)(), route, now)


@pytest.fixture
def lease(leases):
    return grant(leases)


@pytest.fixture
def client(lease):
    mapped = Mapped(lease.file.path)
    yield mapped
    mapped.close()


def error(code, path=""):
    class Expected:
        def __enter__(self):
            self.raises = pytest.raises(WireError)
            self.caught = self.raises.__enter__()

        def __exit__(self, *exception):
            done = self.raises.__exit__(*exception)
            assert (self.caught.value.code, self.caught.value.path) == (code, path)
            return done

    return Expected()


# -- granting ----------------------------------------------------------------------------------------------------------


def test_a_lease_is_found_by_its_name_and_counted(leases, lease):
    assert len(lease.name) == 32
    assert leases.find(lease.name, "x") is lease
    assert (len(leases), leases.nbytes) == (1, Header(0, 3, SLOT).file_bytes)
    with error("unknown_lease", "image.slot.lease"):
        leases.find("other", "image.slot.lease")


def test_a_client_gets_no_more_than_its_share(leases):
    with error("too_large", "slot_bytes"):
        leases.prepare(64, SLOT, "a")
    grant(leases, 8)
    with error("busy"):
        leases.prepare(4, SLOT, "a")
    assert len(leases) == 1


def test_all_together_get_no_more_than_there_is(leases):
    for route in "abc":
        grant(leases, 7, route=route)
    with error("busy"):
        leases.prepare(4, SLOT, "d")
    leases.take_back(next(iter(leases._leases)))
    leases.prepare(4, SLOT, "d")


def test_leases_that_are_being_made_count(leases):
    made = [leases.prepare(11, SLOT, "a"), leases.prepare(11, SLOT, "b")]
    with error("busy"):
        leases.prepare(11, SLOT, "c")
    leases.give_up(11, SLOT, "b")
    leases.prepare(11, SLOT, "c")
    leases.grant(made[0](), "a", 0.0)


def test_a_node_may_give_none(tmp_path):
    with error("no_shared_memory"):
        Leases(tmp_path, 0, 100).prepare(1, 1, "a")


# -- images ------------------------------------------------------------------------------------------------------------


def test_an_image_is_what_its_entry_says(lease, client):
    generation = client.write(0, PIXELS, "rgb8", 5, 4)
    entry, encoding = lease.image(0, generation)
    assert encoding == "rgb8"
    assert (entry.width, entry.height, entry.length) == (5, 4, 60)


@pytest.mark.parametrize(
    ("index", "change", "code", "path"),
    [
        (3, {}, "invalid_value", "image.slot.index"),
        (0, {"generation": 4}, "invalid_value", "image.slot.generation"),
        (0, {"generation": 3}, "invalid_value", "image.slot.generation"),
        (0, {"state": layout.FREE}, "invalid_value", "image.slot"),
        (0, {"state": layout.WRITING}, "invalid_value", "image.slot"),
        (0, {"state": layout.READING}, "invalid_value", "image.slot"),
        (0, {"state": layout.ANSWERED}, "invalid_value", "image.slot"),
        (0, {"state": 77}, "invalid_value", "image.slot"),
        (0, {"encoding": 0}, "invalid_image", "image.slot"),
        (0, {"encoding": 64}, "invalid_image", "image.slot"),
        (0, {"encoding": 65}, "invalid_image", "image.slot"),
        (0, {"length": 0}, "invalid_image", "image.slot"),
        (0, {"length": SLOT + 1}, "invalid_image", "image.slot"),
        (0, {"length": 2**63}, "invalid_image", "image.slot"),
    ],
)
def test_a_client_that_lies_gets_an_error(lease, client, index, change, code, path):
    generation = client.write(0, PIXELS, "rgb8", 5, 4)
    client.set_entry(0, **change)
    with error(code, path):
        lease.image(index, generation)


def test_an_odd_generation_is_never_whole(lease, client):
    client.write(0, PIXELS, "rgb8", 5, 4)
    client.set_entry(0, generation=3)
    with error("invalid_value", "image.slot.generation"):
        lease.image(0, 3)


def test_a_file_that_was_cut_short_is_an_error(lease, client):
    generation = client.write(0, PIXELS, "rgb8", 5, 4)
    os.truncate(lease.file.path, 4096)
    with error("invalid_image", "image.slot"):
        lease.image(0, generation)
    os.truncate(lease.file.path, 100)
    with error("invalid_value", "image.slot.lease"):
        lease.image(0, generation)


def test_a_slot_says_reading_until_the_last_reader_is_done(lease, client):
    generation = client.write(0, PIXELS, "rgb8", 5, 4)
    first = lease.read(0)
    assert (client.entry(0).state, client.entry(0).owner) == (layout.READING, layout.NODE)
    lease.image(0, generation)  # another request may name it
    second = lease.read(0)
    first()
    assert client.entry(0).state == layout.READING
    second()
    assert (client.entry(0).state, client.entry(0).owner) == (layout.WRITTEN, layout.CLIENT)
    assert client.entry(0).generation == generation


def test_a_copy_is_whole_or_an_error(lease, client):
    generation = client.write(0, PIXELS, "rgb8", 5, 4)
    entry, _ = lease.image(0, generation)
    target = bytearray(60)
    lease.copy(0, entry, memoryview(target))
    assert target == PIXELS
    client.set_entry(0, generation=generation + 1)  # the client begins to write again
    with error("invalid_image", "image.slot"):
        lease.copy(0, entry, memoryview(target))
    os.truncate(lease.file.path, 4096)
    with error("invalid_image", "image.slot"):
        lease.copy(0, entry, memoryview(target))


# -- results -----------------------------------------------------------------------------------------------------------


def test_an_answer_is_the_nodes_until_it_is_whole(lease, client):
    result = lease.answer(1, 0)
    assert client.entry(1) == Entry(generation=1, state=layout.ANSWERING, owner=layout.NODE)
    assert result.place["slot"] == {"lease": lease.name, "index": 1, "generation": 2}
    assert result.place["offset"] == lease.file.header.offset(1)
    result.done(15, 99)
    whole = client.entry(1)
    assert (whole.generation, whole.state, whole.owner) == (2, layout.ANSWERED, layout.CLIENT)
    assert (whole.length, whole.encoding, whole.flags, whole.checksum) == (15, 64, 1, 99)
    result.drop()  # too late to matter
    assert client.entry(1) == whole


def test_a_request_that_failed_leaves_the_slot_free(lease, client):
    lease.answer(1, 0).drop()
    assert client.entry(1) == Entry(generation=2)
    lease.answer(1, 2).done(0, None)
    assert client.entry(1).flags == 0


@pytest.mark.parametrize(
    ("index", "change", "path"),
    [
        (3, {}, "result.index"),
        (1, {"generation": 2}, "result.generation"),
        (1, {"state": layout.WRITING}, "result"),
        (1, {"state": layout.WRITTEN}, "result"),
        (1, {"state": layout.ANSWERED}, "result"),
        (1, {"state": layout.ANSWERING}, "result"),
    ],
)
def test_only_a_free_slot_takes_an_answer(lease, client, index, change, path):
    client.set_entry(1, **change)
    with error("invalid_value", path):
        lease.answer(index, 0)


def test_a_slot_that_is_read_takes_no_answer_whatever_its_entry_says(lease, client):
    generation = client.write(0, PIXELS, "rgb8", 5, 4)
    over = lease.read(0)
    client.set_entry(0, state=layout.FREE)
    with error("invalid_value", "result"):
        lease.answer(0, generation)
    over()


@pytest.mark.parametrize("state", [layout.FREE, layout.WRITTEN])
def test_a_slot_is_answered_to_once_at_a_time_whatever_its_entry_says(lease, client, state):
    result = lease.answer(1, 0)
    client.write(1, PIXELS, "rgb8", 5, 4)
    client.set_entry(1, state=state, generation=2)
    if state == layout.FREE:
        with error("invalid_value", "result"):
            lease.answer(1, 2)
    else:
        with error("invalid_value", "image.slot"):
            lease.image(1, 2)
    result.drop()
    lease.answer(1, 2).drop()


# -- the end -----------------------------------------------------------------------------------------------------------


def test_a_client_gives_back_what_it_has(leases, lease):
    leases.take_back(lease.name)
    assert not lease.file.path.exists()
    with error("unknown_lease", "lease"):
        leases.take_back(lease.name)


def test_the_file_stays_until_no_request_needs_it(leases, lease, client):
    client.write(0, PIXELS, "rgb8", 5, 4)
    over, result = lease.read(0), lease.answer(1, 0)
    leases.take_back(lease.name)
    assert lease.file.path.exists()
    over()
    assert lease.file.path.exists()
    result.drop()
    assert not lease.file.path.exists()


def test_the_lease_of_a_dead_client_is_taken_back_at_the_next_look(leases, lease):
    client = Mapped(lease.file.path)
    assert leases.next_event() == 100.5
    leases.tick(100.5)
    client.close()
    leases.tick(100.9)  # it is not time to look
    assert len(leases) == 1
    leases.tick(leases.next_event())
    assert len(leases) == 0
    assert leases.next_event() is None


def test_age_plays_no_part_while_the_client_lives(leases, lease, client):
    leases.tick(100_000.0)
    assert len(leases) == 1


def test_a_lease_that_nobody_ever_held_is_taken_back_after_ten_seconds(leases, lease):
    leases.tick(109.9)
    assert len(leases) == 1
    leases.tick(110.5)
    assert len(leases) == 0


def test_requests_that_end_after_their_file_was_closed_do_no_harm(leases, lease, client):
    client.write(0, PIXELS, "rgb8", 5, 4)
    over, result = lease.read(0), lease.answer(1, 0)
    leases.close()
    over()
    result.done(1, None)
