import struct
import zlib

import cv2
import numpy as np
import pytest

from maskbus.worker.pictures import Pictures, SlotReader
from maskbus_wire.errors import WireError

PIXELS = np.arange(4 * 6 * 3, dtype=np.uint8).reshape(4, 6, 3)


@pytest.fixture
def slots(tmp_path):
    return SlotReader(tmp_path)


@pytest.fixture
def opener(slots):
    return Pictures(slots, 1000)


def lay(directory, name, data):
    (directory / name).write_bytes(bytes(data) + bytes(64))
    return name


def picture(directory, data, name="slot", **fields):
    lay(directory, name, data)
    defaults = {
        "slot": name,
        "nbytes": len(bytes(data)),
        "encoding": "rgb8",
        "width": 6,
        "height": 4,
        "step": 18,
        "key": "",
    }
    return {**defaults, **fields}


def test_a_view_is_no_copy_and_cannot_be_written(slots, tmp_path):
    lay(tmp_path, "slot", b"before")
    view = slots.view("slot", 6)
    assert (bytes(view), view.readonly) == (b"before", True)
    with (tmp_path / "slot").open("r+b") as file:
        file.write(b"after!")
    assert bytes(view) == b"after!"


def test_a_mapping_is_used_again(slots, tmp_path):
    lay(tmp_path, "slot", b"x" * 10)
    assert slots.view("slot", 4).obj is slots.view("slot", 10).obj


def test_removed_slots_are_forgotten_and_views_of_them_stay_good(slots, tmp_path):
    lay(tmp_path, "gone", b"gone")
    lay(tmp_path, "here", b"here")
    view, here = slots.view("gone", 4), slots.view("here", 4)
    (tmp_path / "gone").unlink()
    slots.forget_removed()
    assert bytes(view) == b"gone"
    assert slots.view("here", 4).obj is here.obj
    with pytest.raises(FileNotFoundError):
        slots.view("gone", 4)


def test_only_so_many_mappings_are_kept(slots, tmp_path):
    first = slots.view(lay(tmp_path, "0", b"0"), 1)
    for i in range(1, 100):
        slots.view(lay(tmp_path, str(i), b"x"), 1)
    assert slots.view("0", 1).obj is not first.obj
    assert bytes(first) == b"0"
    assert len(slots._mappings) <= 33


def test_equal_pictures_have_equal_digests_wherever_they_lie(opener, tmp_path):
    one = opener.digest(picture(tmp_path, PIXELS, "one"))
    other = opener.digest(picture(tmp_path, PIXELS, "other"))
    assert one == other
    assert len(one) == 16


@pytest.mark.parametrize(
    "fields", [{"encoding": "bgr8"}, {"width": 3, "step": 9, "height": 8}, {"step": 19}, {"nbytes": 71}, {"height": 3}]
)
def test_another_layout_is_another_picture(opener, tmp_path, fields):
    assert opener.digest(picture(tmp_path, PIXELS)) != opener.digest(picture(tmp_path, PIXELS, "other", **fields))


def test_one_changed_byte_is_another_picture(opener, tmp_path):
    changed = PIXELS.copy()
    changed[-1, -1, -1] ^= 1
    assert opener.digest(picture(tmp_path, PIXELS)) != opener.digest(picture(tmp_path, changed, "other"))


def test_a_slot_that_is_used_again_is_digested_again(opener, tmp_path):
    before = opener.digest(picture(tmp_path, PIXELS))
    with (tmp_path / "slot").open("r+b") as file:
        file.write(bytes(PIXELS.nbytes))
    assert opener.digest(picture(tmp_path, bytes(PIXELS.nbytes), "slot")) != before


def test_a_kept_picture_is_digested_once(opener, tmp_path, monkeypatch):
    kept = picture(tmp_path, PIXELS, key="an image_id")
    digest = opener.digest(kept)
    monkeypatch.setattr(opener._slots, "view", lambda *_: pytest.fail("the pixels were read again"))
    assert opener.digest(kept) == digest


@pytest.mark.parametrize(
    ("encoding", "array", "order"),
    [
        ("rgb8", PIXELS, "rgb"),
        ("bgr8", PIXELS[:, :, ::-1], "bgr"),
        ("rgba8", np.dstack([PIXELS, PIXELS[:, :, 0]]), "rgb"),
        ("bgra8", np.dstack([PIXELS[:, :, ::-1], PIXELS[:, :, 0]]), "bgr"),
    ],
)
def test_colour(opener, tmp_path, encoding, array, order):
    data = np.ascontiguousarray(array)
    image, milliseconds = opener.open(picture(tmp_path, data, encoding=encoding, step=data.shape[2] * 6), b"digest")
    assert (image.order, image.digest, milliseconds) == (order, b"digest", 0.0)
    assert np.array_equal(image.rgb, PIXELS)
    assert np.array_equal(image.bgr, PIXELS[:, :, ::-1])
    assert not image.pixels.flags.writeable
    assert image.rgb.flags.c_contiguous


def test_mono(opener, tmp_path):
    grey = PIXELS[:, :, 0].copy()
    image, _ = opener.open(picture(tmp_path, grey, encoding="mono8", step=6), b"")
    assert (image.order, image.height, image.width) == ("mono", 4, 6)
    assert np.array_equal(image.rgb, np.dstack([grey] * 3))


def test_padded_rows(opener, tmp_path):
    padded = np.full((4, 25), 255, np.uint8)
    padded[:, :18] = PIXELS.reshape(4, 18)
    data = padded.tobytes()[: 25 * 3 + 18]  # the last row need not be padded
    image, _ = opener.open(picture(tmp_path, data, step=25), b"")
    assert np.array_equal(image.rgb, PIXELS)


def test_compressed(opener, tmp_path):
    data = cv2.imencode(".png", PIXELS[:, :, ::-1])[1].tobytes()
    image, milliseconds = opener.open(picture(tmp_path, data, encoding="png", step=0), b"")
    assert np.array_equal(image.rgb, PIXELS)
    assert milliseconds > 0


@pytest.mark.parametrize("cut", [20, 60, -5])
def test_damaged_file(opener, tmp_path, cut):
    data = cv2.imencode(".png", PIXELS)[1].tobytes()[:cut]
    with pytest.raises(WireError) as caught:
        opener.open(picture(tmp_path, data, encoding="png"), b"")
    assert (caught.value.code, caught.value.path) == ("invalid_image", "image")


def test_file_with_too_many_pixels(slots, tmp_path):
    data = cv2.imencode(".png", PIXELS)[1].tobytes()
    with pytest.raises(WireError, match="larger"):
        Pictures(slots, 23).open(picture(tmp_path, data, encoding="png"), b"")


def test_digests_do_not_pile_up(opener, tmp_path):
    kept = picture(tmp_path, b"x")
    for i in range(4200):
        opener.digest({**kept, "key": str(i)})
    assert len(opener._digests) <= 4096


# -- slots of clients --------------------------------------------------------------------------------------------------


def in_slot(tmp_path, data, **fields):
    """Return an image that stands in the middle of a file, and the file."""
    path = tmp_path / "lease"
    path.write_bytes(struct.pack("<Q", 6) + bytes(92) + data)
    described = {"slot": "lease", "nbytes": len(data), "offset": 100, "step": 0, "entry": 0, "generation": 6, "key": ""}
    return {**described, **fields}, path


def test_an_image_may_stand_anywhere_in_a_file(tmp_path):
    described, _ = in_slot(tmp_path, bytes(range(30)), encoding="mono8", width=6, height=5)
    pictures = Pictures(SlotReader(tmp_path), 1000)
    opened, _ = pictures.open(described, b"")
    assert opened.pixels.tobytes() == bytes(range(30))
    pictures.confirm(described)


def test_a_slot_that_was_written_to_meanwhile_is_refused(tmp_path):
    described, path = in_slot(tmp_path, bytes(30), encoding="mono8", width=6, height=5)
    pictures = Pictures(SlotReader(tmp_path), 1000)
    pictures.confirm(described)
    with path.open("r+b") as file:
        file.write(struct.pack("<Q", 7))
    with pytest.raises(WireError) as caught:
        pictures.confirm(described)
    assert (caught.value.code, caught.value.path) == ("invalid_image", "image.slot")


def test_a_checksum_is_compared_where_there_is_one(tmp_path):
    described, _ = in_slot(tmp_path, b"pixels", encoding="mono8", width=6, height=1)
    pictures = Pictures(SlotReader(tmp_path), 1000)
    pictures.check(described)
    pictures.check({**described, "checksum": zlib.crc32(b"pixels")})
    with pytest.raises(WireError) as caught:
        pictures.check({**described, "checksum": zlib.crc32(b"pixel!")})
    assert caught.value.code == "invalid_image"


def test_a_slot_can_be_written_to_where_its_file_is_read_as_well(tmp_path):
    _, path = in_slot(tmp_path, bytes(30))
    slots = SlotReader(tmp_path)
    assert slots.view("lease", 3, 100) == bytes(3)
    slots.writable("lease", 10, 100)[:3] = b"abc"
    assert slots.view("lease", 3, 100) == b"abc"
    assert path.read_bytes()[100:103] == b"abc"
    path.unlink()
    slots.forget_removed()
    with pytest.raises(FileNotFoundError):
        slots.writable("lease", 10, 100)
