"""Small models of every family, as files that the handlers read."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="the extra `sam` is not installed")
pytest.importorskip("transformers", reason="the extra `sam` is not installed")

from maskbus.interfaces import Handler, LoadContext  # noqa: E402
from maskbus.models import image_encoder, sam2_config  # noqa: E402
from support import sam_references as references  # noqa: E402


@pytest.fixture(scope="session", autouse=True)
def _two_threads() -> None:
    torch.set_num_threads(2)


@pytest.fixture(scope="module")
def small() -> Iterator[None]:
    """Let sam-vit-b and the tiny models be small ones."""
    with pytest.MonkeyPatch.context() as patch:
        size = (references.VIT_WIDTH, references.VIT_HEADS_AND_DEPTH, references.VIT_HEADS_AND_DEPTH)
        patch.setitem(image_encoder.VITS, "sam-vit-b", (*size, references.VIT_WHOLE))
        patch.setitem(sam2_config.HIERA, "tiny", sam2_config.Hiera(24, 1, (1, 1, 2, 1), (3,)))
        shallow = partial(sam2_config.Sam2VideoConfig, memory_attention_num_layers=1)
        patch.setattr(sam2_config, "Sam2VideoConfig", shallow)
        yield


@pytest.fixture(scope="module")
def sam(small: None) -> Any:
    """Return the reference model of SAM."""
    return references.small_sam()


@pytest.fixture(scope="module")
def sam2(small: None) -> Any:
    """Return the reference model of SAM 2.1."""
    return references.sam2("configs/sam2.1/sam2.1_hiera_t.yaml", references.SMALL_HIERA + references.SHALLOW_MEMORY)


def load(handler: type[Handler], weights: Path, **options: Any) -> Handler:
    """Return a handler with weights of a file, computed by torch in float32 unless the options say otherwise."""
    chosen = {"runtime": "torch", "dtype": "float32", "weights": str(weights), **options}
    return handler(LoadContext(model="tested", threads=2, weights_dir=weights.parent, options=chosen))


@pytest.fixture(scope="module")
def sam_handler(sam: Any, tmp_path_factory: pytest.TempPathFactory) -> Handler:
    """Return the handler with the weights of `sam`."""
    from maskbus.handlers.sam import SamVitB

    return load(SamVitB, references.save(sam, tmp_path_factory.mktemp("sam") / "sam.pth"))


@pytest.fixture(scope="module")
def sam2_handler(sam2: Any, tmp_path_factory: pytest.TempPathFactory) -> Handler:
    """Return the handler with the weights of `sam2`."""
    from maskbus.handlers.sam2 import Sam21HieraTiny

    return load(Sam21HieraTiny, references.save(sam2, tmp_path_factory.mktemp("sam2") / "sam2.pt", wrap="model"))
