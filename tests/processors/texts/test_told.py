"""What a language model is told of a product."""

import msgspec

from processors.texts.told import BAND_POINTS, POINTS, QUOTES, tell
from schemas.points import Evidence, Flag, FlagCounts, ValueForMoney
from tests.models.test_prompted_writer import point, reading

replace = msgspec.structs.replace


def many(count, first=1):
    return [point(number, f"says {number}", 100 - number, f"quote {number}") for number in range(first, first + count)]


def test_praise_comes_first_and_complaints_are_told_however_small():
    told = tell(reading(*many(BAND_POINTS + 3), negative=[point(90, "broke", 1, "It broke.")]))
    assert [one.band for one in told] == ["positive"] * BAND_POINTS + ["negative"]
    assert [one.id for one in told] == [f"P{number}" for number in range(1, BAND_POINTS + 2)]


def test_the_largest_points_are_told_and_no_more_than_can_be_written_about():
    told = tell(reading(*many(5), negative=[point(50 + number, f"bad {number}", 1, "Bad.") for number in range(5)]))
    assert len(told) == POINTS
    assert sum(one.band == "negative" for one in told) == POINTS - 5


def test_counts_are_those_of_the_point():
    (told,) = tell(reading(point(1, "boils quickly", 6, *(f"quote {number}" for number in range(9)))))
    assert (told.reviews, told.of, told.percent) == (6, 10, 60)
    assert len(told.quotes) == QUOTES


def test_what_is_said_of_the_price_and_of_danger_is_told_too():
    plain = reading(*many(1))
    evidence = [Evidence(review_id="r", quote="Not worth it.")]
    value = ValueForMoney(stance="poor", good=1, poor=3, unclear=0, evidence=evidence)
    flags = [Flag(kind=kind, review_id=kind, quote=f"{kind}!") for kind in ("profanity", "safety")]
    told = tell(replace(plain, value_for_money=value, flags=flags, flag_counts=FlagCounts(safety=2, profanity=1)))
    assert [(one.id, one.says, one.reviews, one.of) for one in told[1:]] == [
        ("V1", "poor value for the money", 3, 4),
        ("F1", "safety!", 2, 20),
    ]


def test_without_points_nothing_is_told():
    value = ValueForMoney(stance="good", good=3, poor=0, unclear=0, evidence=[Evidence(review_id="r", quote="Cheap.")])
    assert tell(replace(reading(), value_for_money=value)) == []
