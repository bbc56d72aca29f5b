"""The demo's pictures show the prompts where they are."""

from __future__ import annotations

import numpy as np
import pytest

from maskbus.cli import demo
from maskbus.cli.demo_pictures import Panel, annotated, strip
from maskbus.cli.failure import CommandFailed


@pytest.fixture
def panel() -> Panel:
    grey = np.full((100, 200, 3), 90, np.uint8)
    return Panel("p", "caption", grey, points=[(50, 40, 1), (150, 40, 0)], boxes=[(20, 60, 180, 90)])


@pytest.mark.parametrize("height", [None, 50, 300])
def test_prompts_are_where_they_are_in_any_size(panel: Panel, height: int | None) -> None:
    image = annotated(panel, height)
    by = image.height / 100
    assert image.size == (round(200 * by), round(100 * by))

    def colour(x: float, y: float) -> tuple[int, int, int]:
        found = image.getpixel((round(x * by), round(y * by)))
        assert isinstance(found, tuple)
        return found[0], found[1], found[2]

    red, green, _ = colour(50, 40)
    assert green > red  # on the object
    red, green, _ = colour(150, 40)
    assert red > green  # on the background
    red, green, blue = colour(100, 61)
    assert red > blue  # the box
    assert green > blue
    assert colour(100, 75) == (90, 90, 90)
    assert colour(100, 20) == (90, 90, 90)


def test_a_picture_without_prompts_is_itself() -> None:
    pixels = np.arange(10 * 20 * 3, dtype=np.uint8).reshape(10, 20, 3)
    assert np.array_equal(np.asarray(annotated(Panel("p", "c", pixels))), pixels)


def test_the_strip_holds_all_of_them(panel: Panel) -> None:
    one, three = strip([panel]), strip([panel] * 3)
    assert three.width > 3 * one.width
    assert three.height == one.height


def test_without_scikit_image_the_demo_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(CommandFailed, match=r"maskbus\[demo\].*--photo"):
        demo.coffee()
