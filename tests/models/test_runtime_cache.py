import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytest.importorskip("onnxruntime")
pytest.importorskip("onnxscript")

import torch

from maskbus.models.runtime import RuntimeSettings, export, network, prepare
from support.networks import PICTURE, Picture, image

TESTS = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def export_once(tmp_path_factory):
    """Export for real one time, and give the same files afterwards."""
    made = {}

    def copy(module, examples, directory, *others):
        if not made:
            source = made["directory"] = tmp_path_factory.mktemp("export")
            REAL_EXPORT(module, examples, source, *others)
        for file in made["directory"].iterdir():
            (directory / file.name).write_bytes(file.read_bytes())

    return copy


REAL_EXPORT = export.export


class Rig:
    def __init__(self, cache_dir):
        self.settings = RuntimeSettings("onnxruntime", threads=1, cache_dir=cache_dir)
        self.exports = 0
        self.said = []

    def prepare(self, **changed):
        stage = prepare(
            Picture().eval(), [image()], settings=self.settings, report=self.said.append, **{**PICTURE, **changed}
        )
        with torch.no_grad():
            torch.testing.assert_close(stage([image()])[0], Picture().eval()(image())[0], rtol=0, atol=1e-5)
        return stage

    def folders(self, name="picture"):
        return [path for path in self.settings.cache_dir.glob(f"{name}-*") if path.is_dir()]


@pytest.fixture
def rig(monkeypatch, tmp_path, export_once):
    made = Rig(tmp_path / "exports")

    def counted(*arguments):
        made.exports += 1
        export_once(*arguments)

    monkeypatch.setattr(export, "export", counted)
    return made


def test_an_export_is_made_once(rig):
    first = rig.prepare()
    assert first.seconds > 0
    assert "Exporting picture (once) …" in rig.said
    rig.said.clear()
    second = rig.prepare()
    assert rig.exports == 1
    assert rig.said == [], "nor is anything measured again"
    assert second.seconds == first.seconds


def test_the_cache_is_the_user_s_alone(rig):
    rig.prepare()
    assert rig.settings.cache_dir.stat().st_mode & 0o077 == 0


def damage(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize("file", ["model.onnx", "model.onnx.data"])
def test_a_file_in_which_a_bit_has_turned_is_made_anew(rig, file, caplog):
    rig.prepare()
    damage(rig.folders()[0] / "onnx" / file)
    rig.prepare()
    assert rig.exports == 2
    assert "is not as it was written; it is made anew." in caplog.text
    rig.prepare()
    assert rig.exports == 2


def test_a_truncated_or_missing_file_is_made_anew(rig):
    rig.prepare()
    os.truncate(rig.folders()[0] / "onnx" / "model.onnx.data", 10)
    rig.prepare()
    (rig.folders()[0] / "onnx" / "model.onnx.data").unlink()
    rig.prepare()
    assert rig.exports == 3


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"facts": {}}', b"\xff"])
def test_where_nobody_can_tell_what_the_files_are_they_are_made_anew(rig, content):
    rig.prepare()
    (rig.folders()[0] / "about.json").write_bytes(content)
    rig.prepare()
    assert rig.exports == 2


def test_what_a_killed_process_left_half_written_is_removed(rig):
    rig.prepare()
    folder = rig.folders()[0]
    os.rename(folder / "onnx", folder / "onnx.part")
    rig.prepare()
    assert rig.exports == 2
    assert sorted(path.name for path in folder.iterdir()) == ["about.json", "onnx"]


def test_a_choice_that_makes_no_sense_is_made_anew(rig):
    rig.prepare()
    about = rig.folders()[0] / "about.json"
    noted = json.loads(about.read_text())
    machine = next(key for key in noted if key.startswith("on "))
    for wrong in ({"runtime": "onnxruntime"}, {"unknown": 1}, 3):
        about.write_text(json.dumps({**noted, machine: wrong}))
        assert rig.prepare().runtime == "onnxruntime"
    assert rig.exports == 1


def test_another_version_exports_anew_and_removes_the_old_folder(rig, monkeypatch):
    rig.prepare()
    (old,) = rig.folders()
    monkeypatch.setattr(network, "_version", lambda package: "99")
    rig.prepare()
    assert rig.exports == 2
    assert len(rig.folders()) == 1
    assert not old.exists()


def test_other_weights_have_a_folder_of_their_own_until_nobody_uses_it(rig):
    rig.prepare()
    (first,) = rig.folders()
    rig.prepare(digest="f" * 64)
    assert len(rig.folders()) == 2
    long_ago = time.time() - 40 * 24 * 3600
    os.utime(first, (long_ago, long_ago))
    rig.prepare(digest="f" * 64)
    assert first not in rig.folders()


def test_folders_of_other_networks_and_files_of_others_stay(rig):
    rig.prepare(name="picture-large")
    (rig.settings.cache_dir / "picture-notes").mkdir()
    rig.prepare()
    assert len(rig.folders("picture")) == 3


def test_a_network_of_another_shape_has_another_key():
    def key(module=None, example=None, **changed):
        named = {**PICTURE, **changed}
        return network.Network(
            module or Picture(),
            (image() if example is None else example,),
            named["name"],
            named["digest"],
            named["input_names"],
            ["a", "b"],
        ).key

    assert key() == key(Picture(seed=1)), "weights are told apart by their digest"
    other = Picture()
    other.queries = torch.nn.Linear(8, 24, bias=False)
    assert len({key(), key(other), key(digest="2" * 64), key(example=image().double()), key(input_names=["x"])}) == 5


@pytest.mark.parametrize(
    "wrong", [{"name": "../picture"}, {"input_names": ["a", "b"]}, {"dynamic_axes": {"x": {0: "n"}}}]
)
def test_what_a_handler_got_wrong_is_a_value_error(rig, wrong):
    with pytest.raises(ValueError, match="picture"):
        rig.prepare(**wrong)


CHILD = """
import shutil
import sys
from pathlib import Path
from maskbus.models.runtime import RuntimeSettings, export, prepare
from support.networks import PICTURE, Picture, image

def wait(module, examples, directory, *others):
    print("exporting", flush=True)
    sys.stdin.readline()
    shutil.copytree(sys.argv[2], directory, dirs_exist_ok=True)

export.export = wait
prepare(Picture().eval(), [image()], settings=RuntimeSettings("onnxruntime", threads=1, cache_dir=Path(sys.argv[1])),
        **PICTURE)
print("ready", flush=True)
"""


def test_two_processes_at_once_make_one_export(rig, tmp_path):
    exported = tmp_path / "exported"
    rig.prepare()
    shutil.copytree(rig.folders()[0] / "onnx", exported)
    shutil.rmtree(rig.folders()[0])
    environment = {**os.environ, "PYTHONPATH": str(TESTS), "OMP_NUM_THREADS": "1"}
    with subprocess.Popen(
        [sys.executable, "-c", CHILD, str(rig.settings.cache_dir), str(exported)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
    ) as child:
        assert child.stdout.readline() == "exporting\n"
        rig.said.clear()

        def report(text):
            rig.said.append(text)
            child.stdin.write("go on\n")  # the child has not finished before this process waits for it
            child.stdin.flush()

        prepare(Picture().eval(), [image()], settings=rig.settings, report=report, **PICTURE)
        assert child.stdout.readline() == "ready\n"
    assert rig.said == ["Waiting for another process that prepares picture …"]
    assert rig.exports == 1
    assert child.returncode == 0
