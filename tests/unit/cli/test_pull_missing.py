"""What `serve --pull` fetches: of each model that is offered, whatever its options make it need."""

import msgspec
import pytest

from maskbus.cli.models_command import _weights_of
from maskbus.config import Config

CASES = {
    "none": ("grabcut", {}, []),
    "its own": ("mobile-sam", {}, ["mobile-sam"]),
    "a file": ("mobile-sam", {"mobile-sam": {"options": {"weights": "/a"}}}, []),
    "another name": ("mine", {"mine": {"handler": "sam-vit-b"}}, ["sam-vit-b"]),
    "text": ("text", {}, ["clip-vit-b-32", "mobile-sam"]),
    "text otherwise": (
        "words",
        {"words": {"handler": "text", "options": {"pretrained": "openai", "proposals": "grabcut"}}},
        ["clip-vit-b-32-openai"],
    ),
    "text of a file": ("text", {"text": {"options": {"weights": "/a"}}}, ["mobile-sam"]),
}


@pytest.mark.parametrize(("name", "tables", "wanted"), CASES.values(), ids=CASES)
def test_what_a_model_needs(name, tables, wanted):
    assert _weights_of(name, msgspec.convert({"model": tables}, Config)) == wanted
