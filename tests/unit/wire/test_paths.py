"""Checks say where in its message the thing stands that they were given."""

import pytest

from maskbus_wire.errors import WireError
from maskbus_wire.image_checks import check_image
from maskbus_wire.limits import DEFAULT_LIMITS, Limits
from maskbus_wire.prompt_checks import check_inside, check_prompt
from maskbus_wire.prompts import Image, LogitsPrompt, MaskPrompt, Prompt, Slot

BOX = (0.0, 0.0, 1.0, 1.0)
RAW = {"attachment": 0, "encoding": "rgb8", "width": 5, "height": 3}


def path_of(call, *arguments):
    with pytest.raises(WireError) as caught:
        call(*arguments)
    return caught.value.path


@pytest.mark.parametrize(
    ("prompt", "tail"),
    [
        (Prompt(points=[(0.0, float("nan"))]), ".points[0]"),
        (Prompt(boxes=[BOX, (1.0, 0.0, 1.0, 1.0)]), ".boxes[1]"),
        (Prompt(points=[(0.0, 0.0)], labels=[1, 1]), ".labels"),
        (Prompt(points=[(0.0, 0.0)], boxes=[BOX, BOX]), ".points"),
        (Prompt(text=["cup", " "]), ".text[1]"),
        (Prompt(negative_text=["cup"]), ".negative_text"),
        (Prompt(mask=MaskPrompt(encoding="bits")), ".mask"),
        (Prompt(mask=MaskPrompt(encoding="bits", attachment=1)), ".mask.attachment"),
        (Prompt(mask=MaskPrompt(encoding="rle")), ".mask.counts"),
        (Prompt(logits=LogitsPrompt(attachment=0, shape=(0, 1))), ".logits.shape"),
    ],
)
def test_a_prompt(prompt, tail):
    assert path_of(check_prompt, prompt, 1, DEFAULT_LIMITS) == f"prompt{tail}"
    assert path_of(check_prompt, prompt, 1, DEFAULT_LIMITS, "objects[2].prompt") == f"objects[2].prompt{tail}"


def test_a_prompt_beside_the_image():
    assert path_of(check_inside, Prompt(points=[(5, 0)]), 5, 3, "objects[0].prompt") == "objects[0].prompt.points[0]"
    assert (
        path_of(check_inside, Prompt(boxes=[(0, 0, 6, 3)]), 5, 3, "objects[0].prompt") == "objects[0].prompt.boxes[0]"
    )


@pytest.mark.parametrize(
    ("image", "tail"),
    [
        (Image(), ""),
        (Image(**{**RAW, "attachment": 1}), ".attachment"),
        (Image(**{**RAW, "encoding": None}), ".encoding"),
        (Image(**{**RAW, "encoding": "yuv"}), ".encoding"),
        (Image(**{**RAW, "width": None}), ".width"),
        (Image(**{**RAW, "height": 0}), ".height"),
        (Image(**{**RAW, "step": 14}), ".step"),
        (Image(**{**RAW, "width": 9}), ""),
        (Image(image_id="x" * 257), ".image_id"),
        (Image(image_id="a", width=5), ".width"),
        (Image(slot=Slot(lease="a", index=64, generation=2)), ".slot.index"),
        (Image(slot=Slot(lease="a", index=0, generation=-1)), ".slot.generation"),
        (Image(slot=Slot(lease="a", index=0, generation=2), height=3), ".height"),
    ],
)
def test_an_image(image, tail):
    limits = Limits(pixels=15)
    assert path_of(check_image, image, 1, limits) == f"image{tail}"
    assert path_of(check_image, image, 1, limits, "frames[3]") == f"frames[3]{tail}"
