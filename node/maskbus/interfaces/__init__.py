"""The plugin contract. A handler imports from here and from nowhere else in maskbus."""

from maskbus.interfaces.errors import (
    BadPrompt,
    DeadlinePassed,
    HandlerError,
    JobAborted,
    ModelUnavailable,
    UnsupportedPrompt,
)
from maskbus.interfaces.everything import (
    DEFAULT_EVERYTHING,
    EverythingSettings,
    Found,
    FoundObject,
)
from maskbus.interfaces.grid import Candidates, GridDecoder, ObjectFinder
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
from maskbus.interfaces.text import TextScore, TextSettings
from maskbus.interfaces.tracker import Tracked, Tracker, TrackerOptions
from maskbus.interfaces.tracker_prompt import check_tracker_prompt

__all__ = [
    "DEFAULT_EVERYTHING",
    "Availability",
    "BadPrompt",
    "Candidates",
    "DeadlinePassed",
    "DecodeOptions",
    "Embedding",
    "EverythingSettings",
    "Found",
    "FoundObject",
    "GridDecoder",
    "Handler",
    "HandlerError",
    "Image",
    "Job",
    "JobAborted",
    "LoadContext",
    "Masks",
    "ModelInfo",
    "ModelUnavailable",
    "ObjectFinder",
    "Prompt",
    "TextScore",
    "TextSettings",
    "Tracked",
    "Tracker",
    "TrackerOptions",
    "UnsupportedPrompt",
    "check_tracker_prompt",
]
