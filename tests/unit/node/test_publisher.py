import pytest

from maskbus.node.publisher import Publisher
from maskbus_wire import frames, header, replies
from maskbus_wire.limits import DEFAULT_LIMITS

MIB = 1 << 20


@pytest.fixture
def publisher():
    return Publisher(MIB)


def subscribe(publisher, prefix):
    return publisher.subscription(b"\x01" + prefix.encode())


def unsubscribe(publisher, prefix):
    return publisher.subscription(b"\x00" + prefix.encode())


def wanted(publisher, topic="masks/front", encodings=("rle",)):
    return list(publisher.wanted(topic, encodings))


def reply(*attachments, **fields):
    masks = replies.Masks(model="m", width=4, height=3, masks=[], encodings=["rle"], **fields)
    return frames.encode(masks, attachments)


def read(message):
    topic, head, *attachments = message
    return bytes(topic).decode(), header.unpack(bytes(head), DEFAULT_LIMITS), attachments


PLAIN = ("masks/front", ("rle",))


@pytest.mark.parametrize(
    ("prefixes", "names"),
    [
        ([], []),
        (["masks/front"], [PLAIN]),
        (["masks/"], [PLAIN]),
        ([""], [PLAIN]),
        (["m", "masks", "masks/front"], [PLAIN]),
        (["masks/front/"], []),
        (["masks/fronts"], []),
        (["other"], []),
        (["png:masks/front"], [("png:masks/front", ("png",))]),
        (["png:"], [("png:masks/front", ("png",))]),
        (["png:m"], [("png:masks/front", ("png",))]),
        (["png:masks/rear"], []),
        (["png"], []),
        (["gif:masks/front"], []),
        ([":masks/front"], []),
        (["bits+zlib:masks/"], [("bits+zlib:masks/front", ("bits+zlib",))]),
        (["rle:masks/front"], [("rle:masks/front", ("rle",))]),
        (
            ["png:", "masks", "bits:masks/front"],
            [PLAIN, ("bits:masks/front", ("bits",)), ("png:masks/front", ("png",))],
        ),
        (["", "png:masks/front"], [PLAIN, ("png:masks/front", ("png",))]),
    ],
)
def test_wanted(publisher, prefixes, names):
    for prefix in prefixes:
        subscribe(publisher, prefix)
    assert wanted(publisher) == names


def test_topics_of_several_encodings(publisher):
    subscribe(publisher, "masks")
    assert wanted(publisher, encodings=["rle", "bits"]) == [("masks/front", ("rle", "bits"))]
    assert wanted(publisher, encodings=[]) == [("masks/front", ())]


def test_unsubscribing(publisher):
    subscribe(publisher, "masks")
    subscribe(publisher, "png:masks")
    unsubscribe(publisher, "masks")
    assert wanted(publisher) == [("png:masks/front", ("png",))]
    unsubscribe(publisher, "png:masks")
    unsubscribe(publisher, "png:masks")
    assert wanted(publisher) == []


@pytest.mark.parametrize("message", [b"", b"\x02masks", b"masks", b"\xff"])
def test_what_is_no_subscription_is_ignored(publisher, message):
    publisher.remember("masks", reply(), 1)
    assert publisher.subscription(message) == []
    assert wanted(publisher) == []


def test_subscription_that_is_no_text(publisher):
    assert publisher.subscription(b"\x01\xff\xfe") == []
    assert wanted(publisher) == []


def test_last_value_of_a_topic_without_subscribers(publisher):
    publisher.remember("masks/front", reply(b"one", id="secret", image_id="secret", seq=1), 1)
    publisher.remember("masks/front", reply(b"two", id="secret", image_id="secret", seq=2), 2)
    publisher.remember("masks/rear", reply(b"three"), 3)
    assert subscribe(publisher, "other") == []
    (message,) = subscribe(publisher, "masks/front")
    topic, plain, attachments = read(message)
    assert topic == "masks/front"
    assert (plain["topic"], plain["published"], plain["retained"], plain["seq"]) == ("masks/front", 2, True, 2)
    assert attachments == [b"two"]
    assert not {"id", "image_id"} & set(plain)
    assert frames.decode_reply(plain).retained
    assert [read(message)[0] for message in subscribe(publisher, "masks")] == ["masks/front", "masks/rear"]


def test_last_value_of_what_was_published(publisher):
    subscribe(publisher, "png:")
    publisher.sent("png:masks/front", reply(b"png", topic="masks/front", published=7), 7)
    topic, plain, attachments = read(subscribe(publisher, "png:masks")[0])
    assert (topic, plain["topic"], plain["published"], plain["retained"]) == ("png:masks/front", "masks/front", 7, True)
    assert attachments == [b"png"]
    assert [(stats.topic, stats.published) for stats in publisher.stats()] == [("png:masks/front", 1)]


def test_the_kept_value_itself_stays_unmarked(publisher):
    kept = reply(b"one")
    before = [bytes(frame) for frame in kept]
    publisher.remember("masks", kept, 1)
    subscribe(publisher, "")
    subscribe(publisher, "")
    assert [bytes(frame) for frame in kept] == before


def test_those_who_subscribe_while_the_model_works(publisher):
    assert publisher.unforeseen("masks/front", reply(), 5) is None
    subscribe(publisher, "png:masks/front")
    assert publisher.unforeseen("masks/front", reply(), 5) is None
    subscribe(publisher, "masks/")
    topic, plain, _ = read(publisher.unforeseen("masks/front", reply(id="secret"), 5))
    assert (topic, plain["topic"], plain["published"]) == ("masks/front", "masks/front", 5)
    assert not {"retained", "id"} & set(plain)


def test_last_value_with_more_values_than_a_request_may_have(publisher):
    """Polygons of a ragged mask: the limits are for what comes in, and a subscriber must not bring the node down."""
    mask = replies.Mask(bbox=(0, 0, 1, 1), area=1, predicted_iou=1, stability_score=1, polygon=[[0.5] * 60_000])
    large = replies.Masks(model="m", width=4, height=3, masks=[mask], encodings=["polygon"])
    publisher.remember("masks", frames.encode(large), 1)
    (message,) = subscribe(publisher, "masks")
    assert len(message) == 2


def size(message):
    return sum(memoryview(frame).nbytes for frame in message)


def names(publisher):
    unsubscribe(publisher, "")
    return [read(message)[0] for message in subscribe(publisher, "")]


def test_bytes_of_last_values_are_capped_and_the_oldest_go_first():
    message = reply(bytes(1000))
    publisher = Publisher(3 * size(message))
    for number, name in enumerate("abc"):
        publisher.remember(name, message, number)
    assert names(publisher) == ["a", "b", "c"]
    publisher.remember("a", message, 4)
    assert names(publisher) == ["b", "c", "a"]
    publisher.remember("d", message, 5)
    assert names(publisher) == ["c", "a", "d"]
    publisher.remember("a", reply(bytes(2 * size(message))), 6)
    assert names(publisher) == ["a"]


def test_a_value_that_is_too_large_is_not_kept_and_costs_no_other():
    publisher = Publisher(5000)
    publisher.remember("a", reply(bytes(10)), 1)
    publisher.sent("b", reply(bytes(5000)), 2)
    assert names(publisher) == ["a"]
    assert [(stats.topic, stats.published) for stats in publisher.stats()] == [("a", 0), ("b", 1)]
    publisher.sent("b", reply(bytes(10)), 3)
    assert names(publisher) == ["a", "b"]


def test_no_last_values_at_all():
    publisher = Publisher(0)
    publisher.remember("a", reply(), 1)
    assert names(publisher) == []


def test_names_of_topics_do_not_pile_up(publisher):
    for number in range(5000):
        publisher.remember(f"masks/{number}", reply(), number)
    assert len(publisher.stats()) <= 4096
    assert names(publisher)[-1] == "masks/4999"


@pytest.mark.parametrize(
    ("prefix", "watched"),
    [
        ("", True),
        ("masks/front", True),
        ("masks/front/echo", True),
        ("masks/front/echo/", False),
        ("masks/rear", False),
        ("png:masks/front", True),
        ("png:", True),
        ("png:masks/rear", False),
        ("gif:masks/front", False),
        ("frames/front", False),
    ],
)
def test_whether_anybody_wants_a_topic(publisher, prefix, watched):
    assert not publisher.has_subscribers("masks/front/echo")
    subscribe(publisher, prefix)
    assert publisher.has_subscribers("masks/front/echo") is watched
    unsubscribe(publisher, prefix)
    assert not publisher.has_subscribers("masks/front/echo")


def test_a_topic_that_is_forgotten_has_no_last_value_in_any_encoding():
    publisher = Publisher(1000)
    for name in ("masks/front", "png:masks/front", "masks/front/2", "png:masks/rear"):
        publisher.sent(name, reply(bytes(100)), 1)
    publisher.forget("masks/front")
    publisher.forget("masks/front")
    publisher.forget("nothing")
    assert {stats.topic for stats in publisher.stats()} == {"masks/front/2", "png:masks/rear"}
    assert [read(message)[0] for message in subscribe(publisher, "")] == ["masks/front/2", "png:masks/rear"]
    for i in range(3):  # the bytes were given back: these fit, and push nothing out
        publisher.sent(f"more/{i}", reply(bytes(100)), 1)
    assert len(publisher.stats()) == 5
