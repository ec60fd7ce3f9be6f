"""Hotels scored by what a traveller books, at a price that changes by the minute."""

from datetime import datetime

import pytest

from processors.features.examples.hotels import hotel_score, room_prices, traveller_stays
from processors.features.records import microseconds
from processors.features.serving.calling import CallsHere
from processors.features.serving.evaluating import evaluate
from processors.features.serving.saying import say
from tests.processors.features.memory import Memory


def asked(memory, at, hotel="h9"):
    at_us = microseconds(datetime.fromisoformat(at))
    record = {"traveller": "t1", "hotel": hotel}
    return evaluate(hotel_score, [record], memory, CallsHere([hotel_score]), at_us, at_us)[0]


@pytest.fixture
def memory():
    memory = Memory(traveller_stays, room_prices)
    for day, price in ((1, 100), (5, 120), (9, 110)):
        stay = {"stars": 4, "night_price": price, "nights": 2, "city": "Porto"}
        memory.put("stay.booked", f"2026-03-0{day}T09:00:00Z", {"traveller": "t1", "hotel": "h1"}, **stay)
    memory.put("room.priced", "2026-03-10T09:00:00Z", {"hotel": "h9"}, night_price=110, stars=4)
    return memory


def test_a_hotel_at_the_usual_price_and_stars_suits_wholly(memory):
    found = asked(memory, "2026-03-10T09:00:30Z")
    assert found.outputs["score"] == pytest.approx(1.0, abs=0.01)  # the quantile is within one percent
    assert found.outputs["stays"] == 3
    assert found.outputs["lowest_in_an_hour"] == 110


def test_the_score_falls_the_minute_the_price_rises(memory):
    before = asked(memory, "2026-03-10T09:00:30Z").outputs
    memory.put("room.priced", "2026-03-10T09:01:00Z", {"hotel": "h9"}, night_price=165, stars=4)
    after = asked(memory, "2026-03-10T09:01:30Z")
    assert after.outputs["price"] == 165
    assert after.outputs["lowest_in_an_hour"] == 110
    assert after.outputs["score"] < before["score"] - 0.2
    assert say(hotel_score, after, microseconds(datetime.fromisoformat("2026-03-10T09:02:00Z")))[0].startswith(
        "A night in h9 costs 165 as of 1 minute ago; you usually pay 1"
    )


def test_a_hotel_without_price_has_no_score_and_is_no_error(memory):
    found = asked(memory, "2026-03-10T09:00:30Z", hotel="h2")
    assert (found.outputs["price"], found.outputs["score"]) == (None, None)
    assert found.missing("score")
