"""From a weights file to a model that answers."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from maskbus.interfaces import LoadContext, ModelUnavailable
from maskbus.models import checkpoint, image_encoder, probe, runtime, sam2_config, sam2_keys
from maskbus.models.mask_decoder import MaskDecoder
from maskbus.models.prompt_encoder import PromptEncoder
from maskbus.models.segmenter import Segmenter
from maskbus.weights import Weights, resolve

if TYPE_CHECKING:
    from maskbus.models.sam2_video import Sam2Video

log = logging.getLogger(__name__)

_OPTIONS = frozenset({"weights", "runtime", "dtype", "cache_dir", "compile", "cuda_graphs"})


def load(variant: str, context: LoadContext) -> Segmenter:
    """Return a published model, with its image encoder on the runtime that the options ask for.

    Args:
        variant: "mobile-sam", "sam-vit-b", "sam2.1-hiera-tiny" and so on.
        context: Of the worker. Options: `weights`, a file of the user's own, and those of
            `maskbus.models.runtime.RuntimeSettings`.

    Raises:
        ModelUnavailable: if the weights are missing, damaged or another model's, or an option makes no sense.
    """
    unknown = sorted(set(context.options) - _OPTIONS)
    if unknown:
        known = ", ".join(sorted(_OPTIONS))
        raise ModelUnavailable(
            f"model.{context.model}.options.{unknown[0]}: there is no such option; there are {known}."
        )
    settings = runtime.RuntimeSettings.of(context)
    if context.threads > 0:
        torch.set_num_threads(context.threads)
    file = resolve(variant, context)
    weights = checkpoint.read(file.path)
    encoder = image_encoder.build(variant, weights, file.path)
    prompts, decoder, no_memory = heads(variant, weights, file)

    def segmenter(stage: runtime.Stage) -> Segmenter:
        return Segmenter(
            lambda pixels: stage([pixels]),
            prompts,
            decoder,
            no_memory=no_memory,
            device=settings.device,
            threads=torch.get_num_threads(),
            digest=file.digest,
        )

    side = prompts.input_side
    stage = runtime.prepare(
        encoder,
        # Runtimes are timed and compared by it: zeros would hide what goes wrong.
        (torch.randn(1, 3, side, side, generator=torch.Generator().manual_seed(1)),),
        name=variant,
        digest=file.digest,
        settings=settings,
        input_names=["pixels"],
        output_names=["embedding", "coarse", "fine"] if decoder.sam2 else ["embedding"],
        agrees=lambda candidate, reference: probe.agreement(segmenter(candidate), segmenter(reference)),
        report=log.info,
    )
    return segmenter(stage)


def load_video(variant: str, context: LoadContext) -> Sam2Video:
    """Return the parts of SAM 2 that follow objects through a video. Raises as `load`."""
    from transformers import Sam2VideoModel

    from maskbus.models.sam2_video import Sam2Video

    file = resolve(variant, context)
    weights = checkpoint.read(file.path)
    model = Sam2VideoModel(sam2_config.video_config(variant)).eval()
    try:
        renamed = sam2_keys.to_transformers(weights)
    except KeyError as unknown:
        raise ModelUnavailable(f"The weights file {file.path} is not of {variant}: SAM 2 has no {unknown}.") from None
    checkpoint.fill(model, renamed, path=file.path, model=variant)
    del model.vision_encoder  # the handler's own takes its place
    return Sam2Video(model.to(context.device))


def heads(
    variant: str, weights: Mapping[str, Tensor], file: Weights
) -> tuple[PromptEncoder, MaskDecoder, Tensor | None]:
    """Return prompt encoder, mask decoder and SAM 2's embedding of having no memory, with their weights."""
    sam2 = variant.startswith("sam2")
    prefix = "sam_" if sam2 else ""
    prompts, decoder = PromptEncoder(), MaskDecoder(sam2=sam2)
    own = {
        # SAM calls the two layers of this perceptron otherwise than all others.
        name.replace(".mlp.lin1.", ".mlp.layers.0.").replace(".mlp.lin2.", ".mlp.layers.1."): value
        for name, value in checkpoint.part(weights, f"{prefix}mask_decoder.").items()
    }
    modules: list[tuple[nn.Module, Mapping[str, Tensor]]] = [
        (prompts, checkpoint.part(weights, f"{prefix}prompt_encoder.")),
        (decoder, own),
    ]
    for module, values in modules:
        checkpoint.fill(module, values, path=file.path, model=variant)
        module.eval()
    if not sam2:
        return prompts, decoder, None
    if "no_mem_embed" not in weights:
        raise ModelUnavailable(f"The weights file {file.path} is not of {variant}: it has no no_mem_embed.")
    return prompts, decoder, weights["no_mem_embed"].flatten().float()
