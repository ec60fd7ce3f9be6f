from hypothesis import given
from hypothesis import strategies as st

from processors.search.fusion import fuse, stretched

scores = st.dictionaries(st.integers(1, 20), st.floats(-1e6, 1e6), max_size=12)


@given(scores, scores)
def test_every_row_of_either_ranking_comes_back_once_best_first(vectors, words):
    fused = fuse(vectors, words)
    assert sorted(one.row_id for one in fused) == sorted(vectors.keys() | words.keys())
    assert [one.score for one in fused] == sorted((one.score for one in fused), reverse=True)
    assert all(0 <= one.vector <= 1 and 0 <= one.words <= 1 and 0 <= one.score <= 1 for one in fused)


@given(scores)
def test_stretching_keeps_the_order(given_scores):
    after = stretched(given_scores)
    assert all(after[a] <= after[b] for a in after for b in after if given_scores[a] <= given_scores[b])


def test_a_row_that_both_find_beats_one_that_one_finds():
    assert [one.row_id for one in fuse({1: 0.9, 2: 0.8, 9: 0.1}, {3: 9.0, 2: 8.0, 9: 1.0})] == [2, 1, 3, 9]


def test_the_weight_says_what_counts():
    vectors, words = {1: 0.9, 2: 0.1}, {2: 5.0, 1: 1.0}
    assert [fuse(vectors, words, weight)[0].row_id for weight in (1.0, 0.0)] == [1, 2]


def test_a_single_hit_is_the_best_of_its_ranking_and_nothing_is_nothing():
    assert (fuse({}, {7: 0.3})[0].words, fuse({}, {})) == (1.0, [])


def test_equal_rows_are_in_order_of_their_ids():
    assert [one.row_id for one in fuse({3: 1.0, 1: 1.0, 2: 1.0}, {})] == [1, 2, 3]
