import zlib

from maskbus.worker.result_slot import ResultSlot

SLOT = {"lease": "a", "index": 1, "generation": 2}


def test_parts_stand_one_after_the_other_at_multiples_of_64():
    memory = bytearray(200)
    slot = ResultSlot(memoryview(memory), SLOT)
    assert slot.put(b"abc") == (0, 3)
    assert slot.put(b"defg") == (64, 4)
    assert slot.put(b"") == (128, 0)
    assert memory[:3] == b"abc"
    assert memory[64:68] == b"defg"
    assert slot.used == 128
    assert slot.checksum() == zlib.crc32(memory[:128])


def test_what_does_not_fit_is_left_out_and_smaller_parts_still_fit():
    memory = bytearray(100)
    slot = ResultSlot(memoryview(memory), SLOT)
    assert slot.put(bytes(65)) == (0, 65)
    assert slot.put(b"x") is None
    assert slot.used == 65
    full = ResultSlot(memoryview(memory), SLOT)
    assert full.put(bytes(101)) is None
    assert full.put(bytes(100)) == (0, 100)


def test_the_reply_calls_the_slot_as_the_request_did():
    slot = ResultSlot(memoryview(bytearray(1)), SLOT).slot
    assert (slot.lease, slot.index, slot.generation) == ("a", 1, 2)
