"""One request on its way from model to model."""

import random
from collections import deque

import pytest

from maskbus.scheduler import Trial


def trial(*models, deadline=100.0, least=0.0, share=None):
    return Trial(deque(models), deadline, least, share, None)


def test_models_come_in_order_until_there_is_none():
    one = trial("a", "b")
    assert [one.next(0.0), one.next(1.0), one.next(2.0)] == ["a", "b", None]


def test_when_the_time_is_over_no_other_is_tried():
    one = trial("a", "b")
    assert one.next(99.9) == "a"
    assert one.next(100.0) is None
    assert one.verdict()[0] == "deadline_exceeded"


@pytest.mark.parametrize(
    ("share", "due"),
    [(None, [25.0, 100 / 3, 50.0, 100.0]), (0.1, [10.0, 10.0, 10.0, 100.0]), (1.0, [100.0] * 4)],
)
def test_each_has_its_part_of_what_is_left_and_the_last_all_of_it(share, due):
    one = trial(*"abcd", share=share)
    for until in due:
        one.next(0.0)
        assert one.due(0.0) == pytest.approx(until)


def test_what_one_does_not_take_the_others_have():
    one = trial("a", "b", "c", deadline=30.0)
    one.next(0.0)
    assert one.due(0.0) == 10.0
    one.next(2.0)
    assert one.due(2.0) == 16.0


@pytest.mark.parametrize(
    ("least", "best", "enough"),
    [(0.0, 0.0, True), (0.0, None, False), (0.5, 0.5, True), (0.5, 0.49, False), (0.0, float("nan"), False)],
)
def test_an_answer_needs_a_mask_that_is_good_enough(least, best, enough):
    assert trial("a", least=least).accepts(best) == enough


def test_the_best_is_kept_and_all_others_are_given_back():
    seed = 7
    print(f"seed {seed}")
    chance = random.Random(seed)
    for _ in range(200):
        values = [chance.choice([None, 0.0, 0.3, 0.3, 0.8]) for _ in range(chance.randint(1, 6))]
        one = trial(*map(str, range(len(values))), least=0.9)
        answers = [object() for _ in values]
        dropped = []
        for value, answer in zip(values, answers, strict=True):
            one.next(0.0)
            dropped.append(one.fell_short(value, answer, 0.0))
        ranks = [-1.0 if value is None else value for value in values]
        best = ranks.index(max(ranks))  # of two as good the first
        assert one.best == (ranks[best], str(best), answers[best])
        assert {*dropped} - {None} == {*answers} - {answers[best]}
        assert [attempt.code for attempt in one.tried] == ["nothing_found"] * len(values)


def test_attempts_tell_how_long_they_took():
    one = trial("a", "b")
    one.next(1.0)
    one.failed("internal", "No.", 1.5)
    one.next(1.5)
    one.failed("busy", "Full.", 1.5)
    assert [(attempt.model, attempt.code, attempt.ms) for attempt in one.tried] == [
        ("a", "internal", 500),
        ("b", "busy", 0),
    ]


@pytest.mark.parametrize(
    ("codes", "verdict"),
    [
        (["internal", "unknown_model"], "internal"),
        (["busy", "left_out"], "busy"),
        (["left_out"], "model_unavailable"),
        (["left_out", "unsupported_prompt"], "unsupported_prompt"),
        (["worker_died", "out_of_memory", "model_unavailable"], "out_of_memory"),
    ],
)
def test_what_failed_last_at_something_but_being_absent_is_the_verdict(codes, verdict):
    one = trial(*map(str, range(len(codes))))
    for code in codes:
        one.next(0.0)
        one.failed(code, f"It is {code}.", 0.0)
    code, sentence = one.verdict()
    assert code == verdict
    assert all(f"{i}: It is {code}" in sentence for i, code in enumerate(codes))


def test_what_is_held_is_given_back_once():
    one, given = trial("a"), []
    one.let_go = lambda: given.append(1)
    one.finish()
    one.finish()
    assert given == [1]
