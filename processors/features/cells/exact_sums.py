"""Sums of floats that do not depend on their order.

A sum is kept as floats that do not overlap, and is rounded only when it is read. Source: Shewchuk, "Adaptive Precision
Floating-Point Arithmetic and Fast Robust Geometric Predicates" (1997), GROW-EXPANSION.
"""

from collections.abc import Iterable
from math import fsum

LARGEST = 1e100
"""Of a value, in size: sums of any number of them stay finite, and exact."""

SMALLEST = 1e-100
"""Of a value that is not 0, in size: products of the algorithm stay normal."""


def grow(sums: list[float], value: float) -> list[float]:
    """Add a value, in place.

    Args:
        sums: Floats that do not overlap, smallest first.
        value: At most ``LARGEST`` in size.

    Example:
        >>> sums = grow(grow(grow([], 1e16), 1.0), -1e16)
        >>> total(sums)
        1.0
    """
    place = 0
    for other in sums:
        if abs(value) < abs(other):
            value, other = other, value
        high = value + other
        low = other - (high - value)
        if low:
            sums[place] = low
            place += 1
        value = high
    sums[place:] = [value] if value or not place else []
    return sums


def joined(several: Iterable[list[float]]) -> list[float]:
    """Add sums up, into a new one."""
    sums: list[float] = []
    for one in several:
        for value in one:
            grow(sums, value)
    return sums


def total(sums: Iterable[float]) -> float:
    """Round a sum to the nearest float; never -0.0."""
    return fsum(sums) + 0.0
