"""Post-processing and the limit of size, asked of a node with real workers."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from scipy import ndimage

from maskbus.contract import scene
from maskbus.contract.scene import disc
from maskbus_client import Client
from maskbus_wire import label_map, png, polygon, replies, rle
from maskbus_wire.prompts import MaskPrompt, Prompt
from maskbus_wire.requests import Everything, EverythingOptions, PostProcessing, TrackedObject
from support.nodes import live_node
from support.peer import raw, segment
from support.streaming import Camera, Watcher
from support.subscriber import Subscriber
from support.waiting import until

HEIGHT, WIDTH = 240, 360
PHOTO = cv2.resize(scene(), (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)
DISC = cv2.resize(disc().astype(np.uint8), (WIDTH, HEIGHT), interpolation=cv2.INTER_NEAREST).astype(np.bool_)
ENCODINGS = ["rle", "png", "polygon", "labels", "raw"]


@pytest.fixture(scope="module")
def running():
    with live_node(model={"echo": {"post": {"fill_holes": 5}}}) as made:
        yield made


@pytest.fixture
def peer(running):
    with running.peer() as made:
        yield made


def arrays(reply):
    assert isinstance(reply, replies.Masks), reply
    return [rle.decode(mask.rle.counts, *mask.rle.size) for mask in reply.masks]


def centre():
    """Return a click on the disc."""
    y, x = (int(at) for at in ndimage.center_of_mass(DISC))
    return Prompt(points=[(x, y)])


def spotted():
    """Return a mask with holes of 1 and 16 pixels and an island of 9, and it as a prompt."""
    mask = np.zeros((HEIGHT, WIDTH), np.bool_)
    mask[50:150, 60:200] = mask[200:203, 300:303] = True
    mask[80, 80] = mask[100:104, 100:104] = False
    return mask


def ask(peer, mask, **fields):
    """Have echo answer a mask as it would be processed."""
    prompt = Prompt(mask=MaskPrompt(encoding="raw", attachment=1))
    return peer.ask(
        segment(image=raw(PHOTO), prompt=prompt, **fields), PHOTO.tobytes(), (mask * np.uint8(255)).tobytes()
    )


def test_each_step_does_what_it_says(peer):
    mask = spotted()
    for post, change in (
        (PostProcessing(), 0),
        (PostProcessing(fill_holes=17), 17),
        (PostProcessing(fill_holes=16), 1),
        (PostProcessing(remove_islands=9), 0),
        (PostProcessing(remove_islands=10), -9),
        (PostProcessing(fill_holes=17, remove_islands=10), 8),
    ):
        reply = ask(peer, mask, post=post)
        (answered,) = arrays(reply)
        assert int(answered.sum()) - int(mask.sum()) == change, post
        assert reply.masks[0].area == answered.sum()
    smooth = arrays(ask(peer, mask, post=PostProcessing(smooth=3)))[0]
    assert not smooth[50, 60]
    assert np.array_equal(smooth[70:130, 70:190], mask[70:130, 70:190])


def test_a_request_that_says_nothing_gets_what_is_configured(peer):
    (answered,) = arrays(ask(peer, spotted()))
    assert answered[80, 80]
    assert not answered[101, 101]
    (untouched,) = arrays(ask(peer, spotted(), post=PostProcessing()))
    assert np.array_equal(untouched, spotted())


def test_small_masks_are_left_out_with_all_that_is_said_of_them(peer):
    boxes = Prompt(boxes=[(0, 0, 10, 10), (20, 20, 60, 60), (5, 5, 7, 7)])
    post = PostProcessing(min_area=100)
    request = segment(image=raw(PHOTO), prompt=boxes, post=post, encodings=["rle", "labels", "logits"])
    peer.send(request, PHOTO)
    reply, attachments = peer.receive()
    assert [mask.area for mask in reply.masks] == [100, 1600]
    labels = np.frombuffer(attachments[reply.labels.attachment], np.uint8).reshape(HEIGHT, WIDTH)
    assert np.array_equal(label_map.decode(labels, 2), arrays(reply))
    for mask, array in zip(reply.masks, arrays(reply), strict=True):
        logits = np.frombuffer(attachments[mask.logits.attachment], "<f4").reshape(mask.logits.shape)
        assert np.array_equal(logits > 0, array)
    none = peer.ask(segment(image=raw(PHOTO), prompt=boxes, post=PostProcessing(min_area=2000)), PHOTO)
    assert none.masks == []


@pytest.mark.parametrize("max_side", [0, 150])
def test_all_encodings_and_topics_show_the_same(running, peer, max_side):
    post = PostProcessing(fill_holes=30, remove_islands=30, smooth=2)
    fields = {"image": raw(PHOTO), "prompt": centre(), "max_side": max_side, "post": post}
    with Subscriber(running.context, running.topics) as subscriber:
        subscriber.subscribe_and_settle(peer, "processed")
        peer.send(segment("grabcut", **fields, encodings=ENCODINGS, publish="processed"), PHOTO)
        reply, attachments = peer.receive()
        _, published, _ = subscriber.receive()
    (shown,), (mask,) = arrays(reply), reply.masks
    assert np.array_equal(arrays(published), [shown])
    assert np.array_equal(png.decode_mask(attachments[mask.png.attachment], HEIGHT, WIDTH), shown)
    assert np.array_equal(np.frombuffer(attachments[mask.raw.attachment], np.uint8) > 0, shown.ravel())
    labels = np.frombuffer(attachments[reply.labels.attachment], np.uint8).reshape(HEIGHT, WIDTH)
    assert np.array_equal(labels == 1, shown)
    again = polygon.decode(mask.polygon, HEIGHT, WIDTH)
    assert (again & shown).sum() / (again | shown).sum() >= 0.99
    assert (shown & DISC).sum() / (shown | DISC).sum() > 0.9
    assert mask.area == shown.sum()


def test_each_size_has_an_embedding_of_its_own(peer):
    held = peer.ask(segment("grabcut", image=raw(PHOTO[::-1].copy()), prompt=centre()), PHOTO[::-1].copy())
    asked = {"image": raw(PHOTO[::-1].copy()), "prompt": centre(), "fresh": True}
    cached = [
        peer.ask(segment("grabcut", **asked, max_side=side), PHOTO[::-1].copy()).cached for side in (0, 180, 180, 360)
    ]
    assert (held.cached, cached) == (False, [True, False, True, True])


def test_everything_at_a_smaller_size(peer):
    settings = EverythingOptions(points_per_side=3, pred_iou_thresh=0.4, stability_score_thresh=0.02)
    request = Everything(
        image=raw(PHOTO), model="grabcut", settings=settings, max_side=180, post=PostProcessing(smooth=1.5, min_area=60)
    )
    reply = peer.ask(request, PHOTO)
    assert isinstance(reply, replies.FoundMasks), reply
    found = arrays(reply)
    assert found
    assert [mask.area for mask in reply.masks] == sorted((int(mask.sum()) for mask in found), reverse=True)
    assert reply.masks[-1].area >= 60
    assert max((mask & DISC).sum() / (mask | DISC).sum() for mask in found) > 0.9


def test_streams(running):
    small = TrackedObject(object_id=4, prompt=Prompt(boxes=[(1, 1, 3, 2)]))
    large = TrackedObject(object_id=7, prompt=Prompt(boxes=[(20, 20, 120, 90)]))
    with Camera(running.context, running.tcp) as camera, Watcher(running.context, running.topics) as watcher:
        opened = camera.open(
            model="echo", track=True, objects=[small, large], policy="every", post=PostProcessing(smooth=6)
        )
        watcher.subscribe(opened.topic)
        until(lambda: camera.info().watched, "Nobody watches.")
        camera.frame(PHOTO)
        tracked = watcher.until(camera.frame(PHOTO))
        assert [mask.object_id for mask in tracked.masks] == [4, 7]
        assert tracked.masks[0].area == 2
        assert 6800 < tracked.masks[1].area < 7000
        camera.close()
        opened = camera.open(
            model="echo", prompt=Prompt(boxes=[(0, 0, 2, 2), (0, 0, 180, 120)]), policy="every", max_side=180,
            post=PostProcessing(min_area=100),
        )  # fmt: skip
        camera.frame(PHOTO)
        result = watcher.until(camera.frame(PHOTO))
        assert [mask.area for mask in result.masks] == [180 * 120]
        camera.close()


def test_the_client_takes_a_dict(running):
    with Client(running.tcp) as client:
        asked = {"points": centre().points, "model": "grabcut", "max_side": 200}
        (mask,) = client.segment(PHOTO, **asked, post={"fill_holes": 100, "smooth": 2}, encoding=["rle", "polygon"])
        coarse = client.segment(
            PHOTO, **asked, post={"fill_holes": 100, "smooth": 2, "max_error": 4}, encoding=["rle", "polygon"]
        )
    shown = mask.to_array()
    assert (shown & DISC).sum() / (shown | DISC).sum() > 0.9
    assert np.array_equal(coarse[0].to_array(), shown)
    assert len(coarse[0].polygon[0]) < len(mask.polygon[0])
