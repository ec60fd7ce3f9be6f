"""``python -m tests.bench.pooling``: pool against np.add.reduceat on the same rows."""

import numpy as np

from kernels.pooling import pool
from tests.bench.interleaved import announce, compare


def reduceat(table, tokens, lengths):
    """Pool the textbook way; needs texts without gaps."""
    starts = np.cumsum(lengths) - lengths
    sums = np.add.reduceat(table[tokens], starts, axis=0, dtype=np.int32).astype(np.float64)
    return np.rint(sums * (127 / np.linalg.norm(sums, axis=1))[:, None]).astype(np.int8)


def main():
    announce("pool against np.add.reduceat")
    rng = np.random.default_rng(0)
    table = rng.integers(-127, 128, (30_522, 128), dtype=np.int8)
    for texts in (1, 8, 200, 2_000):
        lengths = rng.integers(3, 25, texts)
        tokens = rng.integers(0, len(table), int(lengths.sum()))
        np.testing.assert_array_equal(pool(table, tokens, lengths), reduceat(table, tokens, lengths))
        shape = f"table (30522, 128) int8, tokens ({len(tokens)},) int64, N {texts}"
        compare(shape, lambda: pool(table, tokens, lengths), lambda: reduceat(table, tokens, lengths))  # noqa: B023


if __name__ == "__main__":
    main()
