"""The authors' own generators of everything mode, small and with random weights; and their networks as handlers."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from types import SimpleNamespace
from typing import Any, ClassVar

import numpy as np
import pytest
import torch

from maskbus.interfaces import (
    Candidates,
    DecodeOptions,
    Embedding,
    GridDecoder,
    Handler,
    Image,
    Job,
    LoadContext,
    Masks,
    ModelInfo,
    Prompt,
)

SIDE = 256
"""Of what the networks see, in pixels."""


class ReferenceHandler(Handler, GridDecoder):
    """The network of a reference predictor, asked as a handler is: low-resolution logits, then one mask at a time."""

    info: ClassVar[ModelInfo] = ModelInfo("reference", frozenset({"points"}), "Apache-2.0", multimask=True)
    points_per_batch = 16

    def __init__(self, predictor: Any) -> None:
        super().__init__(LoadContext("reference"))
        self.predictor = predictor
        self.decoded = 0
        self.upscaled = 0

    def embed(self, images: Sequence[Image], job: Job) -> Sequence[Embedding]:
        (image,) = images
        self.predictor.set_image(image.rgb)
        return [SimpleNamespace(nbytes=0, size=(image.height, image.width))]

    def decode(self, embedding: Embedding, prompt: Prompt, options: DecodeOptions, job: Job) -> Masks:
        raise AssertionError("decoded point by point")

    def decode_grid(self, embedding: Embedding, points: np.ndarray, pred_iou_thresh: float, job: Job) -> Candidates:
        size = embedding.size  # type: ignore[attr-defined]
        logits, ious = self.network(points, size)
        keep = ious > pred_iou_thresh
        index = torch.arange(len(points))[:, None].expand(ious.shape)
        self.decoded += len(points)
        return Candidates(logits[keep].numpy(), ious[keep].numpy(), index[keep].numpy())

    def network(self, points: np.ndarray, size: tuple[int, int]) -> tuple[torch.Tensor, torch.Tensor]:
        raise NotImplementedError


class Sam1(ReferenceHandler):
    @torch.no_grad()
    def network(self, points: np.ndarray, size: tuple[int, int]) -> tuple[torch.Tensor, torch.Tensor]:
        coords = torch.as_tensor(self.predictor.transform.apply_coords(points.astype(np.float64), size))
        labels = torch.ones(len(coords), 1, dtype=torch.int)
        _, ious, logits = self.predictor.predict_torch(coords[:, None], labels, multimask_output=True)
        return logits, ious

    @torch.no_grad()
    def upscale(self, embedding: Embedding, logits: np.ndarray) -> np.ndarray:
        self.upscaled += 1
        predictor = self.predictor
        scaled = predictor.model.postprocess_masks(
            torch.from_numpy(logits)[None, None], predictor.input_size, predictor.original_size
        )
        return scaled[0, 0].numpy()


class Sam2(ReferenceHandler):
    @torch.no_grad()
    def network(self, points: np.ndarray, size: tuple[int, int]) -> tuple[torch.Tensor, torch.Tensor]:
        transforms = self.predictor._transforms
        coords = transforms.transform_coords(torch.from_numpy(points), normalize=True, orig_hw=size)
        labels = torch.ones(len(coords), 1, dtype=torch.int)
        _, ious, logits = self.predictor._predict(coords[:, None], labels, multimask_output=True)
        return logits, ious

    @torch.no_grad()
    def upscale(self, embedding: Embedding, logits: np.ndarray) -> np.ndarray:
        self.upscaled += 1
        size = embedding.size  # type: ignore[attr-defined]
        return self.predictor._transforms.postprocess_masks(torch.from_numpy(logits)[None, None], size)[0, 0].numpy()


def sam1_generator(seed: int, **settings: Any) -> tuple[Any, Sam1]:
    """Return a SamAutomaticMaskGenerator with random weights, and a handler with the same network."""
    pytest.importorskip("segment_anything", reason="the package segment-anything is not installed")
    from segment_anything import SamAutomaticMaskGenerator, SamPredictor
    from segment_anything.modeling import ImageEncoderViT, MaskDecoder, PromptEncoder, Sam, TwoWayTransformer

    torch.manual_seed(seed)
    dim, side = 64, SIDE // 16
    encoder = ImageEncoderViT(
        img_size=SIDE,
        patch_size=16,
        embed_dim=32,
        depth=1,
        num_heads=2,
        out_chans=dim,
        norm_layer=partial(torch.nn.LayerNorm, eps=1e-6),
    )
    prompts = PromptEncoder(dim, (side, side), (SIDE, SIDE), 8)
    transformer = TwoWayTransformer(depth=2, embedding_dim=dim, num_heads=4, mlp_dim=64)
    decoder = MaskDecoder(transformer_dim=dim, transformer=transformer, iou_head_hidden_dim=32)
    model = _lively(Sam(encoder, prompts, decoder).eval(), prompts, decoder)
    return SamAutomaticMaskGenerator(model, **settings), Sam1(SamPredictor(model))


def sam2_generator(seed: int, **settings: Any) -> tuple[Any, Sam2]:
    """Return a SAM2AutomaticMaskGenerator with random weights, and a handler with the same network."""
    pytest.importorskip("sam2", reason="the package sam2 is not installed")
    from sam2.automatic_mask_generator import SAM2AutomaticMaskGenerator
    from sam2.sam2_image_predictor import SAM2ImagePredictor

    from support import sam2_reference

    torch.manual_seed(seed)
    model = sam2_reference.build("sam2.1-hiera-tiny", f"model.image_size={SIDE}")
    _lively(model, model.sam_prompt_encoder, model.sam_mask_decoder)
    generator, predictor = SAM2AutomaticMaskGenerator(model, **settings), SAM2ImagePredictor(model)
    for one in (generator.predictor, predictor):
        one._bb_feat_sizes = [(64, 64), (32, 32), (16, 16)]
    return generator, Sam2(predictor)


def _lively(model: Any, prompts: torch.nn.Module, decoder: torch.nn.Module) -> Any:
    """Give a network of random weights something to say of each point: untrained, it hardly looks at them.

    To its logits, as they are, cones are added round the middles of a mesh: what is near one middle finds one object,
    of three sizes; and its estimates differ.
    """
    asked: list[torch.Tensor] = []

    def look(module: Any, args: Any, kwargs: Any) -> None:
        asked[:] = [kwargs["points"][0][:, 0].float()]

    def answer(module: Any, args: Any, output: Any) -> Any:
        logits, _, *rest = output
        scale = logits.shape[-1] / SIDE
        points = asked[0] * scale
        mesh = 13.0
        middles = (points / mesh).round() * mesh
        rows, columns = torch.meshgrid(*2 * [torch.arange(logits.shape[-1], dtype=torch.float32)], indexing="ij")
        away = (columns - middles[:, 0, None, None]) ** 2 + (rows - middles[:, 1, None, None]) ** 2
        kind = torch.sin(middles.sum(1) * 7.3)[:, None] + torch.tensor([0.0, 1.5, 3.0])[: logits.shape[1]]
        radius = 4 + 3 * kind
        texture = (logits - logits.mean((-1, -2), keepdim=True)) / logits.std((-1, -2), keepdim=True)
        near = 1 / (1 + (points - middles).norm(dim=1))[:, None]
        logits = 1.5 * texture + 1.5 * (radius[..., None, None] - away.sqrt()[:, None])
        return (logits, 0.6 + 0.2 * torch.sin(kind * 5) + 0.2 * near, *rest)

    prompts.register_forward_pre_hook(look, with_kwargs=True)
    decoder.register_forward_hook(answer)
    return model
