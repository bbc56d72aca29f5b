"""Files of weights, configs and recipes become a CLIP, or a sentence."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from maskbus.contract import FreeJob
from maskbus.interfaces import LoadContext, ModelUnavailable
from maskbus.models import clip_loading, clip_recipe
from maskbus.models.clip import Clip, batches
from maskbus.models.clip_crops import Look
from maskbus.weights import ENTRIES
from support.tiny_clip_fixture import tiny  # noqa: F401 — a fixture

open_clip = pytest.importorskip("open_clip", reason="the extra `text` is not installed")


@pytest.fixture(scope="module")
def context(tiny: Mapping[str, Any]) -> LoadContext:  # noqa: F811
    return LoadContext("text", threads=2, options=tiny)


@pytest.fixture(scope="module")
def clip(context: LoadContext) -> Clip:
    return clip_loading.load(context)


@pytest.fixture(scope="module")
def weights(context: LoadContext) -> dict[str, torch.Tensor]:
    return load_file(context.options["weights"])


def loaded(context: LoadContext, **options: Any) -> Clip:
    return clip_loading.load(replace(context, options={**context.options, **options}))


def seen(clip: Clip) -> np.ndarray:
    rgb = np.random.default_rng(5).integers(0, 255, (60, 80, 3), np.uint8)
    boxes = [(0, 0, 80, 60), (10, 10, 20, 30), (50, 20, 9, 9)]
    return clip.see(rgb, boxes, lambda i: np.ones((boxes[i][3], boxes[i][2]), bool), Look(), FreeJob())


def test_is_the_same_as_open_clip(clip: Clip, context: LoadContext, weights: dict[str, torch.Tensor]) -> None:
    model = open_clip.CLIP(**json.loads(Path(context.options["clip"]).read_text())).eval()
    model.load_state_dict(weights)
    crops = clip_loading.probes(clip.side)
    tokens = open_clip.SimpleTokenizer(context_length=16)(["a red circle", "anything"])
    with torch.inference_mode():
        (ours,) = clip._images([crops])
        assert torch.allclose(ours, model.encode_image(crops, normalize=True), atol=1e-5)
        expected = model.encode_text(tokens, normalize=True)
    assert torch.allclose(torch.from_numpy(clip.read(["a red circle", "anything"])), expected, atol=1e-5)
    assert clip.scale == pytest.approx(float(weights["logit_scale"].exp()))
    assert np.allclose(np.linalg.norm(seen(clip), axis=1), 1, atol=1e-5)


def wrapped(weights: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Return weights under the names of TinyCLIP's checkpoints."""
    names = {
        name: f"_image_encoder.module.{name}" if name.startswith("visual.") else f"_text_encoder.module.{name}"
        for name in weights
    }
    names["logit_scale"] = "_logit_scale.module.logit_scale"
    return {names[name]: value for name, value in weights.items()}


def test_files_of_every_kind(
    clip: Clip, context: LoadContext, weights: dict[str, torch.Tensor], tmp_path: Path
) -> None:
    expected = seen(clip)
    files: dict[str, Any] = {
        "plain.pt": weights,
        "training.pt": {"epoch": 3, "state_dict": {f"module.{name}": value for name, value in weights.items()}},
        "tinyclip.pt": {"state_dict": wrapped(weights)},
        "half.pth": {name: value.half() for name, value in weights.items()},
        "scale.pt": {**weights, "logit_scale": weights["logit_scale"].reshape(1), "attn_mask": torch.zeros(3)},
    }
    for name, content in files.items():
        torch.save(content, tmp_path / name)
        again = loaded(context, weights=str(tmp_path / name))
        assert np.allclose(seen(again), expected, atol=2e-2 if name == "half.pth" else 1e-6), name
        assert again.scale == pytest.approx(clip.scale, rel=1e-3)
        assert again.digest != clip.digest


def test_a_hub_folder(clip: Clip, context: LoadContext, tmp_path: Path) -> None:
    config = tmp_path / "open_clip_config.json"
    architecture = json.loads(Path(context.options["clip"]).read_text())
    looks = {"mean": [0, 0, 0], "std": [1, 1, 1]}
    config.write_text(json.dumps({"model_cfg": architecture, "preprocess_cfg": looks}))
    found = loaded(context, clip=str(config))
    assert (found.recipe.mean, found.recipe.deviation) == ((0, 0, 0), (1, 1, 1))
    assert found.recipe.grey == clip_recipe.MEAN
    assert not np.allclose(seen(found), seen(clip), atol=1e-3)
    given = loaded(context, clip=str(config), mean=list(clip_recipe.MEAN), std=list(clip_recipe.DEVIATION))
    assert np.allclose(seen(given), seen(clip), atol=1e-6)


def test_a_text_tower_of_its_own(context: LoadContext, tmp_path: Path) -> None:
    """As MobileCLIP has: other names, and another class of open_clip's."""
    architecture = json.loads(Path(context.options["clip"]).read_text())
    config = tmp_path / "custom.json"
    config.write_text(json.dumps({**architecture, "custom_text": True}))
    found = loaded(context, clip=str(config))  # the file has the names of the plain class
    assert np.allclose(found.read(["a red star"]), clip_loading.load(context).read(["a red star"]), atol=1e-6)


@pytest.mark.parametrize(
    ("options", "entry", "mean", "quick_gelu"),
    [
        ({}, "clip-vit-b-32", clip_recipe.MEAN, False),
        ({"pretrained": "openai"}, "clip-vit-b-32-openai", clip_recipe.MEAN, True),
        ({"clip": "MobileCLIP-S1"}, "mobileclip-s1", (0, 0, 0), False),
        ({"clip": "MobileCLIP-S2", "pretrained": "datacompdr"}, "mobileclip-s2", (0, 0, 0), False),
        ({"clip": "ViT-B-32-quickgelu", "weights": "w.pt"}, "", clip_recipe.MEAN, True),
        ({"clip": "ViT-B-32-quickgelu", "weights": "w.pt", "quick_gelu": False, "mean": 0}, "", (0, 0, 0), False),
    ],
)
def test_recipes(options: dict[str, Any], entry: str, mean: tuple[float, ...], quick_gelu: bool) -> None:
    context = LoadContext("text", options=options)
    assert clip_recipe.published(context) == entry
    assert not entry or entry in ENTRIES
    found = clip_recipe.recipe(context)
    assert found.mean == mean
    assert found.deviation == ((1, 1, 1) if "MobileCLIP" in options.get("clip", "") else clip_recipe.DEVIATION)
    assert found.quick_gelu is quick_gelu


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"clip": "ViT-Z-1"}, "open_clip has no model 'ViT-Z-1'"),
        ({"clip": "hf-hub:somebody/something"}, "open_clip has no model 'hf-hub:somebody/something'"),
        ({"clip": "/nowhere/a.json"}, "The model config /nowhere/a.json cannot be read: No such file"),
        ({"clip": "ViT-B-32", "pretrained": "nobody"}, "knows no training 'nobody' of ViT-B-32; it knows openai, "),
        ({"clip": 3}, "clip = 3 must be text"),
        ({"mean": [1, 2]}, r"mean = \[1, 2\] must be three numbers"),
        ({"std": 0}, "std = 0 must be three numbers, all above 0"),
        ({"clip": "ViT-B-32"}, r"tiny-clip.safetensors is not of clip-vit-b-32"),
        ({"weights": "/nowhere/w.pt"}, r"The weights /nowhere/w.pt \(option `weights`\) cannot be read"),
    ],
)
def test_what_cannot_be(context: LoadContext, options: dict[str, Any], words: str) -> None:
    with pytest.raises(ModelUnavailable, match=words):
        loaded(context, **options)


def test_files_that_are_of_something_else(
    context: LoadContext, weights: dict[str, torch.Tensor], tmp_path: Path
) -> None:
    less = {name: value for name, value in weights.items() if name != "ln_final.bias"}
    more = {**weights, "visual.transformer.resblocks.9.ln_1.bias": torch.zeros(64)}
    wide = {**weights, "visual.proj": torch.zeros(64, 33)}
    cases = {"it has no ln_final.bias": less, "it has visual.transformer.resblocks.9": more, "visual.proj is": wide}
    for words, content in cases.items():
        path = tmp_path / "file.safetensors"
        save_file(content, path)
        with pytest.raises(ModelUnavailable, match=words) as raised:
            loaded(context, weights=str(path))
        assert str(path) in str(raised.value)
    torch.save({"state_dict": tmp_path}, tmp_path / "evil.pt")
    with pytest.raises(ModelUnavailable, match="holds more than weights"):
        loaded(context, weights=str(tmp_path / "evil.pt"))
    config = tmp_path / "no.json"
    for content in ("{", "[]", '{"embed_dim": 3}', '{"vision_cfg": 3, "text_cfg": 4}'):
        config.write_text(content)
        with pytest.raises(ModelUnavailable, match="is no model config of open_clip"):
            loaded(context, clip=str(config))
    config.write_text('{"embed_dim": 3, "vision_cfg": {"layers": -1, "width": 0}, "text_cfg": {}}')
    with pytest.raises(ModelUnavailable, match="open_clip cannot build no from what is on this machine"):
        loaded(context, clip=str(config))


def test_says_nothing_while_it_loads(context: LoadContext, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        clip_loading.load(context)
    assert not caplog.records


def test_availability_of_what_nobody_publishes() -> None:
    found = clip_recipe.availability(LoadContext("text", options={"clip": "ViT-L-14"}))
    assert not found.ready
    assert found.missing == "its option `weights` must name a file: none is known for 'ViT-L-14' ''"


def test_on_another_runtime(clip: Clip, context: LoadContext, tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime", reason="the extra `fast` is not installed")
    pytest.importorskip("onnxscript", reason="the extra `fast` is not installed")
    other = loaded(context, runtime="onnxruntime", cache_dir=str(tmp_path / "exports"))
    assert other._images.runtime == "onnxruntime"
    assert np.allclose(seen(other), seen(clip), atol=1e-4)


def test_agreement_tells_towers_apart(clip: Clip) -> None:
    assert clip_loading.agreement(clip._images, clip._images, clip.side) == pytest.approx(1, abs=1e-5)

    def worse(inputs: Any) -> Any:
        (vectors,) = clip._images(inputs)
        return (vectors + 0.3 * vectors.roll(1, 1),)

    assert clip_loading.agreement(worse, clip._images, clip.side) < 0.99  # type: ignore[arg-type]


@pytest.mark.parametrize("count", [0, 1, 5, 16, 17, 47])
def test_batches_are_of_few_sizes(count: int) -> None:
    parts = batches(count, 16)
    assert [i for start, end in parts for i in range(start, end)] == list(range(count))
    assert {end - start for start, end in parts} <= {1, 2, 4, 8, 16}
