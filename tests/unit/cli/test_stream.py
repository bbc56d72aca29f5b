"""What `maskbus stream` finds out before it bothers a node, and what it makes of answers."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from pycocotools.coco import COCO

from maskbus.adapters.sources.source import Captured
from maskbus.cli import connection, main, own_node, parser, stream_counts, stream_names, stream_overlay, stream_prompt
from maskbus.cli.failure import CommandFailed
from maskbus.cli.stream_dataset import StreamDataset
from maskbus.cli.stream_targets import bgr
from maskbus.cli.stream_video import StreamVideo
from maskbus_client.results import Result
from maskbus_wire import replies, rle
from maskbus_wire.replies import StreamCounts


def masks(*arrays: np.ndarray, ids: tuple[int, ...] = (), present: bool = True) -> Result:
    """Return a result that holds these masks, bool (H, W)."""
    found = []
    for i, array in enumerate(arrays):
        rows, columns = np.nonzero(array)
        box = (0, 0, 0, 0)
        if len(rows):
            x, y = int(columns.min()), int(rows.min())
            box = (x, y, int(columns.max()) - x + 1, int(rows.max()) - y + 1)
        found.append(
            replies.Mask(
                bbox=box,
                area=int(array.sum()),
                predicted_iou=0.5,
                stability_score=0.5,
                rle=replies.Rle(size=array.shape, counts=rle.encode(array)),
                object_id=ids[i] if ids else None,
                present=present if ids else None,
            )
        )
    height, width = arrays[0].shape
    reply = replies.Masks(
        model="echo", masks=found, width=width, height=height, encodings=["rle"], timings=replies.Timings(), stamp=5
    )
    return Result(reply, [])


def square(at: int, side: int = 20) -> np.ndarray:
    mask = np.zeros((60, 80), np.bool_)
    mask[at : at + side, at : at + side] = True
    return mask


def arguments(**given: Any) -> argparse.Namespace:
    """Return what the command line makes of no flags at all, and of these."""
    plain = vars(parser.build().parse_args(["stream", "clip.mp4"]))
    return argparse.Namespace(**{**plain, **given})


def test_prompts() -> None:
    one, two = (1.0, 2.0, 3.0, 4.0), (5.0, 6.0, 7.0, 8.0)
    points = [(1.0, 2.0, 1), (3.0, 4.0, 0)]
    shown = {"points": [(1.0, 2.0), (3.0, 4.0)], "labels": [1, 0]}
    assert stream_prompt.prompt(arguments()) == {}
    assert stream_prompt.prompt(arguments(points=points)) == shown
    assert stream_prompt.prompt(arguments(boxes=[one, two])) == {"boxes": [one, two]}
    assert stream_prompt.prompt(arguments(texts=["a cup"])) == {"text": ["a cup"]}
    asked = arguments(texts=["a cup"], negative_texts=["a saucer"], top=2, max_side=640, post={"smooth": 2.0})
    assert stream_prompt.prompt(asked) == {
        "text": ["a cup"],
        "negative_text": ["a saucer"],
        "text_options": {"select": "top", "top": 2},
        "max_side": 640,
        "post": {"smooth": 2.0},
    }
    tracked = stream_prompt.prompt(arguments(points=points, boxes=[one], track=True))
    assert tracked == {"track": True, "objects": {1: {**shown, "box": one}}}
    tracked = stream_prompt.prompt(arguments(boxes=[one, two], track=True))
    assert tracked == {"track": True, "objects": {1: {"box": one}, 2: {"box": two}}}


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"points": [(1, 2, 1)], "boxes": [(1, 2, 3, 4)] * 2}, "one box at most"),
        ({"track": True}, "--track needs"),
        ({"track": True, "points": [(1, 2, 1)], "texts": ["a cup"]}, "not by --text"),
        ({"track": True, "points": [(1, 2, 1)], "max_side": 640}, "--max-side does not go with --track"),
        ({"track": True, "points": [(1, 2, 1)], "post": {"min_area": 5}}, "min_area does not go with --track"),
        ({"points": [(1, 2, 1)], "threshold": 0.5}, "--threshold goes with --text"),
        ({"negative_texts": ["a cup"]}, "--not goes with --text"),
    ],
)
def test_prompts_that_do_not_go_together(given: dict[str, Any], words: str) -> None:
    with pytest.raises(CommandFailed, match=words):
        stream_prompt.prompt(arguments(**given))


def test_which_frames_are_looked_at() -> None:
    def policy(**given: Any) -> str:
        return str(stream_prompt.flow(arguments(**given), default="every")["policy"])

    assert policy() == "every"
    assert policy(policy="newest") == "newest"
    assert policy(max_fps=3.0) == "sample"
    with pytest.raises(CommandFailed, match="needs --max-fps"):
        policy(policy="sample")
    with pytest.raises(CommandFailed, match="not with --policy every"):
        policy(policy="every", max_fps=3.0)


def test_names_of_streams() -> None:
    assert stream_names.name_of(None, "my clip: 1/2", "", ()) == "my-clip-1-2"
    assert stream_names.name_of("front", "clip", "", ()) == "front"
    assert stream_names.name_of("lab", "imagezmq", "pi 1", ()) == "lab-pi-1"
    assert stream_names.name_of(None, "imagezmq", "pi 1", {"pi-1", "pi-1-2"}) == "pi-1-3"
    assert stream_names.name_of(None, "imagezmq", "//", ()) == "stream"
    assert len(stream_names.name_of(None, "x", "y" * 1000, ())) <= 100
    with pytest.raises(CommandFailed, match="no white space"):
        stream_names.check("my clip")


def test_counts_of_a_stream_that_was_opened_again_add_up() -> None:
    total = stream_counts.CountSum()
    total.see(StreamCounts(received=5, answered=3, dropped={"newer": 1}))
    total.see(StreamCounts(received=9, answered=6, dropped={"newer": 2}))
    total.see(StreamCounts(received=1, answered=0, dropped={}))
    total.see(StreamCounts(received=4, answered=2, dropped={"stale": 1, "newer": 1}))
    assert total.answered == 8
    assert total.dropped == {"newer": 3, "stale": 1}
    line = stream_counts.line("front", 13, 8, total.dropped)
    assert line == "front: 13 frames, 8 masks, 4 dropped (newer: 3, stale: 1)"
    assert stream_counts.line("front", 2, 2, {}) == "front: 2 frames, 2 masks, 0 dropped"


def test_a_result_that_comes_after_the_end_is_no_new_beginning() -> None:
    total = stream_counts.CountSum()
    total.see(StreamCounts(received=5, answered=3, dropped={"newer": 1}))
    total.finish(StreamCounts(received=9, answered=6, dropped={"newer": 3}))
    total.see(StreamCounts(received=7, answered=5, dropped={"newer": 2}))
    assert total.answered == 6
    assert total.dropped == {"newer": 3}


def test_an_object_keeps_its_colour_and_what_is_lost_has_none() -> None:
    frame = np.full((60, 80, 3), 90, np.uint8)
    before = frame.copy()
    both = stream_overlay.painted(frame, masks(square(2), square(35), ids=(1, 2)))
    alone = stream_overlay.painted(frame, masks(square(35), ids=(2,)))
    assert np.array_equal(both[35:55, 35:55], alone[35:55, 35:55])
    assert not np.array_equal(both[2:22, 2:22], alone[2:22, 2:22])
    assert np.array_equal(alone[2:22, 2:22], before[2:22, 2:22])
    empty = masks(np.zeros((60, 80), np.bool_), ids=(2,), present=False)
    assert np.array_equal(stream_overlay.painted(frame, empty), before)
    assert np.array_equal(frame, before)
    # The first colour is a red, and these are BGR.
    first = stream_overlay.painted(frame, masks(square(2), ids=(1,)))[12, 12]
    assert first[2] > first[0] > first[1]


@pytest.mark.parametrize("size", [(80, 60), (81, 61)])
def test_a_video_holds_each_frame_at_its_time(tmp_path: Path, size: tuple[int, int]) -> None:
    width, height = size
    video = StreamVideo(tmp_path / "out.mp4", 10.0)
    for seconds, value in ((3.0, 40), (3.1, 80), (3.12, 85), (3.4, 120), (60.0, 160)):
        video.write(np.full((height, width, 3), value, np.uint8), seconds)
    video.write(np.full((30, 40, 3), 200, np.uint8), 60.1)
    video.close()
    video.close()
    assert video.frames == 5
    read = cv2.VideoCapture(str(video.path))
    assert read.get(cv2.CAP_PROP_FPS) == 10
    values = []
    while (frame := read.read()[1]) is not None:
        assert frame.shape == (60, 80, 3)  # MPEG-4 has no odd sides
        values.append(round(float(frame.mean()) / 40))
    read.release()
    # Between 3.1 s and 3.4 s the older one stays; a pause of a minute is cut to two seconds.
    assert values == [1, 2, 2, 2, 3, *[3] * 20, 4, 5]


def test_a_data_set_is_what_pycocotools_reads(tmp_path: Path) -> None:
    path = tmp_path / "masks.json"
    dataset = StreamDataset(path, "Masks of a “clip”")
    dataset.add("front", 0, "", 17, masks(square(2), square(35), ids=(7, 9)))
    dataset.add("front", 3, "a.jpg", None, masks(np.zeros((60, 80), np.bool_), ids=(7,), present=False))
    assert not path.exists(), "a data set that is not whole yet looks as if it were"
    dataset.close()
    dataset.close()
    plain = json.loads(path.read_text(encoding="utf-8"))
    assert [image["frame"] for image in plain["images"]] == [0, 3]
    assert plain["images"][0]["stamp"] == 17
    assert plain["images"][1]["file_name"] == "a.jpg"
    assert [(one["track_id"], one["present"]) for one in plain["annotations"]] == [(7, True), (9, True), (7, False)]
    assert plain["annotations"][0]["bbox"] == [2, 2, 20, 20]
    coco = COCO(str(path))
    assert coco.getAnnIds(imgIds=[1]) == [1, 2]
    held = coco.anns[2]["segmentation"]
    assert np.array_equal(rle.decode(held["counts"], *held["size"]), square(35))
    assert list(tmp_path.iterdir()) == [path]


def test_a_data_set_of_nothing_leaves_what_was_there(tmp_path: Path) -> None:
    (tmp_path / "masks.json").write_text("of another run")
    StreamDataset(tmp_path / "masks.json", "nothing").close()
    assert [file.read_text() for file in tmp_path.iterdir()] == ["of another run"]


def test_pixels_of_all_kinds_of_frames_become_bgr() -> None:
    red = np.zeros((6, 8, 3), np.uint8)
    red[:] = (0, 0, 200)
    png = cv2.imencode(".png", red)[1].tobytes()
    alpha = np.dstack([red, np.full((6, 8), 9, np.uint8)])
    for frame in (Captured(red), Captured(red[:, :, ::-1], "rgb"), Captured(png), Captured(alpha)):
        assert np.array_equal(bgr(frame), red)
    grey = np.full((6, 8), 7, np.uint8)
    for image in (grey, grey[:, :, None]):
        assert np.array_equal(bgr(Captured(image)), np.full((6, 8, 3), 7))


@pytest.fixture
def clip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    def unwanted(*_: object, **__: object) -> None:
        raise AssertionError("a node was looked for")

    monkeypatch.setattr(connection, "look", unwanted)
    monkeypatch.setattr(own_node, "running", unwanted)
    monkeypatch.chdir(tmp_path)
    assert cv2.imwrite("a.png", np.zeros((6, 8, 3), np.uint8))
    Path("pictures").mkdir()
    Path("a.png").rename("pictures/a.png")
    return Path("pictures")


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (["none.mp4"], "none.mp4: No such file"),
        (["pictures/a.png/x"], "Not a directory"),
        (["camera:x"], "A camera is camera:0"),
        (["pictures", "--track"], "--track needs"),
        (["pictures", "-o", "out.png"], "--out writes an .mp4 file"),
        (["pictures", "-o", "none/out.mp4"], "there is no directory none"),
        (["pictures", "--json", "pictures"], "or it is one itself"),
        (["pictures", "--json", "-"], "--json writes a file"),
        (["pictures", "--name", "a/b"], "no white space"),
        (["pictures", "--policy", "sample"], "needs --max-fps"),
        (["imagezmq://robot"], "imagezmq://HOST:PORT"),
    ],
)
def test_what_cannot_be_is_said_before_a_node_is_needed(
    clip: Path, given: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["stream", *given]) == 1
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err.startswith("maskbus: ")
    assert words in output.err
    assert output.err.count("\n") == 1
    assert [path.name for path in Path().iterdir()] == ["pictures"]
