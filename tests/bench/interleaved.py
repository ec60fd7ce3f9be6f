"""Time two ways of one computation in turns, and print them side by side."""

import platform
import statistics
import time
from collections.abc import Callable
from datetime import UTC, datetime

import numpy as np

ROUNDS = 31


def compare(shape: str, kernel: Callable[[], object], baseline: Callable[[], object]) -> None:
    """Print the median time of both over 31 ABAB rounds, after one warm-up each."""
    kernel(), baseline()
    rounds = [(_seconds(kernel), _seconds(baseline)) for _ in range(ROUNDS)]
    ours, theirs = (statistics.median(column) * 1e6 for column in zip(*rounds, strict=True))
    print(f"{shape:<58} {ours:>10.1f} us  baseline {theirs:>10.1f} us  {theirs / ours:>6.1f} x")


def announce(title: str) -> None:
    """Print what is measured, where, with what and when."""
    print(
        f"{title}; cpu {platform.machine()}, Python {platform.python_version()}, numpy {np.__version__}, "
        f"{datetime.now(UTC):%Y-%m-%d}, medians of {ROUNDS}"
    )


def _seconds(call: Callable[[], object]) -> float:
    started = time.perf_counter()
    call()
    return time.perf_counter() - started
