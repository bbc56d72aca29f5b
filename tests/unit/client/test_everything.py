"""Everything mode, by both clients, against a fake node."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from maskbus_client import AsyncClient, Cancelled, Client, ImageExpired, Progress, ProtocolError, UnknownImage
from maskbus_client.core import Peer, Policy
from maskbus_client.errors import InvalidValue, TooLarge
from maskbus_client.operations import Operations
from maskbus_wire import replies
from support.leasing import FakeLeases


def run(main: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(asyncio.wait_for(main(), 20))


def telling(*done: int, answer: bool = True) -> Callable[[Any, Any], None]:
    """Return a script that tells progress, and then answers or not."""

    def script(node: Any, asked: Any) -> None:
        for points in done:
            node.tell(asked, points)
        if answer:
            node.answer(asked)

    return script


def test_everything_of_an_image(node: Any, picture: np.ndarray):
    with Client(node.endpoint) as client:
        result = client.everything(
            picture,
            preset="dense",
            model="m",
            encoding=["raw", "bits"],
            publish="t",
            keep=True,
            points_per_side=np.int64(8),
            pred_iou_thresh=np.float32(0.5),
            crop_n_layers=1,
            min_area=9,
            retry=False,
            stamp=5,
            seq=9,
            lane="batch",
            deadline=20,
        )
    assert np.array_equal(result[0].to_array(), np.arange(8) < np.full((6, 8), 4))
    assert (result[0].point, result[0].crop_box) == ((0.5, 1.0), (0, 0, 8, 6))
    assert (result.stamp, result.seq, result.notes) == (5, 9, [])
    assert result.overlay().shape == (6, 8, 3)
    asked = node.asked("everything")[0]
    assert asked.attachments == [picture.tobytes()]
    assert asked.plain["settings"] == {
        "points_per_side": 8,
        "pred_iou_thresh": 0.5,
        "crop_n_layers": 1,
        "min_area": 9,
        "retry": False,
    }
    wanted = {"preset": "dense", "model": "m", "encodings": ["raw", "bits"], "publish": "t", "keep": True}
    assert {name: asked.plain[name] for name in wanted} == wanted
    assert "progress" not in asked.plain
    assert "result" not in asked.plain
    assert asked.plain["lane"] == "batch"
    assert 19_000 < asked.plain["deadline_ms"] <= 20_000


@pytest.mark.parametrize(("named", "milliseconds"), [({}, 600_000), ({"deadline": 7.0}, 7_000)])
def test_its_deadline_is_the_clients_where_that_names_one(
    node: Any, picture: np.ndarray, named: dict[str, float], milliseconds: int
):
    with Client(node.endpoint, **named) as client:
        client.everything(picture)
        client.segment(picture)
    assert milliseconds - 2_000 < node.asked("everything")[0].plain["deadline_ms"] <= milliseconds
    assert node.asked("segment")[0].plain["deadline_ms"] <= 30_000


def test_what_was_done_otherwise_stands_in_the_notes(node: Any, picture: np.ndarray):
    def note(node: Any, asked: Any) -> None:
        node.send(
            asked,
            replies.FoundMasks(id=asked.id, model="m", width=8, height=6, masks=[], notes=["Points were left out."]),
        )

    node.scripts.append(note)
    with Client(node.endpoint) as client:
        assert client.everything(picture).notes == ["Points were left out."]


def test_progress_comes_in_the_callers_thread(node: Any, picture: np.ndarray):
    heard: list[Progress] = []
    threads: set[threading.Thread] = set()

    def listen(progress: Progress) -> None:
        heard.append(progress)
        threads.add(threading.current_thread())

    node.scripts.append(telling(2, 7))
    with Client(node.endpoint) as client:
        result = client.everything(picture, progress=listen)
    assert node.asked("everything")[0].plain["progress"] is True
    assert [(progress.done, progress.total, progress.found) for progress in heard] == [(2, 10, 2), (7, 10, 7)]
    assert np.array_equal(heard[0].masks[0].to_array(), result[0].to_array())
    assert heard[0].masks[0].overlay(alpha=0)[5, 7].tolist() == picture[5, 7].tolist()
    assert "7 of 10" in repr(heard[1])
    assert threads == {threading.current_thread()}


def test_progress_without_new_masks(node: Any, picture: np.ndarray):
    def script(node: Any, asked: Any) -> None:
        node.send(asked, replies.Progress(id=asked.id, done=1, total=2, found=0))
        node.answer(asked)

    heard: list[Progress] = []
    node.scripts.append(script)
    with Client(node.endpoint) as client:
        client.everything(picture, progress=heard.append)
    assert heard[0].masks == []


def test_progress_whose_masks_have_no_pixels(node: Any, picture: np.ndarray):
    def script(node: Any, asked: Any) -> None:
        mask = replies.Mask(bbox=(0, 0, 1, 1), area=1, predicted_iou=1.0, stability_score=1.0)
        node.send(asked, replies.Progress(id=asked.id, done=1, total=2, found=1, masks=[mask]))

    node.scripts.append(script)
    with Client(node.endpoint) as client, pytest.raises(ProtocolError, match="no rle"):
        client.everything(picture, progress=lambda progress: None)


def test_progress_nobody_asked_for_is_dropped(node: Any, picture: np.ndarray):
    node.scripts.extend([telling(1, 2), telling(3)])
    with Client(node.endpoint) as client:
        assert len(client.everything(picture)) == 1
        assert len(client.segment(picture)) == 1


def test_an_error_in_progress_cancels_the_request(node: Any, picture: np.ndarray):
    def listen(progress: Progress) -> None:
        raise LookupError("enough")

    node.scripts.append(telling(1, answer=False))
    with Client(node.endpoint) as client:
        with pytest.raises(LookupError, match="enough"):
            client.everything(picture, progress=listen, id="mine")
        assert [node.work.get(timeout=5).op for _ in range(2)] == ["everything", "cancel"]
        assert node.asked("cancel")[0].plain["target"] == "mine"
        assert len(client.segment(picture)) == 1


def test_an_error_in_progress_cancels_the_request_of_a_task(node: Any, picture: np.ndarray):
    def listen(progress: Progress) -> None:
        raise LookupError("enough")

    async def main() -> None:
        async with AsyncClient(node.endpoint) as client:
            with pytest.raises(LookupError, match="enough"):
                await client.everything(picture, progress=listen, id="mine")
            assert len(await client.segment(picture)) == 1

    node.scripts.append(telling(1, answer=False))
    run(main)
    assert node.asked("cancel")[0].plain["target"] == "mine"


def test_an_interrupt_after_a_probe_cancels_the_request(node: Any, acts: Any, picture: np.ndarray, monkeypatch: Any):
    """What was sent last is the probe then, and cancelling that would leave the node at work."""
    node.scripts.append(acts.silent)
    with Client(node.endpoint, deadline=1.0) as client:
        plain = client._wait

        def interrupt(link: Any, until: float) -> Any:
            if len(node.asked("ping")) >= 2:
                raise KeyboardInterrupt
            return plain(link, until)

        monkeypatch.setattr(client, "_wait", interrupt)
        with pytest.raises(KeyboardInterrupt):
            client.everything(picture, id="mine")
        monkeypatch.undo()
    assert [node.work.get(timeout=5).op for _ in range(2)] == ["everything", "cancel"]
    assert node.asked("cancel")[0].plain["target"] == "mine"


def test_a_cancelled_task_cancels_the_request_and_not_what_was_sent_before_it(
    node: Any, acts: Any, tmp_path: Any, monkeypatch: Any
):
    image = np.zeros((200, 300, 3), np.uint8)
    leases = FakeLeases(node, tmp_path)

    async def main() -> None:
        async with AsyncClient(node.endpoint, shared_memory=True) as client:
            task = asyncio.create_task(client.everything(image, id="mine"))
            await asyncio.get_running_loop().run_in_executor(None, node.work.get, True, 5)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            await asyncio.get_running_loop().run_in_executor(None, node.work.get, True, 5)

    node.scripts.append(acts.silent)
    try:
        run(main)
    finally:
        leases.close()
    assert node.asked("lease")
    assert node.asked("cancel")[0].plain["target"] == "mine"


def test_pixels_go_through_shared_memory_and_masks_are_sent(node: Any, tmp_path: Any):
    image = np.random.default_rng(3).integers(0, 256, (200, 300, 3), np.uint8)
    leases = FakeLeases(node, tmp_path)
    try:
        with Client(node.endpoint, shared_memory=True) as client:
            heard: list[Progress] = []
            node.scripts.append(lambda node, asked: (node.tell(asked, 1), node.answer(asked)))
            result = client.everything(image, encoding="raw", progress=heard.append)
            assert result[0].to_array().any()
            assert [progress.done for progress in heard] == [1]
            with client.shared_memory(slots=2, slot_bytes=image.nbytes) as memory, memory.copy(image) as lent:
                assert len(client.everything(lent)) == 1
    finally:
        leases.close()
    pooled, lent = node.asked("everything")
    for asked in (pooled, lent):
        assert asked.plain["image"]["slot"]["index"] == 0
        assert "result" not in asked.plain
        assert asked.attachments == []
    assert [data for _, data in leases.images] == [image.tobytes()] * 2


def test_cancel_from_another_thread(node: Any, acts: Any, picture: np.ndarray):
    waiting: list[Any] = []
    node.scripts.append(lambda node, asked: waiting.append(asked))
    with Client(node.endpoint) as client, ThreadPoolExecutor(1) as pool:
        future = pool.submit(client.everything, picture, id="mine")
        node.work.get(timeout=5)
        assert client.cancel("mine") == 1
        node.do(lambda: acts.error("cancelled")(node, waiting[0]))
        with pytest.raises(Cancelled):
            future.result(timeout=5)


def test_a_kept_image_that_expired_is_sent_again(node: Any, acts: Any, picture: np.ndarray):
    with Client(node.endpoint) as client, client.image(picture) as image:
        before = image.image_id
        node.scripts.append(acts.error("image_expired", path="image.image_id"))
        heard: list[Progress] = []
        node.scripts.append(lambda node, asked: node.answer(asked))  # the embed
        node.scripts.append(telling(4))
        assert len(image.everything(progress=heard.append)) == 1
        assert [progress.done for progress in heard] == [4]
        assert image.image_id != before
        node.scripts.append(acts.error("image_expired", path="image.image_id"))
        assert len(image.segment(points=(1, 2))) == 1
    assert len(node.asked("embed")) == 3
    assert [asked.plain["image"] for asked in node.asked("everything")][1] != {"image_id": before}


def test_a_kept_image_that_expired_is_sent_again_by_a_task(node: Any, acts: Any, picture: np.ndarray):
    async def main() -> None:
        async with AsyncClient(node.endpoint) as client, await client.image(picture) as image:
            node.scripts.append(acts.error("image_expired"))
            assert len(await image.everything()) == 1

    run(main)
    assert len(node.asked("embed")) == 2


def test_releasing_what_has_expired(node: Any, picture: np.ndarray, monkeypatch: Any):
    plain = node.answer

    def answer(asked: Any) -> None:
        if asked.op == "release":
            node.send(asked, replies.Error(id=asked.id, code="image_expired", message="Gone."))
        else:
            plain(asked)

    monkeypatch.setattr(node, "answer", answer)
    with Client(node.endpoint) as client:
        client.image(picture).release()
    assert len(node.asked("release")) == 1


def test_an_expired_image_is_an_unknown_one():
    assert issubclass(ImageExpired, UnknownImage)
    assert ImageExpired("Gone.").code == "image_expired"


@pytest.mark.parametrize(
    ("wrong", "path"),
    [
        ({"preset": "slow"}, "preset"),
        ({"points_per_side": 0}, "settings.points_per_side"),
        ({"pred_iou_thresh": float("nan")}, "settings.pred_iou_thresh"),
        ({"crop_overlap_ratio": 1.0}, "settings.crop_overlap_ratio"),
        ({"encoding": "logits"}, "encodings[0]"),
        ({"publish": "a:b"}, "publish"),
    ],
)
def test_what_cannot_be_right_is_not_sent(node: Any, picture: np.ndarray, wrong: dict[str, Any], path: str):
    with Client(node.endpoint) as client:
        with pytest.raises(ValueError, match=r"\w") as caught:
            client.everything(picture, **wrong)
        assert caught.value.path == path
        assert not node.asked("everything")
        with pytest.raises(TooLarge):
            client.everything(picture, points_per_side=256, crop_n_layers=2)
        with pytest.raises(InvalidValue):
            client.everything(picture, stability_score_offset=0)
    assert not node.asked("everything")


@pytest.mark.parametrize(
    "wrong",
    [
        {"points_per_side": 8.0},
        {"pred_iou_thresh": "0.5"},
        {"preset": 5},
        {"progress": "yes"},
    ],
)
def test_what_has_the_wrong_type_is_not_sent(node: Any, picture: np.ndarray, wrong: dict[str, Any]):
    with Client(node.endpoint) as client, pytest.raises(TypeError):
        client.everything(picture, **wrong)
    assert not node.asked("everything")


def test_progress_that_would_never_be_awaited_is_refused(node: Any, picture: np.ndarray):
    async def listen(progress: Progress) -> None: ...

    with Client(node.endpoint) as client, pytest.raises(TypeError, match="plain function"):
        client.everything(picture, progress=listen)  # type: ignore[arg-type]


def test_a_child_tells_no_progress(picture: np.ndarray):
    operations = Operations(Peer("the child", Policy(), tells_progress=False))
    with pytest.raises(ValueError, match="child tells no progress"):
        operations.everything(picture, progress=lambda progress: None).send(None)
    operations.everything(picture).send(None)
