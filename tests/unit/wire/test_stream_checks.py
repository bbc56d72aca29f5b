import math

import pytest

from maskbus_wire.checks import check_request
from maskbus_wire.errors import WireError
from maskbus_wire.limits import DEFAULT_LIMITS, Limits
from maskbus_wire.prompts import Image, LogitsPrompt, MaskPrompt, Prompt, Slot
from maskbus_wire.requests import StreamClose, StreamFrame, StreamList, StreamOpen, StreamUpdate, TrackedObject
from maskbus_wire.stream_checks import MOST_OBJECTS, MOST_WAITING

IMAGE = Image(attachment=0, encoding="rgb8", width=5, height=3)
POINT = Prompt(points=[(1.0, 2.0)])
BOX = (0.0, 0.0, 1.0, 1.0)
RUNS = MaskPrompt(encoding="rle", counts="0")
LOGITS = LogitsPrompt(data=b"1234", shape=(1, 1))


def check(request, attachments=1, limits=DEFAULT_LIMITS):
    check_request(request, attachments, limits)


def refused(call, *arguments, **keywords):
    with pytest.raises(WireError) as caught:
        call(*arguments, **keywords)
    return caught.value.code, caught.value.path


def begin(stream="front", **fields):
    check(StreamOpen(stream=stream, **fields))


def follow(*objects, **fields):
    begin(track=True, objects=list(objects), **fields)


def change(**fields):
    check(StreamUpdate(stream="front", **fields))


def hand_in(limits=DEFAULT_LIMITS, **fields):
    check(StreamFrame(**{"stream": "front", "image": IMAGE, **fields}), limits=limits)


def sample(max_fps):
    begin(policy="sample", max_fps=max_fps)


NAMED = [
    lambda name: StreamOpen(stream=name),
    lambda name: StreamFrame(stream=name, image=IMAGE),
    lambda name: StreamUpdate(stream=name),
    lambda name: StreamClose(stream=name),
]


@pytest.mark.parametrize("make", NAMED)
@pytest.mark.parametrize("name", ["front", "é漢字😀", "a.b-c_d", "x" * 256])
def test_names_pass(make, name):
    check(make(name))


@pytest.mark.parametrize("make", NAMED)
@pytest.mark.parametrize(
    "name", ["", "a/b", "/", "png:a", ":", "a b", "a\t", "\n", "a\u00a0b", "a\u2003", "\0", "a\x7f"]
)
def test_names_that_would_be_more_than_one_level_of_a_topic_do_not(make, name):
    assert refused(check, make(name)) == ("invalid_value", "stream")


@pytest.mark.parametrize("make", NAMED)
def test_names_are_short(make):
    assert refused(check, make("x" * 257)) == ("too_large", "stream")
    assert refused(check, make("four"), limits=Limits(name_chars=3)) == ("too_large", "stream")


def test_a_list_of_streams_needs_nothing():
    check(StreamList(), 0)
    assert refused(check, StreamList(id="x" * 257)) == ("too_large", "id")


def test_the_shortest_open_passes():
    begin()
    begin(policy="every")
    begin(encodings=[])


def test_the_model_has_a_short_name():
    assert refused(begin, model="x" * 257) == ("too_large", "model")


def test_encodings_are_named_once():
    assert refused(begin, encodings=["rle", "rle"]) == ("invalid_value", "encodings")
    assert refused(change, encodings=["rle", "rle"]) == ("invalid_value", "encodings")
    change(encodings=[])


@pytest.mark.parametrize("call", [begin, change])
def test_a_prompt_for_every_frame_is_checked_as_any(call):
    call(prompt=Prompt(points=[(1.0, 2.0)], labels=[0], boxes=[BOX]))
    call(prompt=Prompt(text=["cup"], negative_text=["glass"]))
    assert refused(call, prompt=Prompt(points=[(math.nan, 0.0)])) == ("invalid_value", "prompt.points[0]")
    assert refused(call, prompt=Prompt(labels=[1])) == ("invalid_value", "prompt.labels")


@pytest.mark.parametrize("call", [begin, change])
def test_a_prompt_for_every_frame_has_no_mask_and_no_logits(call):
    assert refused(call, prompt=Prompt(mask=RUNS)) == ("unsupported_prompt", "prompt.mask")
    assert refused(call, prompt=Prompt(logits=LOGITS)) == ("unsupported_prompt", "prompt.logits")


def test_a_stream_that_tracks_has_objects_and_no_prompt():
    begin(track=True)
    follow(TrackedObject(object_id=1, prompt=POINT))
    assert refused(begin, track=True, prompt=POINT) == ("invalid_value", "prompt")
    assert refused(begin, objects=[TrackedObject(object_id=1, prompt=POINT)]) == ("invalid_value", "objects")


def test_only_samples_have_a_rate():
    sample(0.001)
    sample(1000.0)
    assert refused(begin, policy="sample") == ("invalid_field", "max_fps")
    for policy in ("newest", "every"):
        assert refused(begin, policy=policy, max_fps=5.0) == ("invalid_value", "max_fps")


@pytest.mark.parametrize("rate", [0.0, -1.0, 1000.001, math.nan, math.inf, -math.inf])
def test_rates_have_a_range(rate):
    assert refused(sample, rate) == ("invalid_value", "max_fps")
    assert refused(change, max_fps=rate) == ("invalid_value", "max_fps")


def test_frames_that_may_wait_have_a_range():
    for count in (1, MOST_WAITING):
        begin(policy="every", max_waiting=count)
    for count in (0, -1, MOST_WAITING + 1):
        assert refused(begin, policy="every", max_waiting=count) == ("invalid_value", "max_waiting")


@pytest.mark.parametrize("name", ["max_age_ms", "deadline_ms", "idle_ms"])
def test_times_have_a_range(name):
    for value in (1, DEFAULT_LIMITS.deadline_ms):
        begin(**{name: value})
    for value in (0, -1, DEFAULT_LIMITS.deadline_ms + 1):
        assert refused(begin, **{name: value}) == ("invalid_value", name)


def test_an_update_may_say_that_none_is_too_old():
    change(max_age_ms=0)
    change(max_age_ms=1)
    for value in (-1, DEFAULT_LIMITS.deadline_ms + 1):
        assert refused(change, max_age_ms=value) == ("invalid_value", "max_age_ms")


@pytest.mark.parametrize(
    "prompt",
    [
        POINT,
        Prompt(points=[(1.0, 2.0), (3.0, 4.0)], labels=[1, 0]),
        Prompt(boxes=[BOX]),
        Prompt(points=[(0.0, 0.0)], boxes=[BOX]),
        Prompt(mask=RUNS),
        Prompt(mask=MaskPrompt(encoding="bits", attachment=0)),
    ],
)
def test_objects_are_given_by_points_a_box_or_a_mask(prompt):
    follow(TrackedObject(object_id=0, prompt=prompt), TrackedObject(object_id=2**31 - 1, prompt=prompt))
    change(objects=[TrackedObject(object_id=5, prompt=prompt)])


@pytest.mark.parametrize(
    ("prompt", "code", "path"),
    [
        (Prompt(), "invalid_value", ""),
        (Prompt(boxes=[BOX, BOX]), "invalid_value", ".boxes"),
        (Prompt(points=[(0.0, math.inf)]), "invalid_value", ".points[0]"),
        (Prompt(points=[(0.0, 0.0)], boxes=[BOX, BOX]), "invalid_value", ".points"),
        (Prompt(boxes=[BOX], labels=[1]), "invalid_value", ".labels"),
        (Prompt(text=["cup"]), "unsupported_prompt", ".text"),
        (Prompt(points=[(0.0, 0.0)], logits=LOGITS), "unsupported_prompt", ".logits"),
        (Prompt(mask=RUNS, points=[(0.0, 0.0)]), "invalid_value", ".mask"),
        (Prompt(mask=RUNS, boxes=[BOX]), "invalid_value", ".mask"),
        (Prompt(mask=MaskPrompt(encoding="bits", attachment=1)), "invalid_value", ".mask.attachment"),
        (Prompt(mask=MaskPrompt(encoding="rle")), "invalid_field", ".mask.counts"),
    ],
)
def test_objects_given_otherwise_are_refused(prompt, code, path):
    objects = [TrackedObject(object_id=1, prompt=POINT), TrackedObject(object_id=2, prompt=prompt)]
    assert refused(follow, *objects) == (code, f"objects[1].prompt{path}")
    assert refused(change, objects=objects) == (code, f"objects[1].prompt{path}")


@pytest.mark.parametrize("number", [-1, 2**31, 2**63, -(2**63)])
def test_numbers_of_objects_have_31_bits(number):
    one = TrackedObject(object_id=number, prompt=POINT)
    assert refused(follow, one) == ("invalid_value", "objects[0].object_id")


def test_an_object_stands_once_in_a_message():
    one, other = (TrackedObject(object_id=number, prompt=POINT) for number in (3, 4))
    assert refused(follow, one, other, one) == ("invalid_value", "objects[2].object_id")
    change(objects=[one], remove=[3, 4])


def test_objects_have_a_limit():
    objects = [TrackedObject(object_id=number, prompt=POINT) for number in range(MOST_OBJECTS + 1)]
    follow(*objects[1:])
    assert refused(follow, *objects) == ("too_large", "objects")
    change(remove=[*range(MOST_OBJECTS)])
    assert refused(change, remove=[*range(MOST_OBJECTS + 1)]) == ("too_large", "remove")


def test_a_frame_is_an_image_as_any_other():
    hand_in()
    hand_in(image=Image(slot=Slot(lease="a", index=0, generation=2)))
    hand_in(image=Image(data=b"1", encoding="jpeg"))
    assert refused(hand_in, image=Image()) == ("invalid_field", "image")
    assert refused(hand_in, image=Image(attachment=1, encoding="jpeg")) == ("invalid_value", "image.attachment")
    assert refused(hand_in, Limits(pixels=14)) == ("too_large", "image")


def test_a_frame_is_a_new_image():
    assert refused(hand_in, image=Image(image_id="a")) == ("invalid_value", "image.image_id")


def test_stamps_of_a_frame_are_those_of_any_image():
    hand_in(stamp=-(2**63), seq=2**63 - 1, frame_id="x" * 256)
    assert refused(hand_in, frame_id="x" * 257) == ("too_large", "frame_id")
    for name in ("stamp", "seq"):
        assert refused(hand_in, **{name: 2**63}) == ("invalid_value", name)
