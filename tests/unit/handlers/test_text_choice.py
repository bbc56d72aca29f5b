"""Which masks answer to which text, by numbers alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from maskbus.handlers.text_choice import Choice, Chosen, choose
from maskbus.interfaces import BadPrompt, ModelUnavailable, TextSettings

TEXTS = ("cup", "plate")
SIMILARITY = np.array([[0.30, 0.10], [0.28, 0.27], [0.05, 0.20], [0.10, 0.26]], np.float32)
NONE = np.zeros((4, 0), np.float32)


def chosen(negative: np.ndarray = NONE, similarity: np.ndarray = SIMILARITY, scale: float = 100, **how: Any) -> Chosen:
    return choose(similarity, negative, scale, TEXTS, Choice(**how))


def test_softmax() -> None:
    found = chosen()
    # exp(0), exp(-2) of the cups; of the plates exp(0), exp(-1) and exp(-7).
    assert found.masks == ((0,), (1,), (3,))
    assert found.texts.tolist() == [0, 0, 1]
    assert found.similarity == pytest.approx([0.30, 0.28, 0.26])
    cups, plates = 1 + np.exp(-2), 1 + np.exp(-1) + np.exp(-7)
    assert found.probability == pytest.approx([1 / cups, np.exp(-2) / cups, np.exp(-1) / plates], abs=1e-4)
    assert [(score.text, score.masks, score.proposals) for score in found.scores] == [("cup", 2, 4), ("plate", 1, 4)]
    assert found.scores[1].similarity == pytest.approx(0.27)
    assert found.scores[1].probability == pytest.approx(1 / plates, abs=1e-3)
    assert [one[0] for one in chosen(threshold=0.5).masks] == [0, 1]
    assert sum(score.masks for score in chosen(threshold=1e-9).scores) == 4


def test_the_probabilities_of_a_text_add_up_to_one() -> None:
    random = np.random.default_rng(2)
    similarity = random.uniform(-1, 1, (50, 1)).astype(np.float32)
    found = choose(similarity, np.zeros((50, 0), np.float32), 100, ("cup",), Choice(select="top", top=50))
    assert float(found.probability.sum()) == pytest.approx(1)
    assert (np.diff(found.similarity) <= 0).all()


def test_cosine() -> None:
    assert chosen(select="cosine").masks == ((0,), (1,), (3,))
    assert chosen(select="cosine", threshold=0.27).masks == ((0,), (1,))
    nothing = chosen(select="cosine", threshold=0.9)
    assert nothing.masks == ()
    assert nothing.similarity.shape == nothing.probability.shape == nothing.texts.shape == (0,)
    assert [score.masks for score in nothing.scores] == [0, 0]
    assert nothing.scores[0].similarity == pytest.approx(0.30)


def test_top() -> None:
    # The best plate is a better cup, which the best cup is not.
    one = chosen(select="top")
    assert (one.masks, one.texts.tolist()) == (((0,), (1,)), [0, 1])
    two = chosen(select="top", top=2)
    assert (two.masks, two.texts.tolist()) == (((0,), (1,), (3,)), [0, 0, 1])
    assert len(chosen(select="top", top=99).masks) == 4


def test_negative_texts() -> None:
    negative = np.array([[0.31], [0.0], [0.0], [0.26]], np.float32)
    assert chosen(negative).masks == ((1,), (3,))  # as similar as is not less
    assert chosen(np.concatenate([NONE, negative, 1 - negative], 1)).masks == ()
    assert chosen(negative, select="top").masks == ((1,),)
    # What is left out counts among what was looked at.
    assert chosen(negative).scores[0].similarity == pytest.approx(0.30)
    assert chosen(negative).probability[0] == pytest.approx(float(chosen().probability[1]))


def test_union() -> None:
    found = chosen(combine="union")
    assert found.masks == ((0, 1), (3,))
    assert found.texts.tolist() == [0, 1]
    assert found.similarity == pytest.approx([0.30, 0.26])
    assert found.probability == pytest.approx(chosen().probability[[0, 2]])
    assert [score.masks for score in found.scores] == [2, 1]


def test_equals_go_to_the_first_text() -> None:
    same = np.full((2, 2), 0.5, np.float32)
    found = chosen(NONE[:2], same)
    assert found.masks == ((0,), (1,))
    assert found.texts.tolist() == [0, 0]


def test_nothing_was_looked_at() -> None:
    found = chosen(NONE[:0], SIMILARITY[:0], combine="union")
    assert found.masks == ()
    assert [(score.masks, score.proposals, score.similarity) for score in found.scores] == [(0, 0, None)] * 2


def test_a_large_scale_does_no_harm() -> None:
    found = chosen(scale=1e6)
    assert np.isfinite(found.probability).all()
    assert found.probability[0] == 1


def test_what_a_request_says_goes_first() -> None:
    own = Choice(select="cosine", threshold=0.4, margin=1.0)
    assert own.asked(TextSettings()) == own
    asked = own.asked(TextSettings(select="softmax", background="keep", margin=0.0))
    assert asked == Choice(select="softmax", threshold=None, background="keep", margin=0.0)
    assert own.asked(TextSettings(threshold=0.0)).threshold == 0.0
    assert own.asked(TextSettings(select="top", top=3)).top == 3
    with pytest.raises(BadPrompt, match="no threshold"):
        Choice(select="top").asked(TextSettings(threshold=0.1))


def test_options() -> None:
    assert Choice.of({}, "text") == Choice()
    assert Choice.of({"select": "top", "top": 2, "clip": "x"}, "text") == Choice(select="top", top=2)
    for name, value in (("threshold", "a"), ("top", 1.5), ("top", True), ("margin", float("nan")), ("combine", [])):
        with pytest.raises(ModelUnavailable, match=f"model.text.options.{name} = "):
            Choice.of({name: value}, "text")
