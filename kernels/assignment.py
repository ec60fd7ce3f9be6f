"""Compare vectors with centroids."""

import numpy as np
import numpy.typing as npt

Whole = npt.NDArray[np.int8] | npt.NDArray[np.float32]
"""Whole numbers in int8 or float32."""


def similarities(vectors: Whole, centroids: Whole) -> npt.NDArray[np.float32]:
    """Return the dot product of every vector with every centroid: ``V C^T``.

    Exact, and so the same on every machine and in every batch, while ``D * max|v| * max|c| <= 2**24``: float32
    then holds each partial sum. Rows of length 127 stay 1,000 times below that bound.

    Args:
        vectors: ``(N, D)`` int8, or float32 holding whole numbers.
        centroids: ``(K, D)``, same kinds.

    Returns:
        ``(N, K)`` float32, ``127 ** 2`` times the cosine for rows of length 127. N or K may be 0.

    Raises:
        ValueError: If the two differ in ``D``.
    """
    # Not int8 @ int8: numpy would wrap around at 8 bits, and has no BLAS for integers.
    return vectors.astype(np.float32, copy=False) @ centroids.astype(np.float32, copy=False).T


def nearest(vectors: Whole, centroids: Whole) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]:
    """Return each vector's centroid of largest dot product, and that product.

    Args:
        vectors: ``(N, D)``, as in :func:`similarities`.
        centroids: ``(K, D)`` with K >= 1.

    Returns:
        Index ``(N,)`` int64, the first one among equals, and score ``(N,)`` float32.

    Raises:
        ValueError: If there is no centroid, or the two differ in ``D``.
    """
    if not len(centroids):
        raise ValueError("no centroids to choose from")
    scores = similarities(vectors, centroids)
    index = scores.argmax(axis=1)
    return index, scores[np.arange(len(scores)), index]
