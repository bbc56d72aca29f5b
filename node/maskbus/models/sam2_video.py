"""The steps of SAM 2 on video: look at a frame with the memory in mind, decode masks, make a memory of what was seen.

Ravi et al. 2024, SAM 2: Segment Anything in Images and Videos. The weights are in transformers' `Sam2VideoModel`; the
order of the steps follows the authors' `SAM2VideoPredictor`, from which transformers' own session differs: it takes
another mask token for the pointer of an object that is given as a mask, and makes that object's first memory from the
mask as given instead of from the mask as answered.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image as Pillow
from torch import Tensor
from torch.nn import functional
from transformers import Sam2VideoModel

from maskbus.interfaces import Image
from maskbus.models.sam2_memory import Recall
from maskbus.models.sam2_positions import sine_1d, sine_2d

HIDDEN = -1024.0
"""Logit of every pixel of an object that cannot be seen."""
MEAN = (0.485, 0.456, 0.406)
STD = (0.229, 0.224, 0.225)


class Features(NamedTuple):
    """What the image encoder makes of one frame; float32, on the model's device."""

    fine: Tensor
    """(1, 32, S/4, S/4) level of stride 4 after the decoder's `conv_s0`; S is the side of what the model sees."""
    middle: Tensor
    """(1, 64, S/8, S/8) level of stride 8 after the decoder's `conv_s1`."""
    coarse: Tensor
    """(1, 256, S/16, S/16) level of stride 16, without the embedding that says "no memory"."""

    @property
    def nbytes(self) -> int:
        """Bytes of the three levels."""
        return sum(level.nbytes for level in self)


@dataclass(frozen=True)
class Seen:
    """What the model says of N objects in one frame."""

    logits: Tensor
    """(N, S/4, S/4)"""
    iou: Tensor
    """(N,) estimated IoU with the truth."""
    presence: Tensor
    """(N,) positive where the object can be seen."""
    pointer: Tensor
    """(N, C) the object in one vector."""

    def one(self, n: int) -> Seen:
        """Return what is said of object `n` alone, in memory of its own."""
        part = slice(n, n + 1)
        return Seen(*(field[part].clone() for field in (self.logits, self.iou, self.presence, self.pointer)))

    @property
    def nbytes(self) -> int:
        """Bytes of all fields."""
        return sum(field.nbytes for field in (self.logits, self.iou, self.presence, self.pointer))


def together(several: Sequence[Seen]) -> Seen:
    """Put what is said of several objects into one."""
    fields = [(seen.logits, seen.iou, seen.presence, seen.pointer) for seen in several]
    return Seen(*(torch.cat(column) for column in zip(*fields, strict=True)))


class Sam2Video:
    """Run the steps on one model; it holds constants, nothing of any video, so many trackers can share it.

    All methods must be called under `torch.inference_mode()`.
    """

    def __init__(self, model: Sam2VideoModel) -> None:
        """Compute the constants.

        Args:
            model: On its device, in float32 and in evaluation mode. Its vision encoder is needed by `encode` alone.
        """
        self.model = model
        self.config = model.config
        self.size = int(model.config.image_size)
        with torch.inference_mode():
            side = self.size // 16
            self._prompt_positions: Tensor = model.get_image_wide_positional_embeddings()
            coarse = sine_2d(side, self.config.vision_config.fpn_hidden_size)
            self._coarse_positions = coarse.to(self._prompt_positions.device)[:, None]
            memory = sine_2d(side, self.config.memory_encoder_output_channels)
            self._memory_positions = memory.to(self._prompt_positions.device)

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self._prompt_positions.device

    def pixels(self, image: Image) -> Tensor:
        """Return what the image encoder wants, (1, 3, S, S), of a frame.

        Frames are resized by Pillow (bicubic), as the authors' loader of videos does it; their predictor for single
        images does it otherwise.
        """
        small = Pillow.fromarray(image.rgb).resize((self.size, self.size))
        levels = torch.from_numpy(np.array(small)).to(self.device).permute(2, 0, 1).float() / 255
        mean, std = (torch.tensor(value, device=self.device)[:, None, None] for value in (MEAN, STD))
        return ((levels - mean) / std)[None]

    def encode(self, image: Image) -> Features:
        """Run the model's own vision encoder on a frame."""
        levels = self.model.vision_encoder(self.pixels(image)).fpn_hidden_states
        decoder = self.model.mask_decoder
        return Features(decoder.conv_s0(levels[0]), decoder.conv_s1(levels[1]), levels[2])

    def without_memory(self, features: Features) -> Tensor:
        """Return the coarse level as the decoder wants it where an object has no past: (1, C, S/16, S/16)."""
        embedding: Tensor = self.model.no_memory_embedding
        return features.coarse + embedding.reshape(1, -1, 1, 1)

    def with_memory(self, features: Features, recalls: Sequence[Recall]) -> Tensor:
        """Look at a frame with the memories of N objects in mind.

        Args:
            features: The frame.
            recalls: What each object remembers; all of the same length.

        Returns:
            (N, C, S/16, S/16) the coarse level as the decoder wants it.
        """
        n = len(recalls)
        current = features.coarse.flatten(2).permute(2, 0, 1).expand(-1, n, -1)
        memory = torch.stack([self._memory_tokens(recall) for recall in recalls], 1)
        positions = torch.stack([self._memory_token_positions(recall) for recall in recalls], 1)
        split = self._tokens_per_pointer
        pointers = len(recalls[0].pointers) * split
        seen: Tensor = self.model.memory_attention(current, memory, self._coarse_positions, positions, pointers)
        return seen.reshape(n, -1, current.shape[-1]).transpose(1, 2).reshape(n, *features.coarse.shape[1:])

    def decode(
        self,
        features: Features,
        coarse: Tensor,
        points: Tensor | None = None,
        labels: Tensor | None = None,
        previous: Tensor | None = None,
        *,
        multimask: bool,
    ) -> Seen:
        """Decode one mask for each of N objects.

        Args:
            features: The frame.
            coarse: (N, C, S/16, S/16) from `without_memory` or `with_memory`.
            points: (N, P, 2) x, y in the picture that the model sees.
            labels: (N, P) 1 = object, 0 = background, 2 and 3 = a box's top left and bottom right corner.
            previous: (N, 1, S/4, S/4) logits to refine.
            multimask: Whether the best of three masks is taken instead of the single one.
        """
        n = len(coarse)
        if points is None or labels is None:
            points = torch.zeros((n, 1, 2), device=self.device)
            labels = torch.full((n, 1), -1, dtype=torch.int32, device=self.device)
        sparse, dense = self.model.prompt_encoder(points[:, None], labels[:, None], None, previous)
        masks, ious, tokens, presence = self.model.mask_decoder(
            coarse, self._prompt_positions, sparse, dense, multimask, [features.fine, features.middle]
        )
        rows = torch.arange(n, device=self.device)
        best = ious[:, 0].argmax(-1)
        visible = presence[:, 0] > 0
        logits = torch.where(visible[..., None], masks[rows, 0, best], HIDDEN)
        pointer = self.model.object_pointer_proj(tokens[rows, 0, best])
        return Seen(logits, ious[rows, 0, best], presence[:, 0, 0], self._or_hidden(pointer, visible))

    def take(self, features: Features, mask: Tensor) -> Seen:
        """Believe a mask that was given.

        Args:
            features: The frame.
            mask: (H, W) bool, the object in the frame's size.
        """
        square = mask[None, None].to(self.device, torch.float32)
        if mask.shape != (self.size, self.size):
            square = (_shrink(square, self.size) >= 0.5).float()
        logits = _shrink(square * 20 - 10, self.size // 4)
        # The pointer comes from the decoder, which is given the mask as a prompt and looks at no memory at all.
        prompt = self.model.mask_downsample(square)
        pointer = self.decode(features, features.coarse, previous=prompt, multimask=False).pointer
        visible = square.flatten(1).any(1, keepdim=True)
        presence = visible[:, 0].float() * 20 - 10
        return Seen(logits[:, 0], torch.ones_like(presence), presence, self._or_hidden(pointer, visible))

    def remember(self, features: Features, seen: Seen, pointed: Tensor) -> Tensor:
        """Make a memory of what was seen of N objects in a frame.

        Args:
            features: The frame.
            seen: The objects in it.
            pointed: (N,) bool, whether a requester pointed at the object in this frame.

        Returns:
            (N, S/16 * S/16, 64) bfloat16, as the authors keep it.
        """
        size = (self.size, self.size)
        masks = functional.interpolate(seen.logits[:, None], size, mode="bilinear", align_corners=False)
        certain = pointed[:, None, None, None]
        masks = torch.where(certain, (masks > 0).float(), masks.sigmoid())
        masks = masks * self.config.sigmoid_scale_for_mem_enc + self.config.sigmoid_bias_for_mem_enc
        encoder = self.model.memory_encoder
        fused = encoder.memory_fuser(encoder.feature_projection(features.coarse) + encoder.mask_downsampler(masks))
        memory: Tensor = encoder.projection(fused)
        if self.model.occlusion_spatial_embedding_parameter is not None:
            hidden = (seen.presence <= 0).float()[:, None, None, None]
            memory = memory + hidden * self.model.occlusion_spatial_embedding_parameter[..., None, None]
        return memory.flatten(2).transpose(1, 2).to(torch.bfloat16).contiguous()

    def uses_multimask(self, points: int, first: bool) -> bool:
        """Tell whether the best of three masks is taken for `points` points (a box counts as two)."""
        config = self.config
        few = config.multimask_min_pt_num <= points <= config.multimask_max_pt_num
        return bool(config.multimask_output_in_sam and few and (first or config.multimask_output_for_tracking))

    @property
    def _tokens_per_pointer(self) -> int:
        return int(self.config.vision_config.fpn_hidden_size // self.config.memory_encoder_output_channels)

    def _or_hidden(self, pointer: Tensor, visible: Tensor) -> Tensor:
        return torch.where(visible, pointer, self.model.no_object_pointer)

    def _memory_tokens(self, recall: Recall) -> Tensor:
        width = self.config.memory_encoder_output_channels
        pointers = [pointer.reshape(-1, width) for _, pointer in recall.pointers]
        return torch.cat([*(picture.float() for _, picture in recall.pictures), *pointers])

    def _memory_token_positions(self, recall: Recall) -> Tensor:
        # The newest picture has the first embedding; pictures of age 0, the conditioning ones, have the last.
        ages = self.model.memory_temporal_positional_encoding[:, 0]
        pictures = [self._memory_positions + ages[age - 1] for age, _ in recall.pictures]
        split = self._tokens_per_pointer
        if not self.config.enable_temporal_pos_encoding_for_object_pointers:
            zeros = torch.zeros(len(recall.pointers) * split, ages.shape[-1], device=self.device)
            return torch.cat([*pictures, zeros])
        longest = self.config.max_object_pointers_in_encoder - 1
        pointer_ages = torch.tensor([age for age, _ in recall.pointers], dtype=torch.float32, device=self.device)
        sines = sine_1d(pointer_ages / longest, self.config.vision_config.fpn_hidden_size)
        pointers = self.model.temporal_positional_encoding_projection_layer(sines)
        return torch.cat([*pictures, pointers.repeat_interleave(split, 0)])


def _shrink(mask: Tensor, side: int) -> Tensor:
    return functional.interpolate(mask, (side, side), mode="bilinear", align_corners=False, antialias=True)
