"""Texts get the masks that they mean: a real CLIP, trained on coloured shapes, over real proposals."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from maskbus.contract import CancelledJob, FreeJob, HandlerContract
from maskbus.handlers.text import TextHandler
from maskbus.interfaces import (
    BadPrompt,
    DecodeOptions,
    Embedding,
    Handler,
    Image,
    JobAborted,
    LoadContext,
    Masks,
    ModelUnavailable,
    Prompt,
    TextSettings,
    UnsupportedPrompt,
)
from support import flood, tiny_clip
from support.tiny_clip_fixture import tiny  # noqa: F401 — a fixture

NAMES = ["red circle", "blue circle", "red square", "green triangle", "yellow star", "purple square"]
PHOTO = tiny_clip.photo(NAMES, seed=3)


@pytest.fixture(scope="module")
def handler(tiny: Mapping[str, Any]) -> Iterator[Handler]:  # noqa: F811
    with flood.installed():
        context = LoadContext("text", threads=2, options={**tiny, "proposals": "flood"})
        assert TextHandler.availability(context).ready
        loaded = TextHandler(context)
        yield loaded
        loaded.close()


@pytest.fixture(scope="module")
def embedding(handler: Handler) -> Embedding:
    return handler.embed([Image(PHOTO.rgb)], FreeJob())[0]


class TestText(HandlerContract):
    handler = TextHandler

    @pytest.fixture(autouse=True)
    def _loaded(self, handler: Handler) -> None:
        self.loaded = handler

    def make(self) -> Handler:
        return self.loaded

    def context(self) -> LoadContext:
        return self.loaded.context


def ask(handler: Handler, embedding: Embedding, *texts: str, no: tuple[str, ...] = (), **settings: Any) -> Masks:
    options = DecodeOptions(text=TextSettings(**settings))
    return handler.decode(embedding, Prompt(texts=texts, negative_texts=no), options, FreeJob())


def iou(one: np.ndarray, other: np.ndarray) -> float:
    return float((one & other).sum() / (one | other).sum())


@pytest.mark.parametrize("background", ["black", "mean", "blur", "keep"])
@pytest.mark.parametrize("name", NAMES)
def test_the_right_mask_is_the_best(handler: Handler, embedding: Embedding, name: str, background: str) -> None:
    masks = ask(handler, embedding, f"a {name}", select="top", background=background)
    assert len(masks) == 1
    assert iou(masks.masks[0], PHOTO.masks[name]) > 0.8
    assert masks.labels == (f"a {name}",)
    assert masks.similarity is not None
    assert masks.probability is not None
    assert masks.similarity[0] > 0.45
    assert masks.probability[0] > 0.4
    rows, columns = (np.flatnonzero(masks.masks[0].any(axis)) for axis in (1, 0))
    box = (rows[-1] - rows[0] + 1) * (columns[-1] - columns[0] + 1)
    assert masks.predicted_iou[0] == pytest.approx(0.6 + 0.4 * masks.masks[0].sum() / box, abs=1e-5)
    assert masks.stability_score[0] == pytest.approx(masks.predicted_iou[0] - 0.1, abs=1e-5)


def test_a_red_circle_among_others(handler: Handler, embedding: Embedding) -> None:
    masks = ask(handler, embedding, "a red circle")
    assert 1 <= len(masks) <= 2
    assert iou(masks.masks[0], PHOTO.masks["red circle"]) > 0.8
    assert masks.probability is not None
    (score,) = masks.scores
    assert (score.text, score.masks) == ("a red circle", len(masks))
    assert score.proposals == len(embedding) > len(NAMES)
    assert score.probability == pytest.approx(float(masks.probability[0]))


def test_by_similarity_each_and_united(handler: Handler, embedding: Embedding) -> None:
    each = ask(handler, embedding, "something red", select="cosine", threshold=0.5)
    assert each.labels == ("something red",) * 2
    assert each.similarity is not None
    assert each.similarity[0] >= each.similarity[1] >= 0.5
    both = PHOTO.masks["red circle"] | PHOTO.masks["red square"]
    assert iou(each.masks.any(0), both) > 0.8
    united = ask(handler, embedding, "something red", select="cosine", threshold=0.5, combine="union")
    assert len(united) == 1
    assert np.array_equal(united.masks[0], each.masks.any(0))
    assert united.scores == each.scores
    assert united.scores[0].masks == 2


def test_a_negative_text_takes_away(handler: Handler, embedding: Embedding) -> None:

    def found(name: str, **settings: Any) -> bool:
        masks = ask(handler, embedding, "a blue circle", select="top", top=len(embedding), **settings).masks
        return any(iou(mask, PHOTO.masks[name]) > 0.8 for mask in masks)

    assert found("blue circle")
    assert found("red circle")
    assert found("blue circle", no=("a green star", "a red circle"))
    assert not found("red circle", no=("a green star", "a red circle"))


def test_the_best_few_of_each_text(handler: Handler, embedding: Embedding) -> None:
    masks = ask(handler, embedding, "a circle", "a square", select="top", top=2)
    assert masks.labels is not None
    assert sorted(masks.labels) == ["a circle"] * 2 + ["a square"] * 2
    assert masks.similarity is not None
    assert (np.diff(masks.similarity) <= 0).all()


def test_nothing_found_is_no_mask(handler: Handler, embedding: Embedding) -> None:
    masks = ask(handler, embedding, "a yellow circle", "a red circle", select="cosine", threshold=0.99)
    assert masks.masks.shape == (0, *PHOTO.rgb.shape[:2])
    assert [(score.text, score.masks) for score in masks.scores] == [("a yellow circle", 0), ("a red circle", 0)]
    worse, better = (score.similarity for score in masks.scores)
    assert worse is not None
    assert better is not None
    assert worse < better < 0.99


def test_a_picture_without_objects(handler: Handler) -> None:
    one = handler.embed([Image(np.full((1, 1, 3), 7, np.uint8))], FreeJob())[0]
    for options in (TextSettings(), TextSettings(background="keep")):
        prompt = Prompt(texts=("a red circle",), negative_texts=("a star",))
        masks = handler.decode(one, prompt, DecodeOptions(text=options), FreeJob())
        assert masks.scores[0].proposals <= 1


def test_no_proposals(handler: Handler) -> None:
    options = {**handler.context.options, "settings": {"min_area": 10**6}}
    blind = TextHandler(replace(handler.context, options=options))
    empty = blind.embed([Image(PHOTO.rgb)], FreeJob())[0]
    masks = blind.decode(empty, Prompt(texts=("a star", "a circle")), DecodeOptions(), FreeJob())
    assert masks.masks.shape == (0, *PHOTO.rgb.shape[:2])
    assert [(score.masks, score.proposals, score.similarity) for score in masks.scores] == [(0, 0, None)] * 2


def test_what_is_no_text_is_refused(handler: Handler, embedding: Embedding) -> None:
    point = {"points": np.zeros((1, 2), np.float32), "labels": np.ones(1, np.int8)}
    for prompt in (Prompt(), Prompt(**point), Prompt(negative_texts=("a star",))):
        with pytest.raises(UnsupportedPrompt, match=r"^text takes texts, and there is none in the prompt\.$"):
            handler.decode(embedding, prompt, DecodeOptions(), FreeJob())
    with pytest.raises(UnsupportedPrompt, match=r"^text takes texts alone, not together with points\.$"):
        handler.decode(embedding, Prompt(texts=("a star",), **point), DecodeOptions(), FreeJob())


def test_texts_are_read_once(handler: Handler, embedding: Embedding, monkeypatch: pytest.MonkeyPatch) -> None:
    assert isinstance(handler, TextHandler)
    first = ask(handler, embedding, "a green star")
    read = []
    monkeypatch.setattr(handler._clip._texts, "_encode", lambda texts: read.append(texts))
    again = ask(handler, embedding, "a green star")
    assert not read
    assert first.scores == again.scores


def test_another_look_is_kept_within_what_was_said(
    handler: Handler, embedding: Embedding, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert isinstance(handler, TextHandler)
    said = embedding.nbytes
    for margin in np.linspace(0, 4, 9):
        ask(handler, embedding, "a star", background="blur", margin=float(margin))
    assert embedding.nbytes == said
    assert len(embedding._vectors) == 4
    looked = []
    monkeypatch.setattr(handler._clip, "see", lambda *_: looked.append(1))
    ask(handler, embedding, "a star", background="blur", margin=4.0)
    assert not looked


def test_a_cancelled_job_ends_between_batches(handler: Handler, embedding: Embedding) -> None:
    with pytest.raises(JobAborted):
        handler.decode(
            embedding,
            Prompt(texts=("a star",)),
            DecodeOptions(text=TextSettings(background="black", margin=0.77)),
            CancelledJob(),
        )


def test_its_digest_stands_for_all_that_matters(handler: Handler, tiny: Mapping[str, Any]) -> None:  # noqa: F811
    digests = {handler.weights_digest}
    for options in ({"margin": 0.5}, {"template": "{}!"}, {"settings": {"points_per_side": 4}}):
        context = replace(handler.context, options={**handler.context.options, **options})
        digests.add(TextHandler(context).weights_digest)
    assert len(digests) == 4
    assert TextHandler(handler.context).weights_digest in digests


def test_its_own_defaults_come_from_the_options(handler: Handler, embedding: Embedding) -> None:
    options = {"select": "cosine", "threshold": 0.99, "combine": "union"}
    strict = TextHandler(replace(handler.context, options={**handler.context.options, **options}))
    assert len(ask(strict, embedding, "something red")) == 0
    assert len(ask(strict, embedding, "something red", threshold=0.5)) == 1
    assert len(ask(strict, embedding, "something red", threshold=0.5, combine="each")) == 2
    top = TextHandler(replace(handler.context, options={**handler.context.options, "select": "top"}))
    assert len(ask(top, embedding, "something red")) == 1
    with pytest.raises(BadPrompt, match="no threshold"):
        ask(top, embedding, "something red", threshold=0.5)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"proposals": "nobody"}, "there is no such handler"),
        ({"proposals": "text"}, "finds no objects without being shown any"),
        ({"proposals": "alone"}, "only ever loaded in a process of its own"),
        ({"proposals_options": 3}, "must be a table"),
        ({"preset": "huge"}, "must be one of default, dense, fast"),
        ({"settings": {"points": 3}}, "settings.points: there is no such setting; there are points_per_side"),
        ({"settings": {"points_per_side": 0.5}}, "points_per_side = 0.5 must be a whole number"),
        ({"settings": {"points_per_side": 0}}, "too small"),
        ({"select": "all"}, "select = 'all' must be one of softmax, cosine, top"),
        ({"top": 0}, "top = 0 must be a whole number, at least 1"),
        ({"margin": 5}, "margin = 5 must be 0 to 4"),
        ({"threshold": True}, "threshold = True must be -1 to 1"),
        ({"template": "a photo"}, "must be a sentence with one {}"),
        ({"treshold": 0.1}, "options.treshold: there is no such option; there are background"),
    ],
)
def test_options_that_make_no_sense(tiny: Mapping[str, Any], options: dict[str, Any], words: str) -> None:  # noqa: F811
    with flood.installed():
        context = LoadContext("text", options={**tiny, "proposals": "flood", **options})
        found = TextHandler.availability(context)
        with pytest.raises(ModelUnavailable) as raised:
            TextHandler(context)
    assert words in str(raised.value)
    if "select" not in options and not {"top", "margin", "threshold"} & set(options):
        assert words in found.missing


def test_availability_names_all_that_is_missing(tmp_path: Path) -> None:
    found = TextHandler.availability(LoadContext("text", weights_dir=tmp_path))
    assert not found.ready
    assert found.weights == "missing"
    assert "maskbus models pull clip-vit-b-32 --weights-dir" in found.missing
    assert "mobile-sam: its weights" in found.missing
    assert "maskbus models pull mobile-sam" in found.missing
