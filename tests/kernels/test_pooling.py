import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernels.pooling import MOST_TOKENS, pool

RNG = np.random.default_rng(7)
TABLE = RNG.integers(-127, 128, (50, 7), dtype=np.int8)


def reference(table, tokens, lengths):
    """Text by text, in float64, from the formula."""
    vectors, start = [], 0
    for length in lengths:
        total = sum(
            (table[token].astype(np.float64) for token in tokens[start : start + length]), np.zeros(table.shape[1])
        )
        norm = np.sqrt((total**2).sum())
        vectors.append(np.rint(total * (127 / norm)) if norm else total)
        start += length
    return np.array(vectors).reshape(len(lengths), table.shape[1])


def check(table, tokens, lengths):
    got = pool(table, tokens, lengths)
    assert got.dtype == np.int8
    np.testing.assert_array_equal(got, reference(table, tokens, lengths))
    return got


@pytest.mark.parametrize("dimensions", [1, 3, 128, 129])
@pytest.mark.parametrize("lengths", [[1], [3, 0, 5], [0, 0], [300, 1, 2, 300], list(range(40))])
def test_pooling_equals_the_formula_at_odd_shapes(dimensions, lengths):
    table = RNG.integers(-127, 128, (50, dimensions), dtype=np.int8)
    check(table, RNG.integers(0, 50, sum(lengths)), np.array(lengths))


def test_an_empty_text_is_all_zeros_wherever_it_stands():
    got = check(TABLE, np.array([4, 5]), np.array([0, 1, 0, 1, 0]))
    assert not got[[0, 2, 4]].any()
    assert got[[1, 3]].any(axis=1).all()


def test_no_texts_give_no_rows():
    assert check(TABLE, np.zeros(0, np.int64), np.zeros(0, np.int64)).shape == (0, 7)


def test_rows_that_cancel_out_give_zeros():
    table = np.array([[1, -2], [-1, 2]], np.int8)
    assert not check(table, np.array([0, 1]), np.array([2])).any()


def test_the_longest_text_is_still_summed_exactly():
    table = np.array([[-128, 1], [-127, 0]], np.int8)
    tokens = np.arange(MOST_TOKENS) % 2
    np.testing.assert_array_equal(check(table, tokens, np.array([MOST_TOKENS])), [[-127, 0]])


def test_a_longer_text_is_refused():
    with pytest.raises(ValueError, match="parts of 0 to 131072"):
        pool(TABLE, np.zeros(MOST_TOKENS + 1, np.int64), np.array([MOST_TOKENS + 1]))


def test_vectors_have_length_127_up_to_rounding():
    got = check(TABLE, RNG.integers(0, 50, 90), np.full(30, 3)).astype(np.float64)
    np.testing.assert_allclose(np.linalg.norm(got, axis=1), 127, atol=np.sqrt(7) / 2)


@given(st.lists(st.integers(0, 9), max_size=30), st.integers(0, 30))
def test_a_batch_cut_anywhere_gives_the_same_rows(lengths, cut):
    sizes = np.array(lengths, np.int64)
    tokens = np.random.default_rng(len(lengths)).integers(0, 50, int(sizes.sum()))
    middle = int(sizes[:cut].sum())
    parts = [pool(TABLE, tokens[:middle], sizes[:cut]), pool(TABLE, tokens[middle:], sizes[cut:])]
    np.testing.assert_array_equal(np.concatenate(parts), check(TABLE, tokens, sizes))


@given(st.permutations(range(6)))
def test_the_order_of_a_texts_tokens_changes_nothing(order):
    tokens = np.array([3, 9, 9, 20, 31, 49])
    np.testing.assert_array_equal(check(TABLE, tokens[list(order)], np.array([6])), check(TABLE, tokens, np.array([6])))


@pytest.mark.parametrize("lengths", [[1], [4], [4, -1]])
def test_lengths_that_do_not_fit_the_tokens_are_refused(lengths):
    with pytest.raises(ValueError, match="lengths sum to"):
        pool(TABLE, np.array([1, 2, 3]), np.array(lengths))


def test_a_token_beyond_the_table_is_refused():
    with pytest.raises(IndexError):
        pool(TABLE, np.array([50]), np.array([1]))
