from maskbus.results.patience import Patience


def test_who_waits_for_too_long_is_handed_out_once():
    patience = Patience(0.05)
    assert patience.next() is None
    first = patience.begin("a", lambda _: None, 10.0)
    second = patience.begin("b", lambda _: None, 10.02)
    assert patience.next() == 10.05
    assert patience.passed(10.04) == []
    assert patience.passed(10.05) == [first]
    assert patience.passed(10.06) == []
    assert patience.passed(11.0) == [second]
    assert patience.next() is None


def test_who_has_been_answered_waits_no_longer():
    patience = Patience(0.05)
    answers = []
    first = patience.begin("a", answers.append, 10.0)
    patience.begin("b", answers.append, 10.01)
    first.answer([b"x"])
    assert patience.next() == 10.01 + 0.05
    (late,) = patience.passed(20.0)
    late.answer(None)
    late.answer([b"too late"])
    first.answer([b"twice"])
    assert answers == [[b"x"], None]


def test_who_is_given_up_is_never_answered():
    patience = Patience(0.05)
    answers = []
    lookup = patience.begin("a", answers.append, 10.0)
    patience.give_up()
    lookup.answer([b"x"])
    assert (answers, patience.next(), patience.passed(20.0)) == ([], None, [])
