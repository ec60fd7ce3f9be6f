import numpy as np
import pytest

from processors.evaluation.bootstrap import paired_interval


def test_equal_seeds_give_equal_intervals_and_others_nearly_equal_ones() -> None:
    generator = np.random.default_rng(7)
    ours, theirs = generator.random(80), generator.random(80)
    one, again, other = (paired_interval(ours, theirs, seed=seed) for seed in (1, 1, 2))
    assert one == again
    assert one != other
    assert abs(one.low - other.low) < 0.01


def test_the_same_question_stays_together() -> None:
    scores = list(np.random.default_rng(0).random(50))  # vary far more than the two ways differ
    found = paired_interval([score + 0.01 for score in scores], scores)
    assert found.clear
    assert found.high - found.low < 1e-9


def test_the_interval_agrees_with_the_formula_where_there_is_one() -> None:
    differences = np.random.default_rng(3).normal(0.02, 0.1, 400)
    found = paired_interval(differences, np.zeros(400))
    half = 1.96 * differences.std() / np.sqrt(400)
    assert found.difference == pytest.approx(differences.mean())
    assert found.low == pytest.approx(differences.mean() - half, abs=0.001)
    assert found.high == pytest.approx(differences.mean() + half, abs=0.001)


def test_it_covers_the_truth_as_often_as_it_says() -> None:
    generator = np.random.default_rng(11)
    covered = 0
    for seed in range(200):
        found = paired_interval(generator.normal(0.3, 1, 60), np.zeros(60), seed=seed, level=0.9, resamples=400)
        covered += found.low <= 0.3 <= found.high
    assert 0.84 <= covered / 200 <= 0.95


@pytest.mark.parametrize(("ours", "theirs"), [([], []), ([1.0], [1.0, 2.0])])
def test_scores_of_other_questions_are_refused(ours, theirs) -> None:
    with pytest.raises(ValueError):
        paired_interval(ours, theirs)


def test_more_resamples_than_a_block_are_all_drawn() -> None:
    scores = np.random.default_rng(5).random(30)
    assert paired_interval(scores, np.zeros(30), resamples=1) != paired_interval(scores, np.zeros(30), resamples=1_200)
