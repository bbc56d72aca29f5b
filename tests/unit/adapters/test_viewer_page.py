"""The page's own files: nothing from elsewhere, and words that can be read in both schemes."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from maskbus.adapters import viewer

FILES = Path(viewer.__file__).with_name("static")
STYLE = (FILES / "view.css").read_text()


def scheme(text: str) -> dict[str, str]:
    return dict(re.findall(r"--([\w-]+):\s*(#[0-9a-f]{6});", text))


def luminance(colour: str) -> float:
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


LIGHT = scheme(STYLE.partition("@media (prefers-color-scheme: dark)")[0])
DARK = LIGHT | scheme(STYLE.partition("@media (prefers-color-scheme: dark)")[2])


@pytest.mark.parametrize("colours", [LIGHT, DARK], ids=["light", "dark"])
@pytest.mark.parametrize(
    ("words", "ground"),
    [
        ("ink", "ground"),
        ("ink", "panel"),
        ("soft", "panel"),
        ("soft", "ground"),
        ("soft", "stage"),
        ("bad", "bad-ground"),
        ("on-accent", "accent"),
    ],
)
def test_words_stand_out(colours, words, ground):
    assert contrast(colours[words], colours[ground]) >= 4.5


@pytest.mark.parametrize("file", sorted(FILES.iterdir()), ids=lambda file: file.name)
def test_nothing_is_loaded_from_elsewhere(file):
    text = file.read_text().replace("http://www.w3.org/2000/svg", "").replace("ws://${location.host}", "")
    assert "//" not in re.sub(r"^\s*//.*|; // .*|\{ // .*", "", text, flags=re.MULTILINE)
    assert not re.search(r"\bon\w+=|style=|eval\(|innerHTML", text)
    for name in re.findall(r"""(?:from|src=|href=)\s*["']([^"'#]+)["']""", text):
        assert (FILES / Path(name).name).is_file()
