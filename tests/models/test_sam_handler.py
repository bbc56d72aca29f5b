"""The handlers of the SAM family hold to the plugin contract, and refuse in words."""

from __future__ import annotations

import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from maskbus.contract import FreeJob, HandlerContract
from maskbus.handlers.sam import SamVitB
from maskbus.handlers.sam2 import Sam21HieraTiny
from maskbus.interfaces import BadPrompt, DecodeOptions, Handler, Image, LoadContext, ModelUnavailable, Prompt
from support import sam_references as references


class TestSam(HandlerContract):
    handler = SamVitB

    @pytest.fixture(autouse=True)
    def _loaded(self, sam_handler: Handler) -> None:
        self.loaded = sam_handler

    def make(self) -> Handler:
        return self.loaded

    def context(self) -> LoadContext:
        return self.loaded.context

    def prompts(self) -> Any:
        """Logits are of the model's own shape."""
        for prompt in super().prompts():
            yield prompt if prompt.logits is None else Prompt(logits=np.full((256, 256), -4, np.float32))


class TestSam2(TestSam):
    handler = Sam21HieraTiny
    # What becomes of the pixels before they are framed is the same for both families, and takes long with this one.
    test_colour_order_does_not_matter = None
    test_image_is_not_written_to = None

    @pytest.fixture(autouse=True)
    def _loaded(self, sam2_handler: Handler) -> None:
        self.loaded = sam2_handler


def decode(handler: Handler, prompt: Prompt) -> None:
    embedding = handler.embed([Image(references.scene(60, 80))], FreeJob())[0]
    handler.decode(embedding, prompt, DecodeOptions(), FreeJob())


def test_logits_of_another_shape_are_refused(sam_handler: Handler) -> None:
    with pytest.raises(BadPrompt, match=r"The logits to refine are 64×32; this model's are 256×256"):
        decode(sam_handler, Prompt(logits=np.zeros((32, 64), np.float32)))


@pytest.mark.parametrize(("height", "width"), [(1, 1), (1, 8000), (8000, 1)])
def test_pictures_that_are_all_but_lines(sam_handler: Handler, sam2_handler: Handler, height: int, width: int) -> None:
    pixels = references.scene(height, width)
    for handler in (sam_handler, sam2_handler):
        embedding = handler.embed([Image(pixels)], FreeJob())[0]
        prompt = Prompt(points=np.zeros((1, 2), np.float32), labels=np.ones(1, np.int8))
        masks = handler.decode(embedding, prompt, DecodeOptions(), FreeJob())
        assert masks.masks.shape == (1, height, width)


class Evil:
    """What a malicious weights file would hold."""

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (self.target,)

    def __init__(self, target: str) -> None:
        self.target = target


def load(path: Path, handler: type[Handler] = SamVitB, **options: Any) -> Handler:
    context = LoadContext(
        model="mine", weights_dir=path.parent, options={"runtime": "torch", "weights": str(path), **options}
    )
    return handler(context)


def test_a_pickle_with_code_in_it_is_not_run(tmp_path: Path) -> None:
    target = tmp_path / "made by the pickle"
    path = tmp_path / "evil.pth"
    torch.save({"model": Evil(str(target))}, path)
    with pytest.raises(ModelUnavailable, match="more than weights"):
        load(path)
    path.write_bytes(pickle.dumps(Evil(str(target))))
    with pytest.raises(ModelUnavailable, match="weights"):
        load(path)
    assert not target.exists()


def test_a_truncated_file_is_refused(sam: Any, tmp_path: Path) -> None:
    path = references.save(sam, tmp_path / "sam.pth")
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size // 2)
    with pytest.raises(ModelUnavailable, match=r"is damaged or no weights file"):
        load(path)


@pytest.mark.parametrize("content", [{}, {"model": {}}, {"epoch": torch.tensor(3)}, torch.tensor(3)])
def test_a_file_without_a_models_weights_is_refused(small: None, content: Any, tmp_path: Path) -> None:
    torch.save(content, tmp_path / "x.pt")
    with pytest.raises(ModelUnavailable, match=r"holds no model's weights|is not of sam-vit-b"):
        load(tmp_path / "x.pt")


def test_another_models_weights_are_refused(sam: Any, sam2: Any, tmp_path: Path) -> None:
    path = references.save(sam2, tmp_path / "sam2.pt", wrap="model")
    with pytest.raises(ModelUnavailable, match=r"sam2\.pt is not of sam-vit-b: it has no"):
        load(path)
    path = references.save(sam, tmp_path / "sam.pth")
    with pytest.raises(ModelUnavailable, match=r"sam\.pth is not of sam2\.1-hiera-tiny: it has no"):
        load(path, Sam21HieraTiny)


def test_safetensors_are_read_as_well(sam: Any, sam_handler: Handler, tmp_path: Path) -> None:
    from safetensors.torch import save_file

    path = tmp_path / "sam.safetensors"
    save_file({name: value.clone() for name, value in sam.state_dict().items()}, path)
    prompt = Prompt(boxes=np.array([[10, 10, 50, 40]], np.float32))
    answers = []
    for handler in (sam_handler, load(path, dtype="float32")):
        embedding = handler.embed([Image(references.scene(60, 80))], FreeJob())[0]
        answers.append(handler.decode(embedding, prompt, DecodeOptions(logits=True), FreeJob()).logits)
    assert np.abs(answers[0] - answers[1]).max() < 1e-5


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"runtyme": "torch"}, r"model\.mine\.options\.runtyme: there is no such option; there are cache_dir"),
        ({"runtime": "tensorflow"}, r"runtime = .tensorflow. is unknown"),
        ({"dtype": 16}, r"dtype = 16 must be text"),
    ],
)
def test_options_that_make_no_sense_are_refused(sam_handler: Handler, options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ModelUnavailable, match=sentence):
        load(Path(sam_handler.context.options["weights"]), **options)
