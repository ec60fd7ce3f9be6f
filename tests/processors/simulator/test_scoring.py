from dataclasses import replace
from functools import cache

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from processors.simulator import Mention, Opinion, Simulator, score_reading
from processors.simulator.scoring import TOP, opinions_in
from schemas.points import (
    Band,
    Bands,
    Evidence,
    FlagCounts,
    Metrics,
    Point,
    RatingCounts,
    Reading,
    ValueForMoney,
)

SOUND = Mention(Opinion("sound", "positive"), "The sound is rich and clear, even at low volume")
BATTERY = Mention(Opinion("battery", "negative"), "the battery dies within two hours")


@pytest.fixture(scope="module")
def simulated():
    simulator = Simulator(21, 1)
    reviews = list(simulator.reviews(700))
    truth = simulator.truth("aero-buds-1")
    return reviews, replace(truth, mentions_of=cache(truth.mentions_of))


def point(quotes, share):
    evidence = [Evidence(review_id=review_id, quote=quote) for review_id, quote in quotes]
    return Point(point_id="p", label="l", headline="h", review_count=1, share=share, trend=1.0, evidence=evidence)


def reading(**points):
    bands = {
        name: Band(review_count=100, points=points.get(name, []))
        for name in ("negative", "neutral", "positive", "unrated")
    }
    metrics = Metrics(review_count=400, mean_rating=4.0, rating_counts=RatingCounts(), last_30_days=0)
    value = ValueForMoney(stance="unknown", good=0, poor=0, unclear=0, evidence=[])
    return Reading(bands=Bands(**bands), value_for_money=value, flags=[], flag_counts=FlagCounts(), metrics=metrics)


def quotes_of(reviews, truth, opinion, band, limit=6):
    ratings = {"negative": (1, 2), "positive": (4, 5)}[band]
    found = [
        (review.review_id, mention.text)
        for review in reviews
        if review.rating in ratings
        for mention in truth.mentions_of(review.review_id)
        if mention.opinion == opinion
    ]
    return found[:limit]


def perfect_reading(reviews, truth, shift=0.0):
    return reading(
        **{
            band: [
                point(quotes_of(reviews, truth, opinion, band), truth.bands[band].share(opinion) + shift)
                for opinion in truth.bands[band].top(TOP)
            ]
            for band in ("negative", "positive")
        }
    )


def test_a_reading_that_says_the_truth_scores_full(simulated):
    score = score_reading(perfect_reading(*simulated), simulated[1])
    assert (score.recall, score.share_error, score.generic) == (1.0, 0.0, 0.0)
    assert score.purity == 1.0


def test_wrong_shares_are_told_by_their_distance(simulated):
    assert score_reading(perfect_reading(*simulated, shift=0.05), simulated[1]).share_error == pytest.approx(0.05)


def test_missing_points_lower_recall(simulated):
    full = perfect_reading(*simulated)
    halved = Band(review_count=100, points=full.bands.positive.points[: TOP // 2])
    bands = msgspec.structs.replace(full.bands, positive=halved)
    assert score_reading(msgspec.structs.replace(full, bands=bands), simulated[1]).recall == 0.75


def test_mixed_quotes_lower_purity(simulated):
    reviews, truth = simulated
    first, second = truth.bands["positive"].top(2)
    mixed = quotes_of(reviews, truth, first, "positive", 3) + quotes_of(reviews, truth, second, "positive", 2)
    score = score_reading(reading(positive=[point(mixed, 0.3)]), truth, bands=["positive"])
    assert score.purity == pytest.approx(3 / 5)
    assert score.recall == 1 / TOP


def test_a_point_of_empty_praise_is_generic(simulated):
    reviews, truth = simulated
    filler = [(review.review_id, "Love it") for review in reviews[:4]]
    score = score_reading(reading(positive=[point(filler, 0.3)]), truth, bands=["positive"])
    assert (score.recall, score.generic, score.share_error) == (0.0, 1.0, 1.0)


def test_a_quote_counts_only_in_the_review_that_says_it(simulated):
    reviews, truth = simulated
    opinion = truth.bands["positive"].top(1)[0]
    quotes = quotes_of(reviews, truth, opinion, "positive")
    silent = [review.review_id for review in reviews if not truth.mentions_of(review.review_id)]
    moved = [(review_id, quote) for review_id, (_, quote) in zip(silent, quotes, strict=False)]
    assert score_reading(reading(positive=[point(moved, 0.3)]), truth, bands=["positive"]).recall == 0.0


def test_too_few_reviews_cannot_be_scored():
    simulator = Simulator(21, 1)
    list(simulator.reviews(5))
    with pytest.raises(ValueError, match="has 20 reviews"):
        score_reading(reading(), simulator.truth("aero-buds-1"))


@pytest.mark.parametrize(
    "quote",
    [
        "The sound is rich and clear, even at low volume.",
        "sound is rich and clear",
        "Also, the sound is rich and clear, even at low volume!",
        "The sound is rich and clear, even at …",
        "THE SOUND IS RICH AND CLEAR",
    ],
)
def test_a_quote_is_found_whole_cut_or_as_a_clause(quote):
    assert opinions_in(quote, [BATTERY, SOUND]) == {SOUND.opinion}


def test_a_quote_of_two_clauses_voices_both():
    quote = "The sound is rich and clear, even at low volume, but the battery dies within two hours"
    assert opinions_in(quote, [SOUND, BATTERY]) == {SOUND.opinion, BATTERY.opinion}


@pytest.mark.parametrize("quote", ["", "the", "Highly recommended", "I bought this for my son"])
def test_filler_voices_nothing(quote):
    assert opinions_in(quote, [SOUND, BATTERY]) == frozenset()


@settings(deadline=None)  # the first draft of a kind reads its phrases
@given(st.integers(min_value=0, max_value=5_000), st.data())
def test_any_cut_of_a_mention_is_found_in_its_review(index, data):
    mentions = Simulator(22, 1).draft(index).mentions
    for mention in mentions:
        words = mention.text.split()
        length = data.draw(st.integers(min_value=min(4, len(words)), max_value=len(words)))
        start = data.draw(st.integers(min_value=0, max_value=len(words) - length))
        if length >= 2:
            assert mention.opinion in opinions_in(" ".join(words[start : start + length]), mentions)
