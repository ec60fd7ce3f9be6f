"""Whether one way is better than another on the same questions, or only luckier."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

RESAMPLES = 10_000
BLOCK = 500
"""Resamples drawn at once: bounds memory at BLOCK times the number of questions."""


@dataclass(frozen=True, slots=True)
class Interval:
    """A difference of means, and where it probably lies."""

    difference: float
    low: float
    high: float

    @property
    def clear(self) -> bool:
        """Whether 0 lies outside: the difference is more than luck."""
        return self.low > 0 or self.high < 0


def paired_interval(
    ours: Sequence[float],
    theirs: Sequence[float],
    *,
    seed: int = 0,
    level: float = 0.95,
    resamples: int = RESAMPLES,
) -> Interval:
    """Return the percentile bootstrap interval of ``mean(ours) - mean(theirs)``.

    Questions are drawn with replacement, and both ways keep their scores of the same question (Efron and
    Tibshirani, An Introduction to the Bootstrap, 1993, chapter 13; for rankings Sakai, SIGIR 2006).

    Args:
        ours: One score a question.
        theirs: The other way's, of the same questions in the same order.
        seed: Equal seeds give equal intervals.
        level: Share of resamples inside, above 0 and below 1.
        resamples: How often the questions are drawn, at least 1.

    Raises:
        ValueError: If the two differ in length, or there are no questions.

    Example:
        >>> paired_interval([0.5, 0.7, 0.9], [0.4, 0.6, 0.8]).clear
        True
        >>> paired_interval([1.0, 0.0], [0.0, 1.0]).clear
        False
    """
    if len(ours) != len(theirs) or not len(ours):
        raise ValueError(f"{len(ours)} and {len(theirs)} scores; both need the same questions, at least one")
    differences = np.asarray(ours, np.float64) - np.asarray(theirs, np.float64)
    generator, size = np.random.default_rng(seed), len(differences)
    means = [
        differences[generator.integers(0, size, (min(BLOCK, resamples - start), size))].mean(axis=1)
        for start in range(0, resamples, BLOCK)
    ]
    tail = (1 - level) / 2
    low, high = np.quantile(np.concatenate(means), (tail, 1 - tail))
    return Interval(float(differences.mean()), float(low), float(high))
