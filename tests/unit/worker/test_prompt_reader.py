import cv2
import numpy as np
import pytest

from maskbus.worker.prompt_reader import read
from maskbus_wire import bits, png, rle
from maskbus_wire.errors import WireError
from maskbus_wire.prompts import LogitsPrompt, MaskPrompt, Prompt

HEIGHT, WIDTH = 5, 11
MASK = (np.arange(HEIGHT * WIDTH).reshape(HEIGHT, WIDTH) % 3) == 0
LOGITS = np.linspace(-3, 3, 12, dtype=np.float32).reshape(3, 4)

WRITTEN = {
    "raw": MASK.astype(np.uint8).tobytes(),
    "bits": bits.pack(MASK),
    "bits+zlib": bits.pack_zlib(MASK),
    "png": png.encode_mask(MASK),
}


def read_one(prompt, *blobs):
    return read(prompt, lambda index: memoryview(blobs[index]), HEIGHT, WIDTH)


def test_empty():
    prompt = read_one(Prompt())
    assert prompt.is_empty
    assert prompt.points.shape == (0, 2)
    assert prompt.labels.shape == (0,)
    assert prompt.boxes.shape == (0, 4)


def test_points_and_labels():
    prompt = read_one(Prompt(points=[(1, 2), (3.5, 4.25)], labels=[1, 0]))
    assert prompt.points.dtype == np.float32
    assert prompt.points.tolist() == [[1, 2], [3.5, 4.25]]
    assert prompt.labels.dtype == np.int8
    assert prompt.labels.tolist() == [1, 0]
    assert prompt.kinds == {"points"}


def test_points_without_labels_are_all_of_the_object():
    assert read_one(Prompt(points=[(1, 2), (3, 4)])).labels.tolist() == [1, 1]


def test_boxes():
    prompt = read_one(Prompt(boxes=[(0, 0, 1, 1), (1, 2, 3, 4.5)]))
    assert prompt.boxes.dtype == np.float32
    assert prompt.boxes.tolist() == [[0, 0, 1, 1], [1, 2, 3, 4.5]]
    assert [one.boxes.tolist() for one in prompt.objects()] == [[[0, 0, 1, 1]], [[1, 2, 3, 4.5]]]


def test_texts():
    prompt = read_one(Prompt(text=["a mug", "a cup"], negative_text=["a plate"]))
    assert prompt.texts == ("a mug", "a cup")
    assert prompt.negative_texts == ("a plate",)
    assert prompt.kinds == {"text"}


@pytest.mark.parametrize("encoding", WRITTEN)
def test_masks(encoding):
    prompt = read_one(Prompt(mask=MaskPrompt(encoding=encoding, attachment=1)), b"another", WRITTEN[encoding])
    assert prompt.mask.dtype == np.bool_
    assert np.array_equal(prompt.mask, MASK)


def test_raw_mask_takes_any_value_but_zero_for_object():
    data = np.where(MASK, np.uint8(255), np.uint8(0))
    data[0, 0] = 7
    prompt = read_one(Prompt(mask=MaskPrompt(encoding="raw", attachment=0)), data.tobytes())
    assert np.array_equal(prompt.mask, MASK | (data == 7))


def test_rle_mask():
    prompt = read_one(Prompt(mask=MaskPrompt(encoding="rle", attachment=0)), rle.encode(MASK).encode())
    assert np.array_equal(prompt.mask, MASK)


def test_logits():
    prompt = read_one(Prompt(logits=LogitsPrompt(shape=(3, 4), attachment=0)), LOGITS.astype("<f4").tobytes())
    assert prompt.logits.dtype == np.float32
    assert np.array_equal(prompt.logits, LOGITS)


@pytest.mark.parametrize("encoding", WRITTEN)
@pytest.mark.parametrize("damage", [lambda data: data[:-1], lambda data: b"", lambda data: b"\0" * 3])
def test_masks_of_a_wrong_size(encoding, damage):
    with pytest.raises(WireError) as caught:
        read_one(Prompt(mask=MaskPrompt(encoding=encoding, attachment=0)), damage(WRITTEN[encoding]))
    assert (caught.value.code, caught.value.path) == ("invalid_value", "prompt.mask")


@pytest.mark.parametrize("encoding", ["raw", "bits"])
def test_masks_with_a_byte_too_many(encoding):
    with pytest.raises(WireError, match="bytes"):
        read_one(Prompt(mask=MaskPrompt(encoding=encoding, attachment=0)), WRITTEN[encoding] + b"\0")


def test_png_mask_of_another_size():
    data = png.encode_mask(MASK[:, :-1])
    with pytest.raises(WireError, match="expected"):
        read_one(Prompt(mask=MaskPrompt(encoding="png", attachment=0)), data)
    colour = cv2.imencode(".png", np.zeros((HEIGHT, WIDTH, 3), np.uint8))[1].tobytes()
    with pytest.raises(WireError, match="grey"):
        read_one(Prompt(mask=MaskPrompt(encoding="png", attachment=0)), colour)


@pytest.mark.parametrize("counts", ["", "0", rle.encode(MASK[:, 1:]), rle.encode(MASK)[:-1], "\xff", "~~~"])
def test_rle_of_another_mask(counts):
    with pytest.raises(WireError) as caught:
        read_one(Prompt(mask=MaskPrompt(encoding="rle", attachment=0)), counts.encode())
    assert (caught.value.code, caught.value.path) == ("invalid_value", "prompt.mask")


@pytest.mark.parametrize(
    "data", [b"", LOGITS.tobytes()[:-1], LOGITS.tobytes() + b"\0", np.full(12, np.nan, "<f4").tobytes()]
)
def test_logits_that_are_not_what_they_announce(data):
    with pytest.raises(WireError) as caught:
        read_one(Prompt(logits=LogitsPrompt(shape=(3, 4), attachment=0)), data)
    assert (caught.value.code, caught.value.path) == ("invalid_value", "prompt.logits")


def test_infinite_logits():
    values = LOGITS.copy()
    values[1, 1] = np.inf
    with pytest.raises(WireError, match="finite"):
        read_one(Prompt(logits=LogitsPrompt(shape=(3, 4), attachment=0)), values.tobytes())
