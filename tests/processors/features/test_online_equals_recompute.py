"""Whatever comes in whatever order, what is read equals what a walk over all standing events says."""

from dataclasses import dataclass

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from processors.features import (
    Count,
    DecayedRate,
    Distinct,
    Events,
    FeatureTable,
    First,
    Last,
    Max,
    Mean,
    Min,
    Quantile,
    Ratio,
    Sum,
)
from processors.features.reading import read_features
from processors.features.tiles import KeyState, add, new_state, prune, remove, restore

DAY = 86_400_000_000
TABLE = FeatureTable(
    "all_kinds",
    "customer",
    Events("sale"),
    {
        "count": Count(),
        "sum": Sum("x"),
        "mean": Mean("x"),
        "min": Min("x"),
        "max": Max("x"),
        "first": First("x"),
        "last": Last("x"),
        "distinct": Distinct("x"),
        "median": Quantile("x", q=0.5),
        "rate": DecayedRate(half_life="10m"),
        "ratio": Ratio(top=Sum("x"), bottom=Count()),
    },
    windows=("1m", "1h", "7d", "all"),
)
SHAPE = TABLE.shape


@dataclass(frozen=True)
class Happened:
    at: int
    name: str
    x: float | None

    @property
    def values(self):
        return tuple(
            True if use.of is None and use.shape.kind != "decayed_rate" else 1.0 if use.of is None else self.x
            for use in TABLE.uses
        )

    @property
    def moment(self):
        return (self.at, self.name)


class Kept:
    """A key with its events, as the stream keeps them: every change is stored and read again."""

    def __init__(self):
        self.state = new_state(SHAPE)
        self.events = {}

    def put(self, one, sent):
        self.take(one.name)
        add(SHAPE, self.state, one.moment, one.values, sent)
        self.events[one.name] = one
        self.store()

    def take(self, name):
        old = self.events.pop(name, None)
        if old is not None:
            for span in remove(SHAPE, self.state, old.moment, old.values):
                inside = [
                    e
                    for e in self.events.values()
                    if (span.begin_us is None or e.at >= span.begin_us) and e.at < span.end_us
                ]
                assert restore(SHAPE, self.state, span, [(e.moment, e.values) for e in inside])
            self.store()

    def store(self):
        prune(SHAPE, self.state)
        self.state = msgspec.msgpack.decode(msgspec.msgpack.encode(self.state), type=KeyState)

    def read(self, at):
        def between(begin, end):
            return [(e.moment, e.values) for e in self.events.values() if begin <= e.at <= end]

        return read_features(SHAPE, self.state, at, between)


def expected(events, at):
    """A walk over all events, without tiles."""
    told = {}
    for window, (width, hop) in {
        "_1m": (60_000_000, 1_000_000),
        "_1h": (3_600_000_000, 60_000_000),
        "_7d": (7 * DAY, 3_600_000_000),
        "": (None, None),
    }.items():
        begin = None if width is None else (at - width) // hop * hop
        mine = sorted((e for e in events if e.at <= at and (begin is None or e.at >= begin)), key=lambda e: e.moment)
        xs = [e.x for e in mine if e.x is not None]
        from math import fsum

        told |= {
            f"count{window}": len(mine),
            f"sum{window}": fsum(xs) + 0.0,
            f"mean{window}": fsum(xs) / len(xs) if xs else None,
            f"min{window}": min(xs, default=None),
            f"max{window}": max(xs, default=None),
            f"first{window}": xs[0] if xs else None,
            f"last{window}": xs[-1] if xs else None,
            f"distinct{window}": len({float(x) for x in xs}),
            f"ratio{window}": fsum(xs) / len(mine) if mine else None,
        }
    return told


HOURS = st.integers(-20 * 24, 0)
STEP = st.tuples(
    st.sampled_from(["put", "put", "put", "take"]),
    st.integers(0, 9),
    st.one_of(
        st.integers(-120, 5).map(lambda s: s * 1_000_000),
        HOURS.map(lambda h: h * 3_600_000_000),
        st.integers(-7200, 600).map(lambda s: s * 1_000_000 + 333),
    ),
    st.one_of(
        st.none(),
        st.sampled_from([0.1, 0.2, 0.3, 1e16, -1e16, -7.5, 0.0]),
        st.floats(-1e6, 1e6).filter(lambda x: x == 0 or abs(x) > 1e-50).map(lambda x: x + 0.0),
    ),
    st.integers(0, 120_000_000),
)


@settings(max_examples=150, deadline=None)
@given(st.lists(STEP, max_size=40), st.integers(0, 3 * DAY))
def test_the_row_online_equals_a_walk_over_the_events_that_stand(steps, later):
    kept, now = Kept(), 1_700_000_000_000_000
    for what, number, offset, x, passes in steps:
        now += passes
        if what == "put":
            kept.put(Happened(now + offset, f"e{number}", x), now)
        else:
            kept.take(f"e{number}")
    for at in (now, now + later):
        read = kept.read(at)
        want = expected(kept.events.values(), at)
        assert {name: read[name] for name in want} == want
        fresh = Kept()
        shuffled = sorted(kept.events.values(), key=lambda e: hash((e.name, len(steps))))
        for one in shuffled:
            fresh.put(one, now)
        assert msgspec.json.encode(fresh.read(at)) == msgspec.json.encode(read)
