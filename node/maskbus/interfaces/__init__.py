"""The plugin contract. A handler imports from here and from nowhere else in maskbus."""

from maskbus.interfaces.errors import (
    BadPrompt,
    DeadlinePassed,
    HandlerError,
    JobAborted,
    ModelUnavailable,
    UnsupportedPrompt,
)
from maskbus.interfaces.handler import (
    Availability,
    DecodeOptions,
    Embedding,
    Handler,
    Job,
    LoadContext,
    ModelInfo,
)
from maskbus.interfaces.image import Image
from maskbus.interfaces.masks import Masks
from maskbus.interfaces.prompt import Prompt

__all__ = [
    "Availability",
    "BadPrompt",
    "DeadlinePassed",
    "DecodeOptions",
    "Embedding",
    "Handler",
    "HandlerError",
    "Image",
    "Job",
    "JobAborted",
    "LoadContext",
    "Masks",
    "ModelInfo",
    "ModelUnavailable",
    "Prompt",
    "UnsupportedPrompt",
]
