import random
import socket
import threading

import pytest

from maskbus.worker.channel import _CAN_WATCH, Channel, ChannelClosed, pack, unpack

SEED = 7710


@pytest.fixture
def chance():
    print(f"seed {SEED}")
    return random.Random(SEED)


@pytest.fixture
def line():
    ours, theirs = (Channel(end) for end in socket.socketpair())
    yield ours, theirs
    ours.close()
    theirs.close()


@pytest.fixture
def raw_line():
    """A channel, and the bare socket at the other end."""
    end, bare = socket.socketpair()
    channel = Channel(end)
    yield channel, bare
    channel.close()
    bare.close()


def on_the_line(*messages):
    """What a channel puts on the line."""
    one, other = socket.socketpair()
    with one, other:
        writer = threading.Thread(target=lambda: [Channel(one).send(message) for message in messages] and one.close())
        writer.start()
        data = b""
        while part := other.recv(1 << 20):
            data += part
        writer.join()
    return data


def as_bytes(messages):
    return [[bytes(frame) for frame in message] for message in messages]


def some_message(chance):
    sizes = [0, 1, 7, 100, 65_535, 65_536, 65_537, 200_000]
    return [chance.randbytes(chance.choice(sizes)) for _ in range(chance.randint(1, 6))]


def test_control_messages():
    message = {"type": "job", "n": -(2**63), "image": {"key": "ä"}, "data": b"\xff", "list": [1, None, 2.5]}
    assert unpack(pack(message)) == message
    assert unpack(memoryview(pack(message))) == message


def test_one_message(line):
    ours, theirs = line
    ours.send([b"control", b"", memoryview(b"payload")])
    assert as_bytes([theirs.receive()]) == [[b"control", b"", b"payload"]]


@pytest.mark.parametrize(
    "frames",
    [
        [b""],
        [b"", b"", b""],
        [b"x" * 1000] * 1000,
        [b"x" * 70_000, b"", b"y" * 70_000],
        [b"z" * 5_000_000],
        [bytearray(b"a" * 65_536), memoryview(b"b")],
    ],
    ids=["empty", "several-empty", "many", "empty-between-large", "huge", "kinds-of-buffer"],
)
def test_shapes_of_messages(line, frames):
    ours, theirs = line
    writer = threading.Thread(target=ours.send, args=(frames,))
    writer.start()
    received = theirs.receive()
    writer.join()
    assert [bytes(frame) for frame in received] == [bytes(frame) for frame in frames]


def test_any_split_of_the_line(raw_line, chance):
    channel, bare = raw_line
    messages = [some_message(chance) for _ in range(60)]
    data = on_the_line(*messages)

    def write():
        position = 0
        while position < len(data):
            size = chance.choice([1, 2, 3, 11, 12, 13, 4096, 65_535, 65_536, 65_537, 300_000])
            bare.sendall(data[position : position + size])
            position += size

    writer = threading.Thread(target=write)
    writer.start()
    received = [channel.receive() for _ in messages]
    writer.join()
    assert as_bytes(received) == messages
    assert channel.poll() == []


def test_byte_by_byte_with_poll(raw_line, chance):
    channel, bare = raw_line
    messages = [[b"control"], [b"", b"a", b""], [b""], [chance.randbytes(70)] * 3]
    received = []
    for byte in on_the_line(*messages):
        bare.send(bytes([byte]))
        received += channel.poll()
    assert as_bytes(received) == messages


def test_cut_at_every_point_of_a_large_frame_s_beginning(chance):
    """From 64 KiB on, a frame is received into its own memory: what stood in the buffer already must come first."""
    message = [b"c", chance.randbytes(65_536), b"", b"t"]
    data = on_the_line(message, [b"next"])
    for cut in [*range(1, 60), len(data) - 14, len(data) - 13, len(data) - 1]:
        end, bare = socket.socketpair()
        with end, bare:
            channel = Channel(end)
            bare.sendall(data[:cut])
            received = channel.poll()
            writer = threading.Thread(target=bare.sendall, args=(data[cut:],))
            writer.start()
            while len(received) < 2:
                received.append(channel.receive())
            writer.join()
            assert as_bytes(received) == [message, [b"next"]], cut


def test_poll_does_not_wait(line):
    ours, theirs = line
    assert theirs.poll() == []
    for i in range(5):
        ours.send([str(i).encode()])
    assert as_bytes(theirs.poll()) == [[b"0"], [b"1"], [b"2"], [b"3"], [b"4"]]
    assert theirs.poll() == []


def test_receive_after_poll_has_the_rest(raw_line):
    channel, bare = raw_line
    data = on_the_line([b"one"], [b"two"])
    bare.sendall(data[:-1])
    assert as_bytes(channel.poll()) == [[b"one"]]
    bare.sendall(data[-1:])
    assert as_bytes([channel.receive()]) == [[b"two"]]


def test_closed_line_is_told_after_the_last_message(line):
    ours, theirs = line
    ours.send([b"last"])
    ours.close()
    assert as_bytes(theirs.poll()) == [[b"last"]]
    with pytest.raises(ChannelClosed):
        theirs.poll()
    with pytest.raises(ChannelClosed):
        theirs.receive()
    with pytest.raises(ChannelClosed):
        theirs.send([b"anybody"])
    with pytest.raises(ChannelClosed):
        theirs.send_now([b"anybody"])


def test_line_closed_within_a_message(raw_line):
    channel, bare = raw_line
    bare.sendall(on_the_line([b"x" * 100_000])[:-1])
    bare.close()
    with pytest.raises(ChannelClosed):
        channel.receive()


@pytest.mark.parametrize("number", [0, 2**32 - 1])
def test_nonsense_on_the_line(raw_line, number):
    channel, bare = raw_line
    bare.sendall(number.to_bytes(4, "little") + bytes(64))
    with pytest.raises(ChannelClosed):
        channel.receive()


def test_send_now_on_a_full_line_says_so_and_does_not_wait(line):
    ours, _ = line
    assert ours.send_now([b"small"])
    outcomes = {ours.send_now([b"x" * 10_000]) for _ in range(2_000)}
    assert False in outcomes


def test_threads_that_send_at_once_do_not_mix(line):
    ours, theirs = line
    writers = [
        threading.Thread(target=lambda mark=mark: [ours.send([mark, mark * 30_000, mark * 70_000]) for _ in range(20)])
        for mark in (b"a", b"b", b"c")
    ]
    for writer in writers:
        writer.start()
    received = as_bytes([theirs.receive() for _ in range(60)])
    for writer in writers:
        writer.join()
    assert sorted(message[0] for message in received) == [b"a"] * 20 + [b"b"] * 20 + [b"c"] * 20
    assert all(message == [message[0], message[0] * 30_000, message[0] * 70_000] for message in received)


def watch(monkeypatch, moment):
    """Return the list that grows each time a channel awaits a message awake; `moment` is how long it would."""
    yields = []
    monkeypatch.setattr("maskbus.worker.channel._MOMENT", moment)
    monkeypatch.setattr("maskbus.worker.channel.os.sched_yield", lambda: yields.append(None))
    return yields


@pytest.mark.skipif(not _CAN_WATCH, reason="sockets of this system cannot be looked at without waiting")
def test_messages_that_come_one_after_the_other_are_awaited_awake(line, monkeypatch):
    ours, theirs = line
    yields = watch(monkeypatch, 30.0)
    theirs.send([b"first"])
    assert ours.receive() == [b"first"]
    assert not yields  # it was there
    threading.Timer(0.05, theirs.send, [[b"second"]]).start()
    assert ours.receive() == [b"second"]
    assert yields


@pytest.mark.skipif(not _CAN_WATCH, reason="sockets of this system cannot be looked at without waiting")
def test_nobody_stays_awake_for_messages_that_come_seldom(line, monkeypatch):
    ours, theirs = line
    yields = watch(monkeypatch, 0.0)
    for message in (b"first", b"second"):
        threading.Timer(0.02, theirs.send, [[message]]).start()
        assert ours.receive() == [message]
    assert not yields


@pytest.mark.skipif(not _CAN_WATCH, reason="sockets of this system cannot be looked at without waiting")
def test_who_stays_awake_notices_the_end(line, monkeypatch):
    ours, theirs = line
    watch(monkeypatch, 30.0)
    theirs.send([b"first"])
    ours.receive()
    threading.Timer(0.02, theirs.close).start()
    with pytest.raises(ChannelClosed):
        ours.receive()
