"""The way to a restaurant, computed when somebody asks."""

from datetime import datetime

import pytest

from processors.features.examples.restaurants import distance_km, restaurant_places, way_to_restaurant
from processors.features.records import microseconds
from processors.features.serving.calling import CallsHere
from processors.features.serving.evaluating import evaluate
from processors.features.serving.ports import Failed
from processors.features.serving.saying import say
from tests.processors.features.memory import Memory

NOW_US = microseconds(datetime.fromisoformat("2026-03-02T12:00:00Z"))


def asked(memory, *records):
    return evaluate(way_to_restaurant, records, memory, CallsHere([way_to_restaurant]), NOW_US)


@pytest.fixture
def memory():
    memory = Memory(restaurant_places)
    place = {"latitude": 52.52, "longitude": 13.40, "name": "Dumpling Bus"}
    memory.put("restaurant.seen", "2026-03-02T08:00:00Z", {"restaurant": "r1"}, **(place | {"longitude": 13.5}))
    memory.put("restaurant.seen", "2026-03-02T11:30:00Z", {"restaurant": "r1"}, **place)
    return memory


def test_the_distance_is_from_where_the_asker_is_to_where_it_was_seen_last(memory):
    near, same = asked(
        memory,
        {"restaurant": "r1", "latitude": 52.52, "longitude": 13.41},
        {"restaurant": "r1", "latitude": 52.52, "longitude": 13.40},
    )
    assert near.outputs["distance_km"] == pytest.approx(0.677, abs=0.001)  # a hundredth of a degree at 52.52 north
    assert near.outputs["walking_minutes"] == 9
    assert same.outputs["distance_km"] == 0
    assert "restaurant_latitude" not in near.outputs
    assert say(way_to_restaurant, near, NOW_US) == ["Dumpling Bus was 0.68 km from you 30 minutes ago."]


def test_a_faster_walker_says_so(memory):
    record = {"restaurant": "r1", "latitude": 52.52, "longitude": 13.41, "km_per_hour": 9}
    assert asked(memory, record)[0].outputs["walking_minutes"] == 5


def test_a_place_that_is_no_number_fails_alone(memory):
    wrong, right = asked(
        memory,
        {"restaurant": "r1", "latitude": "52.52", "longitude": 13.41},
        {"restaurant": "r1", "latitude": 52.52, "longitude": 13.40},
    )
    assert wrong == Failed(
        "invalid_input",
        "A field cannot be used",
        'function distance_km: latitude: "52.52" is a text, where a number is needed',
    )
    assert right.outputs["distance_km"] == 0


def test_half_way_round_the_earth_is_half_its_circumference():
    assert distance_km(0, 0, 0, 180) == pytest.approx(3.14159265 * 6371.0088, rel=1e-6)
