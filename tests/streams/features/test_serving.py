"""A feature spec over HTTP: rows from memory, functions in their process, predictions in their places."""

from contextlib import closing

import pytest
from litestar.testing import TestClient

from infra.gateway.application import make_application
from infra.gateway.serving_endpoints import make_router
from processors.features.examples import restaurants
from processors.features.examples.restaurants import restaurant_places, way_to_restaurant
from streams.features.module import FeatureModule
from streams.features.serving import served_specs
from streams.functions.function_pool import FunctionPool
from tests.processors.features.memory import Memory

NOW = 1_772_452_800.0


def module(*specs):
    return FeatureModule({restaurant_places.name: restaurant_places}, {}, {one.name: one for one in specs})


@pytest.fixture
def client():
    memory = Memory(restaurant_places)
    seen = {"latitude": 52.52, "longitude": 13.40, "name": "Dumpling Bus"}
    memory.put("restaurant.seen", "2026-03-02T11:30:00Z", {"restaurant": "r1"}, **seen)
    with closing(FunctionPool(restaurants.__name__, 5.0)) as pool:
        specs = served_specs(module(way_to_restaurant), memory, pool, lambda: NOW)
        with TestClient(make_application([make_router(specs)])) as client:
            yield client


def test_a_request_is_answered_from_rows_and_functions(client):
    here = {"latitude": 52.52, "longitude": 13.41}
    records = [{"restaurant": "r1", **here}, {"restaurant": "r1"}, {"restaurant": "r2", **here}]
    response = client.post("/serving-endpoints/way_to_restaurant/invocations", json={"dataframe_records": records})
    told = response.json()["predictions"]
    assert told[0] == {
        "restaurant_name": "Dumpling Bus",
        "sightings_1h": 1,
        "distance_km": pytest.approx(0.677, abs=0.001),
        "walking_minutes": 9,
    }
    assert told[1]["error"] == {
        "type": "urn:millrace:missing_input",
        "title": "A field is missing",
        "detail": "latitude, longitude: missing; way_to_restaurant needs restaurant, latitude, longitude",
    }
    assert told[2] == {"restaurant_name": None, "sightings_1h": 0, "distance_km": None, "walking_minutes": None}


def test_an_endpoint_tells_what_goes_in_and_what_comes_out(client):
    entity = client.get("/serving-endpoints/way_to_restaurant").json()["config"]["served_entities"][0]
    assert entity["inputs"] == ["restaurant", "latitude", "longitude", "km_per_hour"]
    assert entity["outputs"] == ["restaurant_name", "sightings_1h", "distance_km", "walking_minutes"]
