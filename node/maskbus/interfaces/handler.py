"""The plugin contract: what a model must be to answer on the bus."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Protocol

from maskbus.interfaces.errors import UnsupportedPrompt
from maskbus.interfaces.everything import DEFAULT_EVERYTHING, EverythingSettings, FoundObject
from maskbus.interfaces.image import Image
from maskbus.interfaces.masks import Masks
from maskbus.interfaces.prompt import Prompt
from maskbus.interfaces.text import TextSettings
from maskbus.interfaces.tracker import Tracker, TrackerOptions


@dataclass(frozen=True)
class ModelInfo:
    """Describe a model without loading it."""

    title: str
    """One line for a human."""
    prompts: frozenset[str]
    """Which of "points", "boxes", "mask", "logits", "text" and "none" (no prompt at all) it takes.

    The node refuses other kinds before they reach the handler.
    """
    licence: str
    """SPDX expression of the code and the weights it runs with."""
    multimask: bool = False
    """Whether it can offer several hypotheses for one prompt."""
    has_logits: bool = False
    """Whether it answers logits."""
    cache_embeddings: bool = True
    """Whether embeddings are worth keeping. Where not, the image's digest is not computed either."""
    everything: EverythingSettings = DEFAULT_EVERYTHING
    """The preset "default" of everything mode for this model. Whoever takes points can do everything mode."""
    tracks: bool = False
    """Whether it follows objects through a video: `Handler.tracker`."""
    batch: int = 1
    """How many images `embed` is given at once where so many wait."""
    offered: bool = True
    """Whether it is served unless the configuration says otherwise."""
    cache_results: bool = True
    """Whether the same question has the same answer, so that the node may keep it. Where not `cache_embeddings`, it is
    not worth it either."""
    alone: bool = False
    """Whether it is only ever loaded in a worker process of its own, and never inside of another handler."""
    homepage: str = ""


@dataclass(frozen=True)
class Availability:
    """Tell whether a model can run here, and if not, what it still needs."""

    ready: bool
    missing: str = ""
    """One sentence, with the command that helps; empty when ready."""
    weights: str = "none needed"
    """"none needed", "present", "missing", or "unverified": present, but nobody publishes a digest to compare with."""


@dataclass(frozen=True)
class LoadContext:
    """What a handler is given when its worker starts."""

    model: str
    device: str = "cpu"
    """"cpu", "cuda:0", …, as torch names them."""
    threads: int = 0
    """How many CPU threads it may use. A node plans them for a worker on the CPU; 0 lets its libraries choose."""
    weights_dir: Path = Path()
    options: Mapping[str, Any] = field(default_factory=dict)
    """The model's own table in the configuration."""


class Job(Protocol):
    """What a handler may ask about the job it works on."""

    def check(self) -> None:
        """Raise `JobAborted` if the requester has cancelled or it is too late. Call it between chunks of work."""

    def remaining(self) -> float:
        """Return the seconds left until the deadline."""

    def progress(self, done: int, total: int, found: Sequence[FoundObject] = ()) -> None:
        """Tell how far a long job is; the requester hears of it if it asked to.

        Args:
            done: Points that have been decoded.
            total: Points in all.
            found: Masks found since the last call. They are candidates: duplicates are removed at the end.
        """


class Embedding(Protocol):
    """What `embed` makes of an image and `decode` needs; kept by the worker in a cache with a byte cap."""

    @property
    def nbytes(self) -> int:
        """Bytes this embedding holds, on whatever device."""


@dataclass(frozen=True)
class DecodeOptions:
    """How the requester wants the answer, besides the prompt."""

    multimask: bool = False
    """Answer several hypotheses for one prompt where the model has them."""
    logits: bool = False
    """Fill `Masks.logits`."""
    text: TextSettings = field(default_factory=TextSettings)
    """How masks are chosen where the prompt has texts."""
    extra: Mapping[str, Any] = field(default_factory=dict)
    """The request's `options` map, as sent: the handler checks what it uses of it."""


class Handler(ABC):
    """Segment images in two stages: `embed` once an image, `decode` once a prompt.

    A subclass is named in the entry-point group `maskbus.handlers`; the entry point's name is the model's name. Its
    module must be cheap to import: what is heavy (torch, weights) is imported and loaded in `__init__`, which runs only
    in the model's own worker process. Calls come one at a time, from one thread.
    """

    info: ClassVar[ModelInfo]

    def __init__(self, context: LoadContext) -> None:
        """Load the model. Raise `ModelUnavailable` if that cannot be."""
        self.context = context

    @property
    def batch(self) -> int:
        """How many images `embed` is given at once where so many wait. A handler may make it depend on its device."""
        return self.info.batch

    @property
    def weights_digest(self) -> str:
        """Tell the weights from all others that a model of this name may have: answers are kept under it.

        Known once the model is loaded; empty where there are none.
        """
        return ""

    @classmethod
    def availability(cls, context: LoadContext) -> Availability:
        """Tell whether the model could be loaded here, without loading it and without importing anything heavy."""
        return Availability(ready=True)

    @abstractmethod
    def embed(self, images: Sequence[Image], job: Job) -> Sequence[Embedding]:
        """Return one embedding for each image. Several images come where the node has them waiting."""

    @abstractmethod
    def decode(self, embedding: Embedding, prompt: Prompt, options: DecodeOptions, job: Job) -> Masks:
        """Return the masks that `prompt` points at, in the size of the image the embedding was made of."""

    def tracker(self, options: TrackerOptions) -> Tracker:
        """Begin to follow objects through a video. Only where `info.tracks`."""
        raise UnsupportedPrompt(f"{self.context.model} does not follow objects through a video.")

    def close(self) -> None:  # noqa: B027 — most handlers hold nothing that must be given back
        """Give back what the model holds. Called once, when the worker stops."""
