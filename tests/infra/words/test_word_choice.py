import pytest

from infra.words.word_choice import Choice, choose


def never(_terms) -> int:
    raise AssertionError("nobody need count that")


def test_words_that_fit_the_budget_together_are_all_ranked():
    assert choose({"zipper": 3, "dress": 5}, never, budget=8) == Choice(("zipper", "dress"), every=False, complete=True)


def test_the_rarest_decide_where_all_together_are_too_many():
    rows = {"the": 100, "dress": 5, "zipper": 3, "broke": 4}
    assert choose(rows, never, budget=8) == Choice(("zipper", "broke"), every=False, complete=False)


@pytest.mark.parametrize("rows", [{}, {"unheard": 0}])
def test_words_nobody_wrote_find_nothing(rows):
    assert choose(rows, never, budget=8) == Choice((), every=False, complete=True)


def test_common_words_must_stand_together_until_few_enough_rows_are_left():
    together = {("a", "b"): 30, ("a", "b", "c"): 8}
    rows = {"a": 100, "b": 100, "c": 100, "d": 100}
    assert choose(rows, lambda terms: together[tuple(terms)], budget=8) == Choice(("a", "b", "c"), True, False)


@pytest.mark.parametrize("count", [0, 50])
def test_all_rows_are_ranked_where_nothing_narrows_them(count):
    assert choose({"a": 100, "b": 90}, lambda _terms: count, budget=8) == Choice(("b", "a"), False, True)
