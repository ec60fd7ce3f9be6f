import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processors.evaluation.metrics import Quality, judge, mean, ndcg_at, precision_at, recall_at, reciprocal_rank_at

GRADES = {"a": 3.0, "b": 2.0, "c": 3.0, "d": 0.0, "e": 1.0, "f": 2.0}
RANKING = ["a", "b", "c", "d", "e", "f"]
"""The example everybody computes: DCG 6.861, best 7.141, nDCG .961."""

documents = st.sampled_from([f"d{number}" for number in range(12)])
rankings = st.lists(documents, unique=True, max_size=12)
judged = st.dictionaries(documents, st.integers(0, 3), min_size=1).filter(lambda grades: any(grades.values()))


def test_graded_gain_is_what_it_is_by_hand() -> None:
    gained = 3 + 2 / math.log2(3) + 3 / 2 + 0 + 1 / math.log2(6) + 2 / math.log2(7)
    best = 3 + 3 / math.log2(3) + 2 / 2 + 2 / math.log2(5) + 1 / math.log2(6)
    assert ndcg_at(RANKING, GRADES, 6) == pytest.approx(gained / best)
    assert ndcg_at(RANKING, GRADES, 6) == pytest.approx(0.9608, abs=5e-5)


def test_the_numbers_of_one_ranking_by_hand() -> None:
    found = judge(["x", "a", "y", "e", "b"], GRADES, 4)
    best = 3 + 3 / math.log2(3) + 2 / 2 + 2 / math.log2(5)
    expected = Quality(2 / 4, 2 / 5, 1 / 2, (3 / math.log2(3) + 1 / math.log2(5)) / best)
    assert found.precision == expected.precision
    assert found.recall == expected.recall
    assert found.mrr == expected.mrr
    assert found.ndcg == pytest.approx(expected.ndcg)


def test_what_lies_below_k_does_not_count() -> None:
    assert judge(["x", "y", "a"], {"a": 1}, 2) == Quality(0.0, 0.0, 0.0, 0.0)


def test_a_short_ranking_is_still_a_share_of_k() -> None:
    assert precision_at(["a"], {"a": 1}, 5) == 0.2
    assert recall_at(["a"], {"a": 1}, 5) == 1.0


def test_an_empty_ranking_is_worth_nothing() -> None:
    assert judge([], {"a": 1}, 10) == Quality(0.0, 0.0, 0.0, 0.0)


def test_a_grade_below_zero_is_no_loss_and_not_relevant() -> None:
    assert ndcg_at(["spam", "a"], {"a": 1, "spam": -2}, 10) == pytest.approx(1 / math.log2(3))
    assert reciprocal_rank_at(["spam", "a"], {"a": 1, "spam": -2}, 10) == 0.5


@pytest.mark.parametrize(
    ("ranking", "grades", "k"),
    [(["a", "a"], {"a": 1}, 10), (["a"], {"a": 0}, 10), (["a"], {}, 10), (["a"], {"a": 1}, 0)],
)
def test_what_cannot_be_measured_is_refused(ranking, grades, k) -> None:
    with pytest.raises(ValueError):
        judge(ranking, grades, k)


def test_nothing_has_no_mean() -> None:
    with pytest.raises(ValueError):
        mean([])


@given(rankings, judged, st.integers(1, 12))
def test_all_lie_between_zero_and_one_and_the_best_order_gains_all(ranking, grades, k) -> None:
    quality = judge(ranking, grades, k)
    assert all(0 <= value <= 1 + 1e-12 for value in (quality.precision, quality.recall, quality.mrr, quality.ndcg))
    assert ndcg_at(sorted(grades, key=lambda name: -grades[name]), grades, k) == pytest.approx(1.0)


@given(rankings.filter(lambda ranking: len(ranking) > 1), judged, st.data())
def test_moving_a_better_document_up_never_costs(ranking, grades, data) -> None:
    place = data.draw(st.integers(1, len(ranking) - 1))
    above, below = (grades.get(name, 0) for name in ranking[place - 1 : place + 1])
    swapped = [*ranking[: place - 1], ranking[place], ranking[place - 1], *ranking[place + 1 :]]
    change = ndcg_at(swapped, grades, 12) - ndcg_at(ranking, grades, 12)
    assert change * (below - above) >= -1e-12
