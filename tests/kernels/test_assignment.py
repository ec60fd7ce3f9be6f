import numpy as np
import pytest

from kernels.assignment import nearest, similarities

RNG = np.random.default_rng(11)


def reference(vectors, centroids):
    """Every dot product in Python's whole numbers."""
    return np.array(
        [[sum(int(a) * int(b) for a, b in zip(v, c, strict=True)) for c in centroids] for v in vectors], np.float64
    ).reshape(len(vectors), len(centroids))


def draw(rows, dimensions):
    return RNG.integers(-127, 128, (rows, dimensions), dtype=np.int8)


@pytest.mark.parametrize(
    ("n", "k", "dimensions"), [(1, 1, 1), (3, 48, 128), (17, 72, 129), (0, 5, 8), (5, 0, 8), (2, 3, 1024)]
)
@pytest.mark.parametrize("kinds", [(np.int8, np.int8), (np.int8, np.float32), (np.float32, np.float32)])
def test_dot_products_are_exact_whole_numbers(n, k, dimensions, kinds):
    vectors, centroids = draw(n, dimensions), draw(k, dimensions)
    got = similarities(vectors.astype(kinds[0]), centroids.astype(kinds[1]))
    assert got.dtype == np.float32
    np.testing.assert_array_equal(got, reference(vectors, centroids))


def test_the_largest_products_neither_wrap_around_nor_round():
    extreme = np.full((1, 1024), -128, np.int8)
    np.testing.assert_array_equal(similarities(extreme, extreme), reference(extreme, extreme))


def test_each_row_is_the_same_alone_and_in_a_batch():
    vectors, centroids = draw(65, 128), draw(48, 128)
    whole = similarities(vectors, centroids)
    alone = np.concatenate([similarities(vectors[row : row + 1], centroids) for row in range(65)])
    np.testing.assert_array_equal(whole, alone)
    np.testing.assert_array_equal(whole, reference(vectors, centroids))


def test_the_nearest_centroid_is_the_one_of_largest_product():
    vectors, centroids = draw(40, 16), draw(9, 16)
    index, score = nearest(vectors, centroids)
    wanted = reference(vectors, centroids)
    assert (index.dtype, score.dtype) == (np.int64, np.float32)
    np.testing.assert_array_equal(index, wanted.argmax(axis=1))
    np.testing.assert_array_equal(score, wanted.max(axis=1))


def test_among_equals_the_first_wins():
    centroids = np.array([[0, 1], [2, 0], [2, 0]], np.int8)
    vectors = np.array([[1, 0], [0, 0]], np.int8)
    index, score = nearest(vectors, centroids)
    np.testing.assert_array_equal(score, reference(vectors, centroids).max(axis=1))
    assert index.tolist() == [1, 0]


def test_no_vectors_have_no_nearest():
    index, score = nearest(draw(0, 4), draw(3, 4))
    assert reference(draw(0, 4), draw(3, 4)).shape == (0, 3)
    assert (len(index), len(score)) == (0, 0)


def test_without_centroids_there_is_nothing_to_choose():
    with pytest.raises(ValueError, match="no centroids"):
        nearest(draw(2, 4), draw(0, 4))


def test_other_dimensions_are_refused():
    with pytest.raises(ValueError, match="mismatch"):
        similarities(draw(2, 4), draw(2, 5))
