import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from processors.digest.clusters import JOINED_FROM, REMEMBERED, SQUARE, Clusters
from processors.digest.excerpts import KEPT_BEST, KEPT_NEWEST, Excerpt, keep
from processors.digest.membership import Membership, recent_count
from processors.digest.pruning import KEPT, PRUNED_FROM, prune
from processors.digest.recency import WINDOW_S, RecentReviews
from processors.language.claims import Claim

AXES = np.eye(PRUNED_FROM + 8, dtype=np.int8) * 127


def claim(text: str = "The zipper broke", polarity: float = -1.0) -> Claim:
    return Claim(text, tuple(text.lower().split()), polarity, 1, ("zipper",))


def test_a_claim_joins_the_cluster_it_is_close_to_and_founds_one_otherwise() -> None:
    band = Clusters()
    near = np.rint(127 * np.array([[0.8, 0.6, 0.0]])).astype(np.int8)
    assert band.fold("r1", 0, -1, [claim()], np.array([[127, 0, 0]], np.float32)) == [0]
    assert band.fold("r2", 1, -1, [claim()], near) == [0]
    assert band.fold("r3", 2, -1, [claim()], np.array([[0, 0, 127]], np.float32)) == [1]


def test_claims_of_opposite_polarity_never_share_a_cluster() -> None:
    band = Clusters()
    same = np.array([[127, 0], [127, 0], [127, 0]], np.float32)
    claims = [claim(polarity=-1.0), claim(polarity=1.0), claim(polarity=0.0)]
    assert band.fold("r1", 0, -1, claims, same) == [0, 1]
    assert band.fold("r2", 1, -1, claims, same) == [0, 1]


def test_a_review_counts_once_however_often_it_says_something() -> None:
    band = Clusters()
    band.fold("r1", 0, -1, [claim()] * 3, np.array([[127, 0]] * 3, np.float32))
    assert (band.clusters[0].review_count, band.members[0].bits) == (1, 1)


@settings(deadline=None)
@given(st.lists(st.lists(st.integers(-127, 127), min_size=4, max_size=4), min_size=1, max_size=90), st.integers(1, 7))
def test_a_mean_is_the_rounded_mean_of_its_claims_in_any_order(rows: list[list[int]], seed: int) -> None:
    vectors = np.abs(np.array(rows[:REMEMBERED])).astype(np.int8)
    vectors[:, 0] = 127  # close enough to share one cluster
    bands = [Clusters(), Clusters()]
    for band, order in zip(bands, [vectors, np.random.default_rng(seed).permutation(vectors)], strict=True):
        for number, vector in enumerate(order):
            band.fold(f"r{number}", number, 0, [claim()], vector[None])
    assert all(np.array_equal(band.means, np.rint(band.means)) for band in bands)
    if all(len(band.clusters) == 1 for band in bands):
        expected = np.rint(vectors.astype(np.float64).mean(axis=0).astype(np.float32))
        assert np.array_equal(bands[0].means[0], bands[1].means[0])
        assert np.abs(bands[0].means[0] - expected).max() <= 1


def test_sums_stay_within_sixteen_bits() -> None:
    band = Clusters()
    for number in range(500):
        band.fold(f"r{number}", number, 0, [claim()], np.array([[127, 0]], np.float32))
    assert band.sums[0, 0] == 127 * REMEMBERED
    assert band.clusters[0].review_count == 500


def test_pruning_keeps_the_heaviest_and_merges_the_closest() -> None:
    band = Clusters()
    for row in range(PRUNED_FROM - 1):
        for _ in range(2 if row < 10 else 1):
            band.fold("r", band.review_count, 0, [claim()], AXES[row][None])
    assert prune(band) == []
    between = np.rint((AXES[0] + AXES[1].astype(np.float64)) * 0.27).astype(np.int8)  # below the bar for joining
    assert between @ AXES[0].astype(np.int64) < JOINED_FROM * SQUARE
    band.fold("r", band.review_count, 0, [claim()], between[None])
    band.means[PRUNED_FROM - 1] = band.means[0]  # as if it had drifted there
    assert prune(band) == [(0, PRUNED_FROM - 1)]
    assert len(band.clusters) == len(band.members) == KEPT
    assert {cluster.cluster_id for cluster in band.clusters} >= set(range(10))
    assert band.clusters[0].review_count == 3


@given(st.lists(st.tuples(st.integers(0, 400), st.booleans())))
def test_membership_is_a_set_of_numbers(steps: list[tuple[int, bool]]) -> None:
    sets: tuple[set[int], set[int]] = (set(), set())
    members = Membership(), Membership()
    for number, side in steps:
        sets[side].add(number)
        members[side].add(number)
    for plain, exact in zip(sets, members, strict=True):
        assert Membership.of(plain).bits == exact.bits == sum(1 << number for number in plain)
        assert exact.recent_count(37) == recent_count(exact.bits, 37) == sum(number >= 37 for number in plain)
    members[0].absorb(members[1])
    assert members[0].bits.bit_count() == len(sets[0] | sets[1])


@given(st.lists(st.builds(Excerpt, st.integers(0, 9), st.just("r"), st.sampled_from("abcdefghij"), st.floats(0, 1))))
def test_excerpts_keep_the_newest_and_the_best_with_distinct_texts(excerpts: list[Excerpt]) -> None:
    kept = keep(excerpts)
    assert len(kept) == min(KEPT_BEST + KEPT_NEWEST, len({one.text for one in excerpts}))
    assert len({one.text for one in kept}) == len(kept)
    assert keep(kept) == kept
    if excerpts:
        assert max(one.quality for one in kept) == max(one.quality for one in excerpts)


@given(st.lists(st.integers(0, 10_000_000), min_size=1, max_size=80))
def test_recent_reviews_are_exact_in_any_order(times_s: list[int]) -> None:
    recent = RecentReviews()
    for time_s in times_s:
        recent.add(float(time_s))
    expected = sum(time_s > max(times_s) - WINDOW_S for time_s in times_s)
    assert recent.count == RecentReviews(map(float, times_s)).count == expected
