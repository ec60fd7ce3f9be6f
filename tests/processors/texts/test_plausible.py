from contextlib import suppress

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from processors.texts.citing import cited_reviews, cites_forgotten
from processors.texts.ledger import canonical_input
from processors.texts.material import material_change
from processors.texts.paragraph import compose
from processors.texts.plausible import check_points
from schemas.points import Forgotten, Points, Reading
from schemas.records import Unreadable
from tests.processors.any_points import ANY, PLAUSIBLE
from tests.processors.fake_encoder import encode
from tests.processors.readings import band, point, reading

SOUND = reading(positive=band(6, [point("soft", 6, 6), point("light", 1, 6)]))


def points_of(given_reading: Reading, **changed: object) -> Points:
    parts = msgspec.structs.asdict(given_reading)
    return Points(
        **{"product_id": "p", "revision": 1, "op": "upsert", "review_count": 6, "sources": {}, **parts} | changed
    )


def reading_of(points: Points) -> Reading:
    return Reading(**{name: getattr(points, name) for name in Reading.__struct_fields__})


@pytest.mark.parametrize(
    "sound",
    [
        points_of(SOUND),
        points_of(reading(), op="delete"),
        points_of(SOUND, forgotten=Forgotten(count=2**63 - 1)),
        points_of(reading(unrated=band(2**63 - 1, [point("soft", 2**63 - 1)]))),
    ],
)
def test_points_as_digest_writes_them_are_plausible(sound):
    check_points(sound)


@pytest.mark.parametrize(
    ("flawed", "field", "error"),
    [
        (
            points_of(reading(negative=band(0, [point("soft")]))),
            "bands.negative.points[0].review_count",
            "1 is not between 1 and 0",
        ),
        (
            points_of(reading(neutral=band(6, [point("soft", 6), point("light", 7)]))),
            "bands.neutral.points[1].review_count",
            "7 is not between 1 and 6",
        ),
        (
            points_of(reading(unrated=band(6, [point("soft", 0)]))),
            "bands.unrated.points[0].review_count",
            "0 is not between 1 and 6",
        ),
        (
            points_of(reading(positive=band(-5))),
            "bands.positive.review_count",
            "-5 is not between 0 and 9223372036854775807",
        ),
        (
            points_of(SOUND, forgotten=Forgotten(count=2**64)),
            "forgotten.count",
            "a number of 65 bits is not between 0 and 9223372036854775807",
        ),
        (
            points_of(SOUND, product_id="a\x00b"),
            "product_id",
            "expected 1 to 200 characters, none of them a control character",
        ),
    ],
)
def test_what_cannot_be_true_is_told_with_its_field(flawed, field, error):
    with pytest.raises(Unreadable) as refused:
        check_points(flawed)
    problem = refused.value
    assert (problem.reason, problem.field, problem.error) == ("invalid_field", field, f"{field}: {error}")


@settings(deadline=None)
@given(before=ANY, after=PLAUSIBLE, forgotten=st.integers(0, 4))
def test_points_that_are_plausible_can_be_written_from_whatever_they_say(before, after, forgotten):
    check_points(after)
    readings = [reading_of(after)]
    with suppress(Unreadable):
        check_points(before)
        readings.append(reading_of(before))
    for old, new in ((readings[0], readings[-1]), (readings[-1], readings[0])):
        material_change(old, new)
        canonical_input(new)
        compose(new, encode)
        cites_forgotten(cited_reviews(old), after.forgotten, forgotten)
