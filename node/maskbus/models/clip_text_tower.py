"""CLIP's half that reads."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

_AT_ONCE = 32


class TextTower:
    """Make vectors of length 1 of texts, in float32: on a CPU bfloat16 is slower with so little to compute."""

    def __init__(self, model: Any, tokenizer: Any, device: str) -> None:
        """Begin.

        Args:
            model: open_clip's, with its weights; its image tower is not needed.
            tokenizer: open_clip's: texts to tokens, int64 (N, T).
            device: Where the model is.
        """
        self._model = model
        self._tokenizer = tokenizer
        self._device = device
        # Where each word sees only those before it, what comes after the end of the text changes nothing.
        mask = getattr(model, "attn_mask", None)
        self._is_causal = mask is not None and getattr(model, "text_pool_type", "") == "argmax"

    def encode(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """Return the vectors of at least one text, (N, D)."""
        parts: list[Tensor] = []
        with torch.inference_mode():
            for start in range(0, len(texts), _AT_ONCE):
                tokens = self._tokenizer(list(texts[start : start + _AT_ONCE])).to(self._device)
                features = self._short(tokens) if self._is_causal else self._model.encode_text(tokens)
                parts.append(functional.normalize(features, dim=-1).cpu())
        vectors: npt.NDArray[np.float32] = torch.cat(parts).numpy()
        return vectors

    def _short(self, tokens: Tensor) -> Tensor:
        """Return what `encode_text` does, up to the end of the longest text: of 77 places most are empty."""
        model = self._model
        ends = tokens.argmax(-1)  # the token for the end has the highest number
        length = int(ends.max()) + 1
        features = model.token_embedding(tokens[:, :length]) + model.positional_embedding[:length]
        features = model.transformer(features, attn_mask=model.attn_mask[:length, :length])
        features = model.ln_final(features)[torch.arange(len(tokens), device=tokens.device), ends]
        projection = model.text_projection
        if projection is None:
            return features
        return projection(features) if isinstance(projection, nn.Linear) else features @ projection
