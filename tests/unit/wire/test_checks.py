import math

import pytest

from maskbus_wire.checks import check_request
from maskbus_wire.errors import WireError
from maskbus_wire.image_checks import IMAGE_ENCODINGS, blob_bytes
from maskbus_wire.limits import DEFAULT_LIMITS, Limits
from maskbus_wire.prompt_checks import check_inside
from maskbus_wire.prompts import Blob, Image, LogitsPrompt, MaskPrompt, Prompt
from maskbus_wire.requests import Cancel, Describe, Embed, Ping, Release, Segment, Stats

HELD = Image(image_id="a")
RAW = {"attachment": 0, "encoding": "rgb8", "width": 5, "height": 3}
LONG = "x" * 257


def refused(call, *arguments, **keywords):
    with pytest.raises(WireError) as caught:
        call(*arguments, **keywords)
    return caught.value.code, caught.value.path


def check(request, attachments=1, limits=DEFAULT_LIMITS):
    check_request(request, attachments, limits)


def image(**fields):
    check(Segment(image=Image(**fields)))


def raw(**fields):
    image(**{**RAW, **fields})


def prompt(limits=DEFAULT_LIMITS, **fields):
    check(Segment(image=HELD, prompt=Prompt(**fields)), limits=limits)


def field(**fields):
    check(Segment(image=HELD, **fields))


@pytest.mark.parametrize(
    "request_", [Ping(), Stats(id="é" * 256), Describe(), Release(image_id="a"), Cancel(target="a")]
)
def test_plain_requests_pass(request_):
    check(request_, 0)


@pytest.mark.parametrize("name", ["model", "frame_id", "stream", "publish"])
def test_names_are_short(name):
    field(**{name: "x" * 256})
    assert refused(field, **{name: LONG}) == ("too_large", name)


@pytest.mark.parametrize(
    ("request_", "path"),
    [
        (Ping(id=LONG), "id"),
        (Release(image_id=LONG), "image_id"),
        (Cancel(target=LONG), "target"),
        (Embed(image=Image(image_id=LONG)), "image.image_id"),
    ],
)
def test_ids_are_short(request_, path):
    assert refused(check, request_) == ("too_large", path)


def test_a_cancel_names_its_target():
    assert refused(check, Cancel(target="")) == ("invalid_value", "target")


@pytest.mark.parametrize("name", ["stamp", "seq"])
def test_stamps_are_signed_64_bits(name):
    field(**{name: 2**63 - 1})
    field(**{name: -(2**63)})
    assert refused(field, **{name: 2**63}) == ("invalid_value", name)
    assert refused(field, **{name: -(2**63) - 1}) == ("invalid_value", name)


def test_deadlines_have_a_range():
    field(deadline_ms=1)
    field(deadline_ms=3_600_000)
    for value in (0, -1, 3_600_001):
        assert refused(field, deadline_ms=value) == ("invalid_value", "deadline_ms")


@pytest.mark.parametrize("topic", ["", ":", "png:front", "front:"])
def test_topics_have_a_character_and_no_colon(topic):
    field(publish="masks/front")
    assert refused(field, publish=topic) == ("invalid_value", "publish")


def test_encodings_are_named_once():
    field(encodings=[])
    field(encodings=["rle", "png"])
    assert refused(field, encodings=["rle", "png", "rle"]) == ("invalid_value", "encodings")


@pytest.mark.parametrize("name", ["attachment", "data", "base64", "encoding", "width", "height", "step"])
def test_an_image_id_stands_alone(name):
    value = {"attachment": 0, "data": b"", "base64": "", "encoding": "png"}.get(name, 1)
    assert refused(image, image_id="a", **{name: value}) == ("invalid_field", f"image.{name}")


@pytest.mark.parametrize(
    "fields",
    [{}, {"attachment": 0, "data": b""}, {"data": b"", "base64": ""}, {"attachment": 0, "data": b"", "base64": ""}],
)
def test_bytes_come_in_one_way(fields):
    assert refused(image, encoding="png", **fields) == ("invalid_field", "image")


@pytest.mark.parametrize("index", [1, -1, 2**63, -(2**63)])
def test_an_attachment_must_be_there(index):
    raw()
    assert refused(raw, attachment=index) == ("invalid_value", "image.attachment")


def test_without_attachments_none_can_be_named():
    assert refused(check, Embed(image=Image(**RAW)), 0) == ("invalid_value", "image.attachment")


@pytest.mark.parametrize("encoding", IMAGE_ENCODINGS)
def test_every_image_encoding_passes(encoding):
    raw(encoding=encoding)


def test_an_encoding_is_needed_but_with_a_data_url():
    image(base64="data:image/png;base64,YQ==")
    image(base64="DATA:image/png;base64,YQ==")
    assert refused(image, base64="YQ==") == ("invalid_field", "image.encoding")
    assert refused(image, data=b"a") == ("invalid_field", "image.encoding")
    assert refused(raw, encoding=None) == ("invalid_field", "image.encoding")
    assert refused(raw, encoding="mono16") == ("unknown_encoding", "image.encoding")
    assert refused(raw, encoding="") == ("unknown_encoding", "image.encoding")


def test_files_need_no_size_and_raw_images_do():
    image(attachment=0, encoding="jpeg")
    image(attachment=0, encoding="jpeg", width=5)
    for name in ("width", "height"):
        assert refused(raw, **{name: None}) == ("invalid_field", f"image.{name}")


@pytest.mark.parametrize("name", ["width", "height"])
def test_sides_have_a_range(name):
    raw(**{name: 32_767})
    for value in (0, -1, 32_768, 2**63):
        assert refused(raw, **{name: value}) == ("invalid_value", f"image.{name}")
        assert refused(image, attachment=0, encoding="png", **{name: value}) == ("invalid_value", f"image.{name}")


def test_pixels_have_a_limit():
    raw(width=8000, height=8000)
    assert refused(raw, width=8000, height=8001) == ("too_large", "image")
    assert refused(image, attachment=0, encoding="png", width=30_000, height=30_000) == ("too_large", "image")


@pytest.mark.parametrize(("encoding", "row"), [("mono8", 5), ("rgb8", 15), ("bgr8", 15), ("rgba8", 20), ("bgra8", 20)])
def test_a_step_is_a_row_at_least(encoding, row):
    raw(encoding=encoding, step=row)
    raw(encoding=encoding, step=DEFAULT_LIMITS.frame_bytes)
    for step in (row - 1, 0, -row, DEFAULT_LIMITS.frame_bytes + 1):
        assert refused(raw, encoding=encoding, step=step) == ("invalid_value", "image.step")


def test_files_have_no_step():
    assert refused(image, attachment=0, encoding="png", step=15) == ("invalid_field", "image.step")


def test_an_embed_has_its_image_checked():
    check(Embed(image=HELD))
    assert refused(check, Embed(image=Image(encoding="png"))) == ("invalid_field", "image")


@pytest.mark.parametrize(
    ("name", "one", "most"),
    [
        ("points", (0.0, 0.0), DEFAULT_LIMITS.points),
        ("boxes", (0.0, 0.0, 1.0, 1.0), DEFAULT_LIMITS.boxes),
        ("text", "cup", DEFAULT_LIMITS.texts),
        ("negative_text", "cup", DEFAULT_LIMITS.texts),
    ],
)
def test_prompts_have_limits(name, one, most):
    beside = {"text": ["cup"]} if name == "negative_text" else {}
    prompt(**beside, **{name: [one] * most})
    assert refused(prompt, **beside, **{name: [one] * (most + 1)}) == ("too_large", f"prompt.{name}")


def test_limits_are_those_given():
    assert refused(prompt, Limits(points=2), points=[(0.0, 0.0)] * 3) == ("too_large", "prompt.points")


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_coordinates_are_finite(value):
    for x, y in ((value, 0.0), (0.0, value)):
        assert refused(prompt, points=[(0.0, 0.0), (x, y)]) == ("invalid_value", "prompt.points[1]")
    for i in range(4):
        box = [0.0, 0.0, 1.0, 1.0]
        box[i] = value
        assert refused(prompt, boxes=[tuple(box)]) == ("invalid_value", "prompt.boxes[0]")


@pytest.mark.parametrize("box", [(1, 0, 1, 1), (0, 1, 1, 1), (2, 0, 1, 1), (0, 2, 1, 1), (0, 0, 0, 0)])
def test_boxes_have_an_inside(box):
    assert refused(prompt, boxes=[(0, 0, 1, 1), box]) == ("invalid_value", "prompt.boxes[1]")


def test_labels_go_with_points():
    prompt(points=[(0.0, 0.0)] * 2, labels=[1, 0])
    prompt(points=[(0.0, 0.0)] * 2)
    for labels in ([1], [1, 0, 1]):
        assert refused(prompt, points=[(0.0, 0.0)] * 2, labels=labels) == ("invalid_value", "prompt.labels")
    assert refused(prompt, labels=[1]) == ("invalid_value", "prompt.labels")


def test_points_go_with_one_box():
    box = (0.0, 0.0, 1.0, 1.0)
    prompt(points=[(0.0, 0.0)], boxes=[box])
    prompt(boxes=[box, box])
    assert refused(prompt, points=[(0.0, 0.0)], boxes=[box, box]) == ("invalid_value", "prompt.points")


@pytest.mark.parametrize("name", ["text", "negative_text"])
def test_texts_say_something_short(name):
    beside = {"text": ["cup"]} if name == "negative_text" else {}
    prompt(**beside, **{name: ["x" * 1000]})
    assert refused(prompt, **beside, **{name: ["cup", "x" * 1001]}) == ("too_large", f"prompt.{name}[1]")
    for text in ("", " ", "\t\n\u2003"):
        assert refused(prompt, **beside, **{name: ["cup", text]}) == ("invalid_value", f"prompt.{name}[1]")


def test_negative_texts_go_with_texts():
    assert refused(prompt, negative_text=["cup"]) == ("invalid_value", "prompt.negative_text")


@pytest.mark.parametrize("encoding", ["raw", "bits", "bits+zlib", "png"])
def test_mask_prompts_have_bytes(encoding):
    prompt(mask=MaskPrompt(encoding=encoding, attachment=0))
    prompt(mask=MaskPrompt(encoding=encoding, data=b""))
    assert refused(prompt, mask=MaskPrompt(encoding=encoding)) == ("invalid_field", "prompt.mask")
    two = MaskPrompt(encoding=encoding, data=b"", base64="")
    assert refused(prompt, mask=two) == ("invalid_field", "prompt.mask")
    counts = MaskPrompt(encoding=encoding, attachment=0, counts="0")
    assert refused(prompt, mask=counts) == ("invalid_field", "prompt.mask.counts")
    missing = MaskPrompt(encoding=encoding, attachment=1)
    assert refused(prompt, mask=missing) == ("invalid_value", "prompt.mask.attachment")


def test_rle_prompts_have_counts():
    prompt(mask=MaskPrompt(encoding="rle", counts="0"))
    assert refused(prompt, mask=MaskPrompt(encoding="rle")) == ("invalid_field", "prompt.mask.counts")
    both = MaskPrompt(encoding="rle", counts="0", data=b"")
    assert refused(prompt, mask=both) == ("invalid_field", "prompt.mask")


def test_logits_prompts_have_bytes_and_a_shape():
    prompt(logits=LogitsPrompt(attachment=0, shape=(4096, 4096)))
    assert refused(prompt, logits=LogitsPrompt(shape=(1, 1))) == ("invalid_field", "prompt.logits")
    assert refused(prompt, logits=LogitsPrompt(attachment=7, shape=(1, 1))) == (
        "invalid_value",
        "prompt.logits.attachment",
    )
    for shape in ((0, 1), (1, 0), (4097, 1), (1, 4097), (-1, -1)):
        assert refused(prompt, logits=LogitsPrompt(attachment=0, shape=shape)) == (
            "invalid_value",
            "prompt.logits.shape",
        )


def test_points_lie_in_the_image():
    check_inside(Prompt(points=[(0, 0), (4.999, 2.999)]), 5, 3)
    for point in ((-0.001, 0), (0, -0.001), (5, 0), (0, 3)):
        assert refused(check_inside, Prompt(points=[(1, 1), point]), 5, 3) == ("invalid_value", "prompt.points[1]")


def test_boxes_lie_in_the_image():
    check_inside(Prompt(boxes=[(0, 0, 5, 3)]), 5, 3)
    for box in ((-0.1, 0, 5, 3), (0, -0.1, 5, 3), (0, 0, 5.1, 3), (0, 0, 5, 3.1)):
        assert refused(check_inside, Prompt(boxes=[box]), 5, 3) == ("invalid_value", "prompt.boxes[0]")


def test_bytes_of_a_blob_come_without_a_copy():
    parts = [memoryview(b"a"), memoryview(b"b")]
    assert blob_bytes(Blob(attachment=1), parts, DEFAULT_LIMITS, "image") is parts[1]
    data = b"abc"
    assert blob_bytes(Blob(data=data), parts, DEFAULT_LIMITS, "image") is data
    assert blob_bytes(Blob(base64="YWJj"), [], DEFAULT_LIMITS, "image") == b"abc"
    assert blob_bytes(Blob(base64="data:;base64,YWJj"), [], DEFAULT_LIMITS, "image") == b"abc"
    assert blob_bytes(Blob(base64=""), [], DEFAULT_LIMITS, "image") == b""


@pytest.mark.parametrize(
    ("blob", "code", "path"),
    [
        (Blob(), "invalid_field", "masks[0].png"),
        (Blob(attachment=0, data=b""), "invalid_field", "masks[0].png"),
        (Blob(attachment=1), "invalid_value", "masks[0].png.attachment"),
        (Blob(attachment=-1), "invalid_value", "masks[0].png.attachment"),
        (Blob(base64="!"), "invalid_field", "masks[0].png.base64"),
        (Blob(base64="data:text/plain,abc"), "invalid_field", "masks[0].png.base64"),
    ],
)
def test_a_blob_that_was_not_checked_is_no_crash(blob, code, path):
    assert refused(blob_bytes, blob, [b"a"], DEFAULT_LIMITS, "masks[0].png") == (code, path)
