import re
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import islice

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from processors.simulator import Drift, Opinion, Scenario, Simulator
from processors.simulator.catalogue import kinds
from processors.simulator.simulator import BANDS
from schemas.records import TEXT_LIMIT, decode
from schemas.reviews import Review


def encoded(reviews):
    return [msgspec.json.encode(review) for review in reviews]


def drafts(simulator, count):
    return [simulator.draft(index) for index in range(count)]


@settings(deadline=None)  # the first draft of a kind reads its phrases
@given(st.integers(min_value=0, max_value=2**40), st.integers(min_value=1, max_value=30))
def test_the_same_seed_gives_the_same_bytes(seed, products):
    assert encoded(Simulator(seed, products).reviews(5)) == encoded(Simulator(seed, products).reviews(5))


def test_another_seed_gives_other_reviews_with_other_ids():
    first, second = list(Simulator(1).reviews(50)), list(Simulator(2).reviews(50))
    assert not {review.review_id for review in first} & {review.review_id for review in second}
    assert len({review.text for review in first} & {review.text for review in second}) < 5


@settings(deadline=None)  # the first draft of a kind reads its phrases
@given(st.lists(st.integers(min_value=0, max_value=12), max_size=4))
def test_reviews_are_the_same_however_many_are_taken_at_once(counts):
    simulator = Simulator(3)
    taken = [review for count in counts for review in simulator.reviews(count)]
    assert encoded(taken) == encoded(Simulator(3).reviews(sum(counts)))


def test_a_generator_left_early_has_taken_only_what_it_gave():
    simulator = Simulator(3)
    started = list(islice(simulator.reviews(100), 7))
    assert encoded([*started, *simulator.reviews(5)]) == encoded(Simulator(3).reviews(12))
    assert sum(simulator.truth(product_id).as_json()["review_count"] for product_id in simulator.products) == 12


def test_drafting_one_review_alone_gives_the_one_of_the_stream():
    stream = list(Simulator(4).reviews(200))
    assert Simulator(4).draft(137).review == stream[137]


def test_every_review_is_a_record_that_is_read_back_equal_and_stays_within_limits():
    for review in Simulator(5, 12, Scenario(foreign_share=0.2, unrated_share=0.1)).reviews(2_000):
        assert decode(msgspec.json.encode(review), Review) == review
        assert 0 < len(review.text) < TEXT_LIMIT / 10
        assert "  " not in review.text
        assert not re.search(r"[\[\]{}|]| [,.!]", review.text), review.text


def test_reviews_have_ids_of_their_own_and_products_too():
    simulator = Simulator(6, 40)
    assert len(simulator.products) == 40
    assert "trail-runner-2" in simulator.products
    assert len(set(simulator.products.values())) == 40
    reviews = list(simulator.reviews(1_000))
    assert len({review.review_id for review in reviews}) == 1_000
    assert {review.product_id for review in reviews} == set(simulator.products)


def test_the_catalogue_has_twelve_kinds_and_its_first_six_are_of_six_categories():
    assert len(kinds()) == 12
    assert len({kind.category for kind in kinds()[:6]}) == 6


def test_truth_counts_each_review_once_for_each_opinion_it_words():
    simulator = Simulator(7, 2)
    reviews = list(simulator.reviews(1_500))
    for product_id in simulator.products:
        expected = {band: Counter() for band in ("negative", "neutral", "positive", "unrated")}
        sizes = Counter()
        truth = simulator.truth(product_id)
        for review in reviews:
            if review.product_id != product_id:
                continue
            sizes[BANDS[review.rating - 1]] += 1
            mentions = truth.mentions_of(review.review_id)
            expected[BANDS[review.rating - 1]].update({mention.opinion for mention in mentions})
        assert {name: dict(band.counts) for name, band in truth.bands.items()} == expected
        assert {name: band.review_count for name, band in truth.bands.items() if band.review_count} == sizes


def test_every_mention_stands_in_its_review_word_for_word():
    for draft in drafts(Simulator(8, 12, Scenario(foreign_share=0.1, duplicate_share=0.1)), 1_200):
        assert all(mention.text in draft.review.text for mention in draft.mentions)


def test_a_review_mentions_an_aspect_once_at_most():
    for draft in drafts(Simulator(9, 12), 1_000):
        aspects = [mention.opinion.aspect for mention in draft.mentions]
        assert len(aspects) == len(set(aspects))


def test_shares_differ_and_the_most_prevalent_opinions_suit_the_band():
    simulator = Simulator(10, 1)
    list(simulator.reviews(2_000))
    bands = simulator.truth("aero-buds-1").bands
    for name in ("positive", "negative"):
        top = bands[name].top(4)
        assert {opinion.side for opinion in top} == {name}
        assert bands[name].share(top[0]) > 1.5 * bands[name].share(top[3]) > 0.1


def test_better_ratings_come_with_more_praise():
    praise, all_mentions, ratings = Counter(), Counter(), Counter()
    for draft in drafts(Simulator(11, 6), 2_500):
        rating = draft.review.rating
        ratings[rating] += 1
        all_mentions[rating] += len(draft.mentions)
        praise[rating] += sum(mention.opinion.side == "positive" for mention in draft.mentions)
    shares = [praise[rating] / all_mentions[rating] for rating in range(1, 6)]
    assert shares == sorted(shares)
    assert shares[0] < 0.1
    assert shares[4] > 0.9
    assert ratings[5] > 0.4 * ratings.total()


def test_nobody_who_rates_five_only_complains():
    for draft in drafts(Simulator(12, 6), 1_500):
        sides = {mention.opinion.side for mention in draft.mentions}
        assert sides != ({"negative"} if draft.review.rating > 3 else {"positive"}) or draft.review.rating == 3


@pytest.mark.parametrize(("products", "long"), [(3, 10), (12, 8)])
def test_nine_in_ten_long_sentences_of_two_thousand_reviews_are_said_only_once(products, long):
    texts = (draft.review.text for draft in drafts(Simulator(7, products), 2_000))
    sentences = [sentence.lower() for text in texts for sentence in re.split(r"[.!]+\s*", text)]
    words = [sentence for sentence in sentences if len(sentence.split()) >= long]
    assert len(words) > 2_000
    assert len(set(words)) >= 0.9 * len(words)


def test_dates_run_forward_from_the_start_but_for_a_few_late_reviews():
    scenario = Scenario(start=datetime(2024, 5, 1, tzinfo=UTC), spacing=timedelta(hours=2), late_share=0.0)
    dates = [review.created_at for review in Simulator(13, 3, scenario).reviews(300)]
    assert dates == sorted(dates)
    assert dates[0] >= scenario.start
    assert timedelta(hours=598) <= dates[-1] - scenario.start <= timedelta(hours=600)
    late = [review.created_at for review in Simulator(13, 3, replace(scenario, late_share=0.2)).reviews(300)]
    assert late != sorted(late)
    assert min(late) >= scenario.start


def test_shares_of_a_scenario_are_met():
    scenario = Scenario(foreign_share=0.2, duplicate_share=0.1, unrated_share=0.3)
    reviews = list(Simulator(14, 2, scenario).reviews(3_000))
    assert {review.language for review in reviews} == {"en", "de", "es", "fr"}
    assert 0.15 < sum(review.language != "en" for review in reviews) / 3_000 < 0.25
    assert 0.25 < sum(review.rating is None for review in reviews) / 3_000 < 0.35
    texts = Counter((review.product_id, review.text) for review in reviews if len(review.text) > 150)
    repeated = sum(count - 1 for count in texts.values())
    assert 0.05 < repeated / texts.total() < 0.15


def test_safety_and_severe_remarks_are_rare_and_counted():
    simulator = Simulator(15, 1, Scenario(flag_share=0.05))
    list(simulator.reviews(1_500))
    counts = simulator.truth("aero-buds-1").flag_counts
    assert 5 < counts["safety"] < counts["severe"] < 200
    assert counts["safety"] == sum("safety" in draft.flags for draft in drafts(simulator, 1_500))


def test_a_drift_multiplies_one_opinion_from_its_review_on_and_nothing_before():
    plain = Simulator(16, 1)
    before = encoded(plain.reviews(1_500))
    counts = plain.truth("aero-buds-1").bands["negative"].counts
    complaint = sorted((opinion for opinion in counts if opinion.side == "negative"), key=counts.get)[-4]
    drift = Drift("aero-buds-1", complaint.aspect, "negative", after=1_500, factor=3.0)
    drifting = Simulator(16, 1, Scenario(drifts=[drift]))
    assert encoded(drifting.reviews(1_500)) == before
    list(drifting.reviews(1_500))
    list(plain.reviews(1_500))
    moved, steady = (one.truth("aero-buds-1").bands["negative"].counts[complaint] for one in (drifting, plain))
    assert 2.0 < (moved - counts[complaint]) / (steady - counts[complaint]) < 4.0
    assert drifting.draft(1_600).review.rating == plain.draft(1_600).review.rating


def test_a_drift_of_what_is_not_there_is_refused():
    for product_id, aspect in (("aero-buds-9", "sound"), ("aero-buds-1", "suction")):
        drift = Drift(product_id, aspect, "negative", after=0, factor=2.0)
        with pytest.raises(ValueError, match=f"{product_id} has no {aspect}"):
            Simulator(1, 3, Scenario(drifts=[drift]))


def test_settings_out_of_range_are_refused():
    with pytest.raises(ValueError, match="foreign_share"):
        Scenario(foreign_share=1.5)
    with pytest.raises(ValueError, match="zone"):
        Scenario(start=datetime(2024, 1, 1))
    with pytest.raises(ValueError, match="at least 1 product"):
        Simulator(1, 0)


def test_a_truth_lists_its_opinions_most_prevalent_first():
    simulator = Simulator(17, 1)
    list(simulator.reviews(300))
    truth = simulator.truth("aero-buds-1")
    listed = truth.as_json()["bands"]["positive"]["opinions"]
    counts = [opinion["review_count"] for opinion in listed]
    assert counts == sorted(counts, reverse=True)
    first = Opinion(listed[0]["aspect"], listed[0]["side"])
    assert listed[0]["share"] == pytest.approx(truth.bands["positive"].share(first), abs=1e-6)
    assert truth.mentions_of("r-17") == truth.mentions_of("s18-000001") == ()
