"""Any points that decode, however absurd: what a record's types allow and no digest would write."""

from hypothesis import strategies as st

from schemas.points import (
    BAND_NAMES,
    Band,
    Bands,
    Evidence,
    Flag,
    FlagCounts,
    Forgotten,
    Metrics,
    Point,
    Points,
    RatingCounts,
    ValueForMoney,
)

HUGE = [2**63, 10**200, 10**308, -1, -(10**300)]
ABSURD = st.integers(-3, 9) | st.sampled_from(HUGE)
FLOATS = st.sampled_from([0.0, 0.5, 1.0, -2.5, 1e308, -1e308, 5e-324]) | st.floats(0, 1)
IDS = st.sampled_from(["r1", "r2", "r3"])
PIECES = [
    "The strap ",
    "broke",
    " is soft",
    "I love it",
    ". ",
    "\x00",
    "…",
    "not ",
    "It ",
    '"',
    ", and ",
    "\u202e",
    "é",
]
TEXTS = st.lists(st.sampled_from(PIECES), max_size=6).map("".join)
EVIDENCE = st.builds(Evidence, review_id=IDS, quote=TEXTS)
FLAG = st.builds(Flag, kind=st.sampled_from(["safety", "severe", "profanity"]), review_id=IDS, quote=TEXTS)
VALUE = st.builds(
    ValueForMoney,
    stance=st.sampled_from(["good", "poor", "mixed", "unknown"]),
    good=ABSURD,
    poor=ABSURD,
    unclear=ABSURD,
    evidence=st.lists(EVIDENCE, max_size=2),
)
METRICS = st.builds(
    Metrics,
    review_count=st.sampled_from([0, 1, 9, 2**63 - 1]),
    mean_rating=st.none() | FLOATS,
    rating_counts=st.builds(RatingCounts, one=ABSURD, five=ABSURD),
    last_30_days=ABSURD,
)


def points_with(
    product_ids: st.SearchStrategy[str],
    bands: st.SearchStrategy[int],
    counts: st.SearchStrategy[int],
    forgotten: st.SearchStrategy[int],
) -> st.SearchStrategy[Points]:
    """Build points with such counts of reviews in bands, of points, and of forgotten reviews."""
    point = st.builds(
        Point,
        point_id=IDS,
        label=TEXTS,
        headline=TEXTS,
        review_count=counts,
        share=FLOATS,
        trend=FLOATS,
        evidence=st.lists(EVIDENCE, max_size=2),
    )
    band = st.builds(Band, review_count=bands, points=st.lists(point, max_size=2))
    return st.builds(
        Points,
        product_id=product_ids,
        revision=st.integers(0, 9) | st.just(2**63 - 1),
        op=st.sampled_from(["upsert", "upsert", "upsert", "delete"]),
        review_count=ABSURD,
        bands=st.builds(Bands, **dict.fromkeys(BAND_NAMES, band)),
        value_for_money=VALUE,
        flags=st.lists(FLAG, max_size=2),
        flag_counts=st.builds(FlagCounts, safety=ABSURD),
        metrics=METRICS,
        sources=st.sampled_from([{}, {"points": {"0": -1}}, {"reviews": {"": 10**300}}, {"": {}}]),
        forgotten=st.builds(Forgotten, count=forgotten, newest=st.lists(IDS, max_size=3)),
    )


PLAUSIBLE = points_with(
    st.sampled_from(["p", "q"]), st.sampled_from([3, 5, 9, 2**63 - 1]), st.integers(1, 3), st.integers(0, 4)
)
"""Points whose counts agree, and nothing else."""

ANY = PLAUSIBLE | points_with(st.sampled_from(["p", "q", "", "a\x00", "x" * 201]), ABSURD, ABSURD, ABSURD)
