"""Every published model's checkpoint would fill our modules: names and shapes, without the weights themselves."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from maskbus.handlers.registry import installed, load_class
from maskbus.models import checkpoint, image_encoder, loading, sam2_config
from maskbus.weights import ENTRIES, Weights
from support import sam2_reference

SAM = {"sam-vit-b": "vit_b", "sam-vit-l": "vit_l", "sam-vit-h": "vit_h"}


def reference(variant: str) -> dict[str, Any]:
    """Return the names and shapes that the authors' own model has, as tensors without memory."""
    with sam2_reference.on_meta():
        if variant in SAM:
            registry = pytest.importorskip("segment_anything", reason="the extra `reference` is not installed")
            return dict(registry.sam_model_registry[SAM[variant]]().state_dict())
        return dict(sam2_reference.build(variant).state_dict())


@pytest.mark.parametrize("variant", [*SAM, *sam2_config.NAMES])
def test_fills_the_encoder_and_the_heads(variant: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    weights = reference(variant)
    filled: list[int] = []

    def count(module: torch.nn.Module, given: Any, *, path: Any, model: str) -> None:
        wanted = module.state_dict()
        assert {name: value.shape for name, value in wanted.items()} == {
            name: given[name].shape for name in wanted if name in given
        }
        filled.append(sum(value.numel() for value in wanted.values()))

    monkeypatch.setattr(checkpoint, "fill", count)
    monkeypatch.setattr(image_encoder.Sam2ImageEncoder, "__init__", lambda *_: torch.nn.Module.__init__(_[0]))
    image_encoder.build(variant, weights, tmp_path)
    loading.heads(variant, weights, Weights(tmp_path, "", "file"))
    parts = ("image_encoder.", "prompt_encoder.", "mask_decoder.", "sam_prompt_encoder.", "sam_mask_decoder.")
    expected = sum(value.numel() for name, value in weights.items() if name.startswith(parts))
    # What is used twice is counted once: SAM 2's two convolutions of the pyramid, which encoder and decoder share.
    shared = sum(value.numel() for name, value in weights.items() if ".conv_s" in name)
    assert sum(filled) == expected + shared


def test_every_model_of_the_manifest_has_a_handler() -> None:
    targets = installed()
    for name, entry in ENTRIES.items():
        if entry.family == "CLIP":
            continue  # a part of the handler `text`: test_clip_loading.py
        handler: Any = load_class(targets[name])
        assert handler.variant == name
        assert handler.info.licence == ENTRIES[name].licence
