"""Masks by what they show: another model proposes them, CLIP compares them with texts."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from maskbus import everything
from maskbus.handlers.text_choice import Choice, Chosen, choose
from maskbus.handlers.text_embedding import TextEmbedding
from maskbus.handlers.text_options import check_options, template
from maskbus.handlers.text_proposals import Proposals
from maskbus.interfaces import (
    Availability,
    DecodeOptions,
    Embedding,
    Handler,
    Image,
    Job,
    LoadContext,
    Masks,
    ModelInfo,
    ModelUnavailable,
    Prompt,
    UnsupportedPrompt,
)
from maskbus.models import clip_recipe

FloatArray = npt.NDArray[np.float32]


class TextHandler(Handler):
    """Answer texts: "the glasses" gets the masks that look like glasses.

    Everything mode of another handler proposes masks, and CLIP's image tower makes a vector of each; that is the
    embedding, so that a second question to the same picture costs a few milliseconds. A text's vector is compared with
    them by cosine similarity, and `text_choice.choose` says which masks answer to it. Nothing that answers is no mask
    at all, never the whole picture.

    `predicted_iou` and `stability_score` are those of the proposals. Those of a union are the means of its parts,
    weighted by their areas: of parts that do not overlap, the mean IoU of that much of the picture.
    """

    info: ClassVar[ModelInfo] = ModelInfo(
        title="Texts: CLIP looks at what another model finds",
        prompts=frozenset({"text"}),
        # Of open_clip with the default weights, and of the rest. The licence of what proposes counts as well.
        licence="MIT AND Apache-2.0",
        homepage="https://github.com/mlfoundations/open_clip",
    )

    def __init__(self, context: LoadContext) -> None:
        super().__init__(context)
        check_options(context)
        self._choice = Choice.of(context.options, context.model)
        self._template = template(context)
        self._plan = Proposals.of(context)
        try:
            from maskbus.models import clip_loading
            from maskbus.models.clip_crops import Look
        except ImportError as problem:
            raise ModelUnavailable(f"{problem}: pip install 'maskbus[text]'") from problem
        self._look = Look
        self._clip = clip_loading.load(context)
        self._proposals = self._plan.handler(self._plan.context)

    @classmethod
    def availability(cls, context: LoadContext) -> Availability:
        """Tell whether the packages, CLIP's weights, and whatever the proposals need are there."""
        try:
            check_options(context)
            plan = Proposals.of(context)
            clip = clip_recipe.availability(context)
        except ModelUnavailable as problem:
            return Availability(ready=False, missing=str(problem).rstrip("."), weights="missing")
        own = plan.handler.availability(plan.context)
        lacks = [clip.missing] if clip.missing else []
        lacks += [f"{plan.name}: {own.missing}"] if own.missing else []
        words = {clip.weights, own.weights}
        word = next((word for word in ("missing", "unverified") if word in words), "present")
        return Availability(ready=clip.ready and own.ready, missing="; ".join(lacks), weights=word)

    @property
    def weights_digest(self) -> str:
        """Tell both models, and how they are used, from all others."""
        used = [
            self._clip.digest,
            asdict(self._clip.recipe),
            self._template,
            asdict(self._choice),
            self._plan.name,
            self._proposals.weights_digest,
            dict(self._plan.context.options),
            asdict(self._plan.settings),
        ]
        return hashlib.sha256(json.dumps(used, sort_keys=True, default=str).encode()).hexdigest()

    def embed(self, images: Sequence[Image], job: Job) -> Sequence[Embedding]:
        """Return the proposals of each image, with their vectors for the configured background and margin."""
        embedded = []
        for image in images:
            found = everything.search(self._proposals, image, self._plan.settings, job)
            one = TextEmbedding(image.rgb, found.objects)
            self._vectors(one, self._choice, job)
            embedded.append(one)
        return embedded

    def decode(self, embedding: Embedding, prompt: Prompt, options: DecodeOptions, job: Job) -> Masks:
        """Return the masks that the texts mean, the most similar first, or none; and how each text has fared."""
        assert isinstance(embedding, TextEmbedding)
        others = prompt.kinds - {"text"}
        if not prompt.texts:
            raise UnsupportedPrompt(f"{self.context.model} takes texts, and there is none in the prompt.")
        if others:
            words = ", ".join(sorted(others))
            raise UnsupportedPrompt(f"{self.context.model} takes texts alone, not together with {words}.")
        choice = self._choice.asked(options.text)
        texts = [self._template.replace("{}", text) for text in (*prompt.texts, *prompt.negative_texts)]
        seen = self._vectors(embedding, choice, job)
        said = self._clip.read(texts) if len(embedding) else np.zeros((len(texts), seen.shape[1]), np.float32)
        similarity = (seen @ said.T).clip(-1, 1)
        count = len(prompt.texts)
        chosen = choose(similarity[:, :count], similarity[:, count:], self._clip.scale, prompt.texts, choice)
        return self._answer(embedding, chosen, prompt.texts, job)

    def close(self) -> None:
        """Give back what the proposals' handler holds."""
        self._proposals.close()

    def _vectors(self, embedding: TextEmbedding, choice: Choice, job: Job) -> FloatArray:
        """Return the vectors of the proposals, as the choice has them looked at."""
        look = self._look(choice.background, choice.margin)
        boxes = [one.bbox for one in embedding.proposals]

        def patch(one: int) -> npt.NDArray[np.bool_]:
            return embedding.proposals[one].patch()

        return embedding.vectors(look, lambda: self._clip.see(embedding.rgb, boxes, patch, look, job))

    def _answer(self, embedding: TextEmbedding, chosen: Chosen, texts: Sequence[str], job: Job) -> Masks:
        height, width = embedding.rgb.shape[:2]
        masks = np.zeros((len(chosen.masks), height, width), np.bool_)
        iou = np.zeros(len(masks), np.float32)
        stability = np.zeros(len(masks), np.float32)
        known = np.array([one.predicted_iou for one in embedding.proposals], np.float32).clip(0, 1)
        for n, parts in enumerate(chosen.masks):
            job.check()
            embedding.draw(parts, masks[n])
            which = list(parts)
            iou[n] = np.average(known[which], weights=embedding.areas[which])
            stability[n] = np.average(embedding.stability[which], weights=embedding.areas[which])
        return Masks(
            masks=masks,
            predicted_iou=iou.clip(0, 1),
            stability_score=stability.clip(0, 1),
            labels=tuple(texts[text] for text in chosen.texts.tolist()),
            similarity=chosen.similarity,
            probability=chosen.probability,
            scores=chosen.scores,
        )
