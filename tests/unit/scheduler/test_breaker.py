"""Leaving out what keeps failing."""

import pytest

from maskbus.scheduler import Breaker


@pytest.fixture
def breaker():
    return Breaker(3, 10.0)


@pytest.fixture
def opened(breaker):
    for _ in range(3):
        breaker.failed(100.0)
    return breaker


def test_failures_in_a_row_open_it(breaker):
    for _ in range(2):
        breaker.failed(100.0)
        assert breaker.may_try(100.0)
    breaker.failed(100.0)
    assert not breaker.may_try(100.0)
    assert breaker.left_out(104.0) == 6.0


def test_only_failures_in_a_row_count(breaker):
    for _ in range(5):
        breaker.failed(100.0)
        breaker.failed(100.0)
        breaker.succeeded()
    assert breaker.may_try(100.0)


def test_after_the_pause_one_may_try(opened):
    assert not opened.may_try(109.9)
    assert opened.may_try(110.0)
    opened.begin(1)
    assert not opened.may_try(1000.0)
    assert opened.left_out(1000.0) == 0.0


def test_one_success_closes_it(opened):
    opened.begin(1)
    opened.succeeded()
    assert opened.may_try(100.0)
    opened.failed(110.0)
    assert opened.may_try(110.0)


def test_one_failure_opens_it_again(opened):
    opened.begin(1)
    opened.failed(110.0)
    assert not opened.may_try(119.9)
    assert opened.may_try(120.0)


def test_whoever_tries_and_finds_nothing_out_lets_another_try(opened):
    opened.begin(1)
    opened.came_to_nothing(2)  # which was not trying
    assert not opened.may_try(110.0)
    opened.came_to_nothing(1)
    assert opened.may_try(110.0)
    opened.begin(3)
    assert not opened.may_try(110.0)


def test_a_late_failure_makes_the_pause_longer(opened):
    opened.failed(105.0)
    assert opened.left_out(105.0) == 10.0


def test_one_that_is_closed_does_not_mind_how_many_try(breaker):
    for who in range(5):
        assert breaker.may_try(0.0)
        breaker.begin(who)
    breaker.failed(0.0)
    assert breaker.may_try(0.0)
