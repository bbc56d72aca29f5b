"""Shared memory as it stands on the wire, with a node and a worker of their own."""

import zlib
from contextlib import closing

import numpy as np
import pytest
import zmq

from maskbus_wire import frames, header, prompts, replies, requests
from maskbus_wire import shared_layout as layout
from maskbus_wire.limits import DEFAULT_LIMITS
from support.nodes import live_node
from support.shared import Mapped, slot

HEIGHT, WIDTH = 48, 64
PIXELS = np.random.default_rng(7).integers(0, 255, (HEIGHT, WIDTH, 3), np.uint8)
PROMPT = prompts.Prompt(boxes=[(10, 20, 30, 40)])


@pytest.fixture(scope="module")
def node(tmp_path_factory):
    with live_node(models=["echo"], ipc=True, runtime_dir=str(tmp_path_factory.mktemp("run"))) as running:
        yield running


class Peer:
    def __init__(self, node, endpoint):
        self._socket = node.context.socket(zmq.DEALER)
        self._socket.linger, self._socket.rcvtimeo = 0, 20_000
        self._socket.connect(endpoint)

    def close(self):
        self._socket.close()

    def ask(self, request):
        self._socket.send_multipart([b"", *frames.encode(request)])
        _, *parts = self._socket.recv_multipart()
        return frames.decode_reply(frames.open_header(parts)[0]), parts[1:]


@pytest.fixture(params=["tcp", "ipc"])
def peer(request, node):
    (endpoint,) = (endpoint for endpoint in node.bus.endpoints if endpoint.startswith(request.param))
    with closing(Peer(node, endpoint)) as made:
        yield made


@pytest.fixture
def lease(peer):
    reply, _ = peer.ask(requests.Lease(id="l", slots=4, slot_bytes=PIXELS.nbytes))
    assert isinstance(reply, replies.Leased), reply
    with closing(Mapped(reply.path)) as mapped:
        mapped.name = reply.lease
        assert mapped.header.generation == reply.generation
        yield mapped
    peer.ask(requests.Return(lease=reply.lease))


def segment(lease, index=0, generation=2, **fields):
    return requests.Segment(
        id="s", image=prompts.Image(slot=slot(lease.name, index, generation)), prompt=PROMPT, **fields
    )


def expected():
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    mask[20:40, 10:30] = 255
    return mask.tobytes()


def test_pixels_and_mask_cross_in_slots(peer, lease):
    lease.write(0, PIXELS.tobytes(), "rgb8", WIDTH, HEIGHT, checksum=True)
    reply, attachments = peer.ask(segment(lease, encodings=["raw", "rle"], result=slot(lease.name, 1, 0)))
    assert isinstance(reply, replies.Masks), reply
    assert not attachments
    offset, length = reply.masks[0].raw.shared
    assert reply.result == slot(lease.name, 1, 2)
    assert lease.data(1, offset, length) == expected()
    entry = lease.entry(1)
    assert (entry.state, entry.owner, entry.generation) == (layout.ANSWERED, layout.CLIENT, 2)
    assert entry.checksum == zlib.crc32(lease.data(1))
    assert lease.entry(0).state == layout.WRITTEN
    assert reply.masks[0].rle is not None


def test_a_mask_may_come_back_as_an_attachment(peer, lease):
    lease.write(0, PIXELS.tobytes(), "rgb8", WIDTH, HEIGHT)
    reply, attachments = peer.ask(segment(lease, encodings=["raw"]))
    assert attachments == [expected()]
    assert reply.result is None


def test_what_does_not_fit_into_the_slot_comes_as_attachments(peer):
    leased, _ = peer.ask(requests.Lease(slots=2, slot_bytes=1))  # 4096 bytes
    with closing(Mapped(leased.path)) as lease:
        lease.name = leased.lease
        lease.write(0, bytes(100 * 40), "mono8", 100, 40)
        everything = requests.Segment(
            image=prompts.Image(slot=slot(lease.name, 0, 2)),
            prompt=prompts.Prompt(boxes=[(0, 0, 5, 5), (5, 5, 9, 9)]),
            encodings=["raw"],
            result=slot(lease.name, 1, 0),
        )
        reply, attachments = peer.ask(everything)
    assert reply.masks[0].raw.shared == (0, 4000)
    assert reply.masks[1].raw.attachment == 0
    assert len(attachments) == 1


def test_an_image_can_be_kept_and_its_slot_used_again(peer, lease):
    lease.write(0, PIXELS.tobytes(), "rgb8", WIDTH, HEIGHT)
    kept, _ = peer.ask(requests.Embed(id="e", image=prompts.Image(slot=slot(lease.name, 0, 2))))
    assert isinstance(kept, replies.Embedded), kept
    lease.write(0, b"\xff" * PIXELS.nbytes, "rgb8", WIDTH, HEIGHT)
    again = requests.Segment(image=prompts.Image(image_id=kept.image_id), prompt=PROMPT, encodings=["overlay"])
    with_pixels = requests.Segment(
        image=prompts.Image(data=PIXELS.tobytes(), encoding="rgb8", width=WIDTH, height=HEIGHT),
        prompt=PROMPT,
        encodings=["overlay"],
    )
    assert peer.ask(again)[1] == peer.ask(with_pixels)[1]


def test_a_row_step_is_understood(peer, lease):
    padded = np.zeros((HEIGHT, 200), np.uint8)
    padded[:, : 3 * 60] = PIXELS[:, :60].reshape(HEIGHT, -1)
    lease.write(0, padded.tobytes()[: 200 * (HEIGHT - 1) + 180], "rgb8", 60, HEIGHT, step=200)
    packed = requests.Segment(
        image=prompts.Image(data=PIXELS[:, :60].tobytes(), encoding="rgb8", width=60, height=HEIGHT),
        prompt=PROMPT,
        encodings=["overlay"],
    )
    assert peer.ask(segment(lease, encodings=["overlay"]))[1] == peer.ask(packed)[1]


def test_a_file_in_a_slot_is_read_like_any_other(peer, lease, png_file):
    lease.write(0, png_file, "png")
    reply, _ = peer.ask(segment(lease))
    assert (reply.width, reply.height) == (WIDTH, HEIGHT)


@pytest.fixture
def png_file():
    import cv2

    return cv2.imencode(".png", PIXELS // 64 * 64)[1].tobytes()


@pytest.mark.parametrize(
    ("fields", "code", "path"),
    [
        ({"width": 0}, "invalid_field", "image.slot.width"),
        ({"width": 65, "step": 0}, "invalid_image", "image.slot"),
        ({"height": 2**31}, "invalid_value", "image.slot.height"),
        ({"width": 30_000, "height": 30_000}, "too_large", "image.slot"),
        ({"step": 5}, "invalid_value", "image.slot.step"),
        ({"encoding": 16}, "invalid_field", "image.slot.step"),
        ({"encoding": 16, "step": 0}, "invalid_image", "image.slot"),
        ({"encoding": 3, "length": 17}, "invalid_image", "image.slot"),
        ({"checksum": 1, "flags": 1}, "invalid_image", "image.slot"),
    ],
)
def test_a_client_that_lies_gets_an_error_and_the_slot_stays_its_own(peer, lease, fields, code, path):
    lease.write(0, PIXELS.tobytes(), "rgb8", WIDTH, HEIGHT, step=3 * WIDTH)
    lease.set_entry(0, **fields)
    reply, _ = peer.ask(segment(lease, encodings=["raw"], result=slot(lease.name, 1, 0)))
    assert isinstance(reply, replies.Error)
    assert (reply.code, reply.path) == (code, path), reply.message
    assert (lease.entry(0).state, lease.entry(0).owner) == (layout.WRITTEN, layout.CLIENT)
    assert lease.entry(1).state == layout.FREE
    assert lease.entry(1).generation in (0, 2)


def test_a_prompt_outside_the_image_leaves_the_slots_as_they_should_be(peer, lease):
    lease.write(0, PIXELS.tobytes(), "rgb8", WIDTH, HEIGHT)
    outside = requests.Segment(
        image=prompts.Image(slot=slot(lease.name, 0, 2)),
        prompt=prompts.Prompt(points=[(WIDTH, 0)]),
        result=slot(lease.name, 1, 0),
    )
    reply, _ = peer.ask(outside)
    assert reply.path == "prompt.points[0]"
    assert (lease.entry(0).state, lease.entry(1).state) == (layout.WRITTEN, layout.FREE)


def test_what_is_published_is_never_in_a_slot(peer, lease, node):
    lease.write(0, PIXELS.tobytes(), "rgb8", WIDTH, HEIGHT)
    reply, _ = peer.ask(segment(lease, encodings=["raw"], result=slot(lease.name, 1, 0), publish="shared/front"))
    assert reply.masks[0].raw.shared == (0, HEIGHT * WIDTH)
    late = node.context.socket(zmq.SUB)
    with closing(late):
        late.linger, late.rcvtimeo = 0, 20_000
        late.connect(node.topics)
        late.subscribe("shared/front")
        _, head, *attachments = late.recv_multipart()
    assert attachments == [expected()]
    assert b"lease" not in head
    assert header.unpack(head, DEFAULT_LIMITS)["masks"][0]["raw"] == {"attachment": 0}


def test_a_node_that_gives_none_says_so():
    with live_node(models=["echo"], leased_bytes=0) as node, closing(Peer(node, node.tcp)) as peer:
        reply, _ = peer.ask(requests.Lease(slots=1, slot_bytes=1))
    assert reply.code == "no_shared_memory"
