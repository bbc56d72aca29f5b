"""A SAM of any family at work: images to embeddings, prompts to mask logits."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from maskbus.interfaces import BadPrompt, Candidates, Image, Job, Prompt
from maskbus.models.crew import Crew
from maskbus.models.mask_decoder import Decoded, MaskDecoder, ProjectedImage
from maskbus.models.picture import Framing, Letterbox, Stretch
from maskbus.models.prompt_encoder import PromptEncoder

FloatArray = npt.NDArray[np.float32]
Encoder = Callable[[Tensor], Sequence[Tensor]]
"""The image encoder: (B, 3, S, S) in; the features of B images, out, on whatever device."""

_BACKGROUND, _OBJECT, _FIRST_CORNER, _LAST_CORNER, _FILLING = 0, 1, 2, 3, -1
_CERTAIN = 10.0
"""Logit of a pixel inside of a mask that was given as such."""
_STABILITY_DELTA, _STABILITY_THRESH = 0.05, 0.98
"""SAM 2 answers the mask for unambiguous prompts if it is stable by these, else the best of the others."""
_SAM2_LOGITS = 32.0
"""SAM 2 answers logits within ± this."""
_AT_ONCE = 4
"""Objects decoded at once: more do not fit into a core's cache."""


@dataclass(frozen=True)
class SamEmbedding:
    """All that is kept of an image."""

    framing: Framing
    image: ProjectedImage

    @property
    def nbytes(self) -> int:
        """Bytes, on whatever device."""
        return self.image.nbytes


@dataclass(frozen=True)
class Hypotheses:
    """The masks of one object."""

    logits: FloatArray
    """(K, h, w) at the model's resolution."""
    iou: FloatArray
    """(K,)."""


class Segmenter:
    """Join an image encoder, a prompt encoder and a mask decoder."""

    def __init__(
        self,
        encode: Encoder,
        prompt_encoder: PromptEncoder,
        decoder: MaskDecoder,
        *,
        no_memory: Tensor | None = None,
        device: str = "cpu",
        threads: int = 1,
        digest: str = "",
    ) -> None:
        """Begin.

        Args:
            encode: The image encoder.
            prompt_encoder: With its weights.
            decoder: With its weights; which family it is of decides how photos are framed and prompts are written.
            no_memory: (C,) SAM 2 only: what is added to the embedding of an image that is no frame of a video.
            device: Where prompts are decoded.
            threads: CPU threads that decode them.
            digest: SHA-256 of the weights, hex.
        """
        self.encode = encode
        self.digest = digest
        self._prompts = prompt_encoder.to(device)
        self._decoder = decoder.to(device)
        self._sam2 = decoder.sam2
        self._device = torch.device(device)
        self._crew = Crew(threads if self._device.type == "cpu" else 1)
        with torch.inference_mode():
            self._positions = prompt_encoder.positions()
            self._no_mask = prompt_encoder.no_mask()
            self._no_memory = None if no_memory is None else no_memory.to(self._device).view(-1, 1, 1)

    @property
    def low_side(self) -> int:
        """Height and width of mask logits."""
        return 4 * self._prompts.side

    def framing(self, height: int, width: int) -> Framing:
        """Return how a photo of this size lies in the model's square."""
        kind = Stretch if self._sam2 else Letterbox
        return kind(height, width, self._prompts.input_side)

    def embed(self, images: Sequence[Image], job: Job) -> list[SamEmbedding]:
        """Encode images, all at once."""
        framings = [self.framing(image.height, image.width) for image in images]
        squares = []
        for framing, image in zip(framings, images, strict=True):
            job.check()
            if self._device.type == "cpu":
                squares.append(framing.tensor(image.rgb))
            else:
                squares.append(framing.tensor_on(image.rgb, self._device))
        with torch.inference_mode():
            features = self.encode(torch.stack(squares))
            job.check()
            return [
                SamEmbedding(framing, self._project([level[i] for level in features]))
                for i, framing in enumerate(framings)
            ]

    def _project(self, levels: Sequence[Tensor]) -> ProjectedImage:
        embedding, *finer = (level.to(self._device) for level in levels)
        if self._no_memory is not None:
            embedding = embedding + self._no_memory
        coarse, fine = finer if finer else (None, None)
        return self._decoder.project(embedding, self._no_mask, self._positions, coarse, fine)

    def decode(self, embedding: SamEmbedding, prompt: Prompt, job: Job, *, several: bool) -> list[Hypotheses]:
        """Return the hypotheses of each object of a prompt: three where `several` are wanted, else one.

        Raises:
            BadPrompt: for logits that are not of this model's shape.
        """
        places, labels = self._written(embedding.framing, prompt)
        with self._crew.at_work():
            image = embedding.image
            logits = self._mask_prompt(embedding.framing, prompt)
            if logits is not None:
                dense = self._prompts.dense(torch.from_numpy(logits).to(self._device))
                image = self._decoder.add_dense(image, dense - self._no_mask, self._positions)
            found: list[Hypotheses] = []
            for start in range(0, len(places), _AT_ONCE):
                job.check()
                sparse = self._sparse(places[start : start + _AT_ONCE], labels[start : start + _AT_ONCE])
                decoded = self._decoder.decode(image, self._positions, sparse, self._crew)
                found += [self._answer(image, decoded, n, several) for n in range(len(sparse))]
        return found

    def decode_grid(self, embedding: SamEmbedding, points: FloatArray, pred_iou_thresh: float, job: Job) -> Candidates:
        """Return the masks of single points whose predicted IoU is above a threshold; no other is drawn."""
        job.check()
        places = embedding.framing.places(points)[:, None]
        places = np.concatenate([places, np.zeros_like(places)], 1)
        labels = np.tile(np.array([[_OBJECT, _FILLING]]), (len(points), 1))
        with self._crew.at_work():
            sparse = self._sparse(places, labels)
            decoded = self._decoder.decode(embedding.image, self._positions, sparse, self._crew)
            iou = decoded.iou[:, 1:]
            passed = iou > pred_iou_thresh
            which = passed.any(1).nonzero()[:, 0]
            drawn = self._draw(embedding.image, decoded, which, [1, 2, 3]) if len(which) else None
            side = self.low_side
            logits = np.zeros((0, side, side), np.float32) if drawn is None else _array(drawn[passed[which]])
            point, _ = passed.nonzero(as_tuple=True)
            return Candidates(logits, _array(iou[passed]), point.cpu().numpy().astype(np.intp))

    def _answer(self, image: ProjectedImage, decoded: Decoded, n: int, several: bool) -> Hypotheses:
        which = torch.tensor([n])
        if several or not self._sam2:
            chosen = [1, 2, 3] if several else [0]
            drawn = self._draw(image, decoded, which, chosen)[0]
        else:
            best = 1 + int(decoded.iou[n, 1:].argmax())
            drawn = self._draw(image, decoded, which, [0, best])[0]
            certain = (drawn[0] > _STABILITY_DELTA).sum() / (drawn[0] > -_STABILITY_DELTA).sum().clamp(min=1)
            stable = bool(certain >= _STABILITY_THRESH) or not bool((drawn[0] > -_STABILITY_DELTA).any())
            chosen = [0] if stable else [best]
            drawn = drawn[:1] if stable else drawn[1:]
        return Hypotheses(_array(drawn), _array(decoded.iou[n, chosen]))

    def _draw(self, image: ProjectedImage, decoded: Decoded, which: Tensor, hypotheses: list[int]) -> Tensor:
        return self._decoder.draw(image, decoded, which, hypotheses, self._crew)

    def _sparse(self, places: FloatArray, labels: npt.NDArray[np.int_]) -> Tensor:
        at, kind = torch.from_numpy(places).to(self._device), torch.from_numpy(labels).to(self._device)
        return self._prompts.sparse(at, kind)

    def _written(self, framing: Framing, prompt: Prompt) -> tuple[FloatArray, npt.NDArray[np.int_]]:
        """Return places (N, T, 2) in the square, and their labels (N, T), as the authors' predictors order them.

        SAM: points, then corners, and filling after points that have no box. SAM 2: corners, points, filling.
        """
        points = framing.places(prompt.points.astype(np.float32))
        labels = prompt.labels.astype(np.int_)
        objects = max(1, len(prompt.boxes))
        parts = [(np.tile(points, (objects, 1, 1)), np.tile(labels, (objects, 1)))]
        if len(prompt.boxes):
            corners = framing.places(prompt.boxes.astype(np.float32).reshape(-1, 2, 2))
            kinds = np.tile(np.array([_FIRST_CORNER, _LAST_CORNER]), (objects, 1))
            parts.insert(0 if self._sam2 else 1, (corners, kinds))
        if (self._sam2 and not prompt.kinds <= {"mask", "logits"}) or (len(points) and not len(prompt.boxes)):
            parts.append((np.zeros((objects, 1, 2), np.float32), np.full((objects, 1), _FILLING)))
        return np.concatenate([part[0] for part in parts], 1), np.concatenate([part[1] for part in parts], 1)

    def _mask_prompt(self, framing: Framing, prompt: Prompt) -> FloatArray | None:
        side = self.low_side
        if prompt.logits is not None:
            if prompt.logits.shape != (side, side):
                height, width = prompt.logits.shape
                raise BadPrompt(f"The logits to refine are {width}×{height}; this model's are {side}×{side}.")
            return np.ascontiguousarray(prompt.logits)
        if prompt.mask is not None:
            return (2 * framing.shrink(prompt.mask.astype(np.float32), side) - 1) * np.float32(_CERTAIN)
        return None

    def answered_logits(self, logits: FloatArray) -> FloatArray:
        """Return logits as they are handed out, to come back as a prompt."""
        return logits.clip(-_SAM2_LOGITS, _SAM2_LOGITS) if self._sam2 else logits


def _array(tensor: Tensor) -> FloatArray:
    array: FloatArray = tensor.float().cpu().numpy()
    return array
