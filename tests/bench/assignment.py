"""``python -m tests.bench.assignment``: similarities against numpy's own whole-number product."""

import numpy as np

from kernels.assignment import similarities
from tests.bench.interleaved import announce, compare


def whole(vectors, centroids):
    """Multiply in int32, which numpy does without BLAS."""
    return (vectors.astype(np.int32) @ centroids.astype(np.int32).T).astype(np.float32)


def main():
    announce("similarities against an int32 product")
    rng = np.random.default_rng(0)
    for n, k in ((1, 48), (8, 48), (48, 48), (2_000, 72)):
        vectors = rng.integers(-127, 128, (n, 128), dtype=np.int8)
        centroids = rng.integers(-127, 128, (k, 128), dtype=np.int8)
        np.testing.assert_array_equal(similarities(vectors, centroids), whole(vectors, centroids))
        shape = f"vectors ({n}, 128) int8, centroids ({k}, 128) int8"
        compare(shape, lambda: similarities(vectors, centroids), lambda: whole(vectors, centroids))  # noqa: B023


if __name__ == "__main__":
    main()
