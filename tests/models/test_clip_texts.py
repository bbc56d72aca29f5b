"""Vectors of texts are kept, up to a number."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from maskbus.models.clip_texts import TextVectors


class Encoder:
    def __init__(self) -> None:
        self.read: list[list[str]] = []

    def __call__(self, texts: Sequence[str]) -> np.ndarray:
        self.read.append(list(texts))
        return np.array([[len(text), ord(text[0])] for text in texts], np.float32)


def test_each_text_is_encoded_once() -> None:
    encode = Encoder()
    vectors = TextVectors(encode)
    assert vectors.of(["a", "bb", "a"]).tolist() == [[1, 97], [2, 98], [1, 97]]
    assert vectors.of(["ccc", "bb"]).tolist() == [[3, 99], [2, 98]]
    assert encode.read == [["a", "bb"], ["ccc"]]


def test_the_least_used_goes_first() -> None:
    encode = Encoder()
    vectors = TextVectors(encode, most=2)
    vectors.of(["a", "b"])
    vectors.of(["a"])
    vectors.of(["c"])
    assert len(vectors) == 2
    vectors.of(["a", "c"])
    assert len(encode.read) == 2
    vectors.of(["b"])
    assert encode.read[-1] == ["b"]


def test_more_at_once_than_are_kept() -> None:
    vectors = TextVectors(Encoder(), most=2)
    texts = [letter * 2 for letter in "abcdef"]
    assert vectors.of(texts)[:, 1].tolist() == [ord(text[0]) for text in texts]
    assert len(vectors) == 2
