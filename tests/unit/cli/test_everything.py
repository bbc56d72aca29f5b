"""`maskbus everything`, with a client that finds what it is told to."""

from __future__ import annotations

import contextlib
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import msgspec
import numpy as np
import pytest
from PIL import Image
from pycocotools.coco import COCO

from maskbus.cli import connection, main, own_node, some_node
from maskbus_client.errors import InvalidImage, MaskbusError
from maskbus_client.progress import Progress
from maskbus_client.results import Result
from maskbus_wire import geometry, replies, rle


class FakeClient:
    """Finds a large square and a small one in it, wherever it looks."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []
        self.notes: list[str] = []
        self.tried: list[replies.Attempt] = []
        self.error: MaskbusError | None = None

    def everything(self, image: Any, *, progress: Any, **wanted: Any) -> Result:
        if self.error is not None and len(self.asked) == 1:
            raise self.error
        self.asked.append({"image": image, **wanted})
        pixels = np.asarray(Image.open(io.BytesIO(image))) if isinstance(image, bytes) else image
        height, width = pixels.shape[:2]
        masks = np.zeros((2, height, width), bool)
        masks[0, 2 : height - 2, 3 : width - 3] = True
        masks[1, 10:15, 10:20] = True
        progress(Progress(replies.Progress(id="1", done=4, total=16, found=1)))
        return Result(msgspec.structs.replace(_reply(masks, self.notes), tried=self.tried), ())


def _reply(masks: np.ndarray, notes: list[str]) -> replies.FoundMasks:
    found = [
        replies.Mask(
            bbox=geometry.bbox(mask),
            area=int(mask.sum()),
            predicted_iou=0.9,
            stability_score=0.8,
            point=(4.5, 5.5),
            crop_box=(0, 0, mask.shape[1], mask.shape[0]),
            rle=replies.Rle(size=mask.shape, counts=rle.encode(mask)),
        )
        for mask in masks
    ]
    _, height, width = masks.shape
    return replies.FoundMasks(
        id="1", model="fake", width=width, height=height, masks=found, notes=notes, encodings=["rle"]
    )


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> FakeClient:
    fake = FakeClient()

    @contextlib.contextmanager
    def found(endpoint: str | None, model: str) -> Iterator[tuple[FakeClient, str, bool]]:
        yield fake, "tcp://127.0.0.1:1", False

    monkeypatch.setattr(some_node, "client", found)
    monkeypatch.chdir(tmp_path)
    return fake


def photo(path: str, height: int = 40, width: int = 60) -> Path:
    Image.fromarray(np.full((height, width, 3), (200, 100, 50), np.uint8)).save(path)
    return Path(path)


def video(path: str, frames: int = 10) -> Path:
    writer = cv2.VideoWriter(path, cv2.VideoWriter.fourcc(*"mp4v"), 10.0, (64, 48))
    for i in range(frames):
        writer.write(np.full((48, 64, 3), 20 * i, np.uint8))
    writer.release()
    return Path(path)


def frames_of(path: Path) -> list[np.ndarray]:
    capture = cv2.VideoCapture(str(path))
    found = []
    while True:
        whole, pixels = capture.read()
        if not whole:
            return found
        found.append(pixels)


def test_a_photo(client: FakeClient, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["everything", str(photo("cat.png"))]) == 0
    output = capsys.readouterr()
    assert output.out.splitlines() == ["Found 2 masks by fake.", "written: cat-everything.png"]
    assert output.err == ""
    (asked,) = client.asked
    assert asked.pop("image") == Path("cat.png").read_bytes()
    assert asked == {"color": "bgr", "preset": "default", "model": "", "encoding": "rle", "deadline": None}
    painted = np.asarray(Image.open("cat-everything.png"))
    assert painted.shape == (40, 60, 3)
    assert painted[0, 0].tolist() == [200, 100, 50]
    # The small one on top of the large one, in a colour of its own.
    assert len({tuple(painted[y, x]) for y, x in ((0, 0), (30, 30), (12, 12))}) == 3


def test_colours_are_a_share_and_the_same_for_a_seed(client: FakeClient) -> None:
    photo("cat.png")
    pictures = {}
    for name, flags in {"a": [], "b": [], "seed": ["--seed", "5"], "none": ["--alpha", "0"]}.items():
        assert main(["everything", "cat.png", "-o", f"{name}.png", *flags]) == 0
        pictures[name] = np.asarray(Image.open(f"{name}.png"))
    assert np.array_equal(pictures["a"], pictures["b"])
    assert (pictures["a"][30, 30] != pictures["seed"][30, 30]).any()
    assert pictures["none"][30, 30].tolist() == [200, 100, 50]


def test_settings_go_out_as_given(client: FakeClient) -> None:
    photo("cat.png")
    flags = "--preset dense --model sam --points-per-side 5 --pred-iou-thresh 0.5 --no-retry --max-masks 7 --deadline 9"
    assert main(["everything", "cat.png", *flags.split()]) == 0
    (asked,) = client.asked
    del asked["image"], asked["color"], asked["encoding"]
    assert asked == {
        "preset": "dense",
        "model": "sam",
        "points_per_side": 5,
        "pred_iou_thresh": 0.5,
        "retry": False,
        "max_masks": 7,
        "deadline": 9.0,
    }


def test_how_the_answer_is_made_goes_out_and_who_has_not_made_it_is_said(
    client: FakeClient, capsys: pytest.CaptureFixture[str]
) -> None:
    photo("cat.png")
    client.tried = [replies.Attempt(model="fastsam", code="model_unavailable", message="Its weights are missing.")]
    flags = "--route fastsam,grabcut --min-iou 0.5 --fresh --max-side 640 --post fill_holes=9 --min-area 5"
    assert main(["everything", "cat.png", *flags.split()]) == 0
    (asked,) = client.asked
    assert asked["route"] == {"models": ["fastsam", "grabcut"], "min_predicted_iou": 0.5}
    assert (asked["fresh"], asked["max_side"], asked["post"], asked["min_area"]) == (True, 640, {"fill_holes": 9}, 5)
    assert capsys.readouterr().err == "maskbus: cat.png: not by fastsam: Its weights are missing.\n"


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # pycocotools and NumPy 2
def test_a_coco_data_set_that_pycocotools_reads(client: FakeClient, capsys: pytest.CaptureFixture[str]) -> None:
    photo("cat.png")
    assert main(["everything", "cat.png", "--json", "out.json"]) == 0
    assert capsys.readouterr().out.splitlines() == ["Found 2 masks by fake.", "written: out.json"]
    assert sorted(path.name for path in Path().iterdir()) == ["cat.png", "out.json"]
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO("out.json")
    assert coco.loadImgs(coco.getImgIds()) == [{"id": 1, "file_name": "cat.png", "width": 60, "height": 40}]
    large, small = coco.loadAnns(coco.getAnnIds(imgIds=[1], catIds=coco.getCatIds()))
    assert coco.annToMask(large).sum() == large["area"] == 36 * 54
    assert np.argwhere(coco.annToMask(small))[0].tolist() == [10, 10]
    assert small["bbox"] == [10, 10, 10, 5]
    assert (small["predicted_iou"], small["stability_score"]) == (0.9, 0.8)
    assert (small["point_coords"], small["crop_box"]) == ([[4.5, 5.5]], [0, 0, 60, 40])


def test_json_on_stdout_is_nothing_else(client: FakeClient, capsys: pytest.CaptureFixture[str]) -> None:
    photo("cat.png")
    assert main(["everything", "cat.png", "--json", "-", "-o", "out.png"]) == 0
    output = capsys.readouterr()
    assert len(json.loads(output.out)["annotations"]) == 2
    assert "Found 2 masks by fake." in output.err


def test_what_the_node_did_otherwise_is_said(client: FakeClient, capsys: pytest.CaptureFixture[str]) -> None:
    client.notes = ["Memory was short: points were decoded 1 at a time instead of 4."]
    main(["everything", str(photo("cat.png"))])
    assert capsys.readouterr().err == f"maskbus: cat.png: {client.notes[0]}\n"


def test_a_folder(client: FakeClient, capsys: pytest.CaptureFixture[str]) -> None:
    Path("in").mkdir()
    for name in ("b.jpg", "a.png", "a.webp"):
        photo(f"in/{name}")
    Path("in/notes.txt").write_text("no picture")
    assert main(["everything", "in", "-o", "out", "--json", "out.json"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "a.png: 2 masks",
        "a.webp: 2 masks",
        "b.jpg: 2 masks",
        "Found 6 masks in 3 pictures by fake.",
        "written: out",
        "written: out.json",
    ]
    assert sorted(path.name for path in Path("out").iterdir()) == ["a.png", "a.webp.png", "b.jpg.png"]
    plain = json.loads(Path("out.json").read_text())
    assert [image["file_name"] for image in plain["images"]] == ["a.png", "a.webp", "b.jpg"]
    assert [one["image_id"] for one in plain["annotations"]] == [1, 1, 2, 2, 3, 3]


def test_what_was_found_before_an_error_is_kept(client: FakeClient, capsys: pytest.CaptureFixture[str]) -> None:
    Path("in").mkdir()
    photo("in/a.png")
    photo("in/b.png")
    client.error = InvalidImage("The image cannot be decoded.", code="invalid_image")
    assert main(["everything", "in", "-o", "out", "--json", "out.json"]) == 1
    assert "maskbus: b.png: The image cannot be decoded." in capsys.readouterr().err
    assert len(json.loads(Path("out.json").read_text())["images"]) == 1
    assert Path("out/a.png").exists()


def test_a_video_to_a_video(client: FakeClient, capsys: pytest.CaptureFixture[str]) -> None:
    video("in.mp4")
    assert main(["everything", "in.mp4", "--frames", "2,8", "--every", "3"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[:3] == [f"frame-{number:06}: 2 masks" for number in (2, 5, 8)]
    assert lines[3:] == ["Found 6 masks in 3 pictures by fake.", "written: in-everything.mp4"]
    assert [round(float(asked["image"].mean()) / 20) for asked in client.asked] == [2, 5, 8]
    assert client.asked[0]["color"] == "bgr"
    written = frames_of(Path("in-everything.mp4"))
    assert [frame.shape for frame in written] == [(48, 64, 3)] * 3
    # As many frames a second as were looked at.
    assert cv2.VideoCapture("in-everything.mp4").get(cv2.CAP_PROP_FPS) == pytest.approx(10 / 3, abs=0.1)


def test_a_video_to_pictures(client: FakeClient) -> None:
    video("in.mp4")
    assert main(["everything", "in.mp4", "--every", "5", "-o", "frames"]) == 0
    assert sorted(path.name for path in Path("frames").iterdir()) == ["frame-000000.png", "frame-000005.png"]


def test_progress_without_a_terminal_is_a_line_now_and_then(
    client: FakeClient, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from maskbus.cli import everything_progress

    monkeypatch.setattr(everything_progress, "_PLAIN_EVERY_S", 0.0)
    main(["everything", str(photo("cat.png"))])
    assert capsys.readouterr().err == "cat.png: 4 of 16 points, 1 masks found\n"


def test_progress_on_a_terminal_is_a_bar(client: FakeClient, monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    terminal, pipe = Terminal(), io.StringIO()
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setattr("sys.stderr", terminal)
    monkeypatch.setattr("sys.stdout", pipe)
    assert main(["everything", str(photo("cat.png"))]) == 0
    assert "4/16 points, 1 masks found" in terminal.getvalue()
    assert pipe.getvalue().startswith("Found 2 masks by fake.")


@pytest.fixture
def nobody(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def unwanted(*arguments: object, **named: object) -> None:
        raise AssertionError("a node was looked for")

    monkeypatch.setattr(connection, "look", unwanted)
    monkeypatch.setattr(own_node, "running", unwanted)
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["none.png"], "none.png: No such file"),
        (["text.txt"], "text.txt is neither a JPEG, PNG or WebP picture nor a video that OpenCV can read."),
        (["text.png"], "text.png is not a JPEG, PNG or WebP picture."),
        (["empty"], "There is no JPEG, PNG or WebP file in empty."),
        (["cat.png", "-o", "out.jpg"], "--out writes a PNG file"),
        (["cat.png", "-o", "cat.png"], "would overwrite"),
        (["cat.png", "-o", "none/out.png"], "there is no directory none"),
        (["cat.png", "--json", "none/out.json"], "there is no directory none"),
        (["cat.png", "--json", "empty"], "or it is one itself"),
        (["cat.png", "--json", "cat.png"], "would overwrite"),
        (["cat.png", "--every", "2"], "--frames and --every are for videos, and cat.png is none."),
        (["full", "-o", "cat.png"], "--out cat.png is a file: several pictures go to a directory."),
        (["full", "-o", "full"], "would overwrite"),
        (["in.mp4", "-o", "out.avi"], "--out writes an .mp4 file, or a directory"),
        (["in.mp4", "-o", "in.mp4"], "would overwrite"),
        (["in.mp4", "--frames", "9,12"], "in.mp4 has 3 frames: --frames begins beyond its end."),
    ],
)
def test_what_cannot_be_is_said_before_a_node_is_needed(
    nobody: None, arguments: list[str], words: str, capfd: pytest.CaptureFixture[str]
) -> None:
    photo("cat.png")
    video("in.mp4", 3)
    for name in ("text.txt", "text.png"):
        Path(name).write_text("no picture")
    Path("empty").mkdir()
    Path("full").mkdir()
    photo("full/a.png")
    capfd.readouterr()
    assert main(["everything", *arguments]) == 1
    output = capfd.readouterr()
    assert output.out == ""
    assert words in output.err
    assert output.err.startswith("maskbus: ")
    assert output.err.count("\n") == 1


@pytest.mark.parametrize(
    "flags",
    ["--points-per-side 0", "--points-per-side 257", "--points-per-side 3.5", "--pred-iou-thresh nan", "--min-area -1",
     "--crop-n-layers 5", "--preset best", "--alpha 1.5", "--seed -1", "--frames 5", "--frames 9,3", "--every 0"],
)  # fmt: skip
def test_wrong_values_are_exit_code_2(nobody: None, flags: str, capsys: pytest.CaptureFixture[str]) -> None:
    name, value = flags.split()
    with pytest.raises(SystemExit) as ended:
        main(["everything", "cat.png", f"{name}={value}"])
    assert ended.value.code == 2
    assert name in capsys.readouterr().err


def test_every_setting_has_a_flag_with_words(capsys: pytest.CaptureFixture[str]) -> None:
    from maskbus_wire.requests import EverythingOptions

    with pytest.raises(SystemExit):
        main(["everything", "--help"])
    words = " ".join(capsys.readouterr().out.split())
    for name in EverythingOptions.__struct_fields__:
        assert f"--{name.replace('_', '-')}" in words
    assert "Holes in a mask, and islands beside it" in words
