"""``millrace bench features``: how fresh and right features are, how soon they are read, and how Feast compares."""

from collections.abc import Callable
from pathlib import Path

from tests.bench.feature_growth import growth
from tests.bench.feature_serving import PACE, beside_feast, http_reads, reads
from tests.bench.feature_stream import faults, freshness, throughput
from tests.bench.stack import Stack

MODULE = "tests.bench.feature_busy"
PER_S = 500.0
FRESH_S = 40.0
BACKLOG = 40_000
KEYS = 100_000
READ_S = 10.0
FAULTS = 3
Figures = dict[str, float | None]
Tell = Callable[[str], None]


def run(data: Path | None, tell: Tell, limit: int | None = None, peer: str | None = None) -> tuple[str, Figures]:
    """Measure everything; returns what it was measured on, and the figures.

    Args:
        data: Not used: events are invented.
        tell: Says what is measured now.
        limit: Keys that are read; events and seconds are then fewer, too.
        peer: A Python with Feast; without it nothing is compared with it.
    """
    small = limit is not None
    keys, read_s = limit or KEYS, 1.0 if small else READ_S
    fresh_s, backlog, rounds = (4.0, 4_000, 1) if small else (FRESH_S, BACKLOG, FAULTS)
    figures: Figures = {}
    with Stack(MILLRACE_FEATURES_MODULE=MODULE) as stack:
        tell(f"{PER_S:.0f} events a second for {fresh_s:.0f} s")
        figures |= freshness(stack, PER_S, fresh_s)
        tell(f"a backlog of {backlog:,} events on one core, 20 aggregations over 4 windows")
        figures |= throughput(stack, backlog)
    with Stack(MILLRACE_FEATURES_MODULE=MODULE) as stack:
        tell(f"kills of worker and broker under {PER_S:.0f} events a second, {rounds} times each")
        figures |= faults(stack, PER_S, rounds)
        tell(f"reads of {keys:,} keys of 50 features")
        served = stack.home / "served"
        figures |= reads(served, keys, read_s)
        environ = {**stack.environ, "MILLRACE_HOME": str(served)}
        tell("the same over HTTP, and three lookups with two functions")
        figures |= http_reads(served, environ, keys, read_s)
        tell("beside Feast" if peer else "no --peer: nothing to compare with Feast")
        compared, against = (_NO_PEER, "no Feast") if peer is None else beside_feast(peer, environ, keys, read_s)
        figures |= compared
    tell("thirty simulated days")
    figures |= growth(20, 4 if small else 40)
    return f"invented sales; {keys:,} keys of 50 features; 16 clients at {PACE:.0f} reads/s each; {against}", figures


_NO_PEER: Figures = dict.fromkeys(("feast_ratio", "feast_ratio_16", "feast_p50_ms", "feast_p99_ms"))
