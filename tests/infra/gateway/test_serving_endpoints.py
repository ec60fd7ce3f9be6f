"""``/serving-endpoints`` over HTTP: the published shape in and out, and errors that say what to do."""

import msgspec
import pytest
from litestar.testing import TestClient

from infra.errors import InfraError
from infra.gateway.application import BODY_BYTES, make_application
from infra.gateway.invocations import MOST_RECORDS
from infra.gateway.serving_endpoints import make_router
from schemas.serving_endpoints import Config, Endpoint, RowError, RowProblem, ServedEntity, State


class Doubling:
    """Doubles ``x``; a record without has a problem."""

    endpoint = Endpoint("double", State(), Config([ServedEntity("double", "double", ["x"], ["y"])]), "Twice x.")

    def invoke(self, records):
        problem = RowProblem(RowError("urn:millrace:missing_input", "A field is missing", "x: missing"))
        return [{"y": one["x"] * 2} if "x" in one else problem for one in records]


class Failing:
    def __init__(self, name, error):
        self.endpoint = Endpoint(name, State(), Config([]), "")
        self.error = error

    def invoke(self, records):
        raise self.error


@pytest.fixture(scope="module")
def client():
    away = InfraError("the store is away", "Start it.")
    served = [Doubling(), Failing("away", away), Failing("buggy", KeyError("secret"))]
    with TestClient(make_application([make_router(served)]), raise_server_exceptions=False) as client:
        yield client


def invoke(client, body, name="double"):
    content = body if isinstance(body, bytes) else msgspec.json.encode(body)
    return client.post(f"/serving-endpoints/{name}/invocations", content=content)


def problem(response):
    assert response.headers["content-type"] == "application/problem+json"
    told = response.json()
    assert told["status"] == response.status_code
    assert {"type", "title", "detail"} <= set(told)
    return told


def test_records_are_answered_in_their_order(client):
    response = invoke(client, {"dataframe_records": [{"x": 1}, {"x": 2.5}]})
    assert (response.status_code, response.headers["content-type"]) == (200, "application/json")
    assert response.json() == {"predictions": [{"y": 2}, {"y": 5.0}]}


def test_a_split_frame_is_the_same_records(client):
    frame = {"columns": ["z", "x"], "data": [["a", 1], ["b", 2]], "index": [7, 9]}
    assert invoke(client, {"dataframe_split": frame}).json() == {"predictions": [{"y": 2}, {"y": 4}]}


def test_a_record_that_fails_has_its_error_in_its_place(client):
    response = invoke(client, {"dataframe_records": [{"x": 1}, {}, {"x": 3}]})
    assert response.status_code == 200
    error = {"type": "urn:millrace:missing_input", "title": "A field is missing", "detail": "x: missing"}
    assert response.json() == {"predictions": [{"y": 2}, {"error": error}, {"y": 6}]}


def test_no_records_are_no_predictions(client):
    assert invoke(client, {"dataframe_records": []}).json() == {"predictions": []}


def test_endpoints_are_listed_as_published(client):
    config = {"served_entities": [{"name": "double", "entity_name": "double", "inputs": ["x"], "outputs": ["y"]}]}
    told = {"name": "double", "state": {"ready": "READY"}, "config": config, "description": "Twice x."}
    assert client.get("/serving-endpoints").json()["endpoints"][0] == told
    assert client.get("/serving-endpoints/double").json() == told


def test_it_says_that_it_lives(client):
    assert client.get("/healthz").json() == {"status": "ok"}


@pytest.mark.parametrize(
    ("body", "field", "said"),
    [
        (b"{", None, "the body is no JSON object in UTF-8"),
        (b"", None, "the body is no JSON object in UTF-8"),
        (b'{"dataframe_records": [{"a": "\xff"}]}', None, "the body is no JSON object in UTF-8"),
        ([], None, "Expected `object`, got `array`"),
        ({}, None, "neither dataframe_records nor dataframe_split was sent"),
        ({"inputs": []}, "inputs", "there is no field 'inputs'"),
        ({"dataframe_records": {}}, "dataframe_records", "Expected `array`, got `object`"),
        ({"dataframe_records": [{}, 3]}, "dataframe_records[1]", "Expected `object`, got `int`"),
        ({"dataframe_records": None}, "dataframe_records", "got `null`"),
        ({"dataframe_records": [], "dataframe_split": {"columns": [], "data": []}}, None, "were both sent"),
        ({"dataframe_split": {"data": []}}, "dataframe_split.columns", "missing required field"),
        ({"dataframe_split": {"columns": ["a"], "data": [], "x": 1}}, "dataframe_split.x", "there is no field 'x'"),
        ({"dataframe_split": {"columns": ["a"], "data": [[1], []]}}, "dataframe_split.data[1]", "a row of 0 values"),
        ({"dataframe_split": {"columns": ["a", "a"], "data": []}}, "dataframe_split.columns", "called 'a'"),
    ],
)
def test_a_malformed_body_names_its_field_and_what_to_do(client, body, field, said):
    response = invoke(client, body)
    told = problem(response)
    assert response.status_code == 400
    assert (told["type"], told["title"]) == ("urn:millrace:malformed_request", "The request cannot be read")
    assert told.get("field") == field
    assert said.replace("`", "'") in told["detail"].replace("`", "'")
    assert told["remedy"]


def test_deep_json_is_malformed_and_no_crash(client):
    response = invoke(client, b'{"dataframe_records": ' + b"[" * 100_000 + b"]" * 100_000 + b"}")
    assert problem(response)["type"] == "urn:millrace:malformed_request"


def test_an_unknown_endpoint_names_those_there_are(client):
    for response in (invoke(client, {}, "triple"), client.get("/serving-endpoints/triple")):
        told = problem(response)
        assert (response.status_code, told["type"]) == (404, "urn:millrace:unknown_endpoint")
        assert told["remedy"] == "There is double, away, buggy."


def test_other_paths_and_methods_are_problems_too(client):
    assert problem(client.get("/nowhere"))["type"] == "urn:millrace:not_found"
    response = client.delete("/serving-endpoints")
    assert problem(response)["type"] == "urn:millrace:method_not_allowed"
    assert response.headers["allow"]


def test_a_body_that_is_too_long_is_not_read(client):
    fitting = b'{"dataframe_records": [{"x": 1}]}'
    assert invoke(client, fitting.ljust(BODY_BYTES)).status_code == 200
    assert problem(invoke(client, fitting.ljust(BODY_BYTES + 1)))["type"] == "urn:millrace:body_too_large"


def test_too_many_records_are_sent_in_several_requests(client):
    response = invoke(client, {"dataframe_records": [{}] * (MOST_RECORDS + 1)})
    assert (response.status_code, problem(response)["type"]) == (413, "urn:millrace:too_many_records")


def test_what_is_needed_and_away_is_told_with_its_remedy(client):
    told = problem(invoke(client, {"dataframe_records": []}, "away"))
    assert (told["status"], told["detail"], told["remedy"]) == (503, "the store is away", "Start it.")


def test_a_bug_tells_strangers_nothing_but_its_kind(client):
    told = problem(invoke(client, {"dataframe_records": []}, "buggy"))
    assert (told["status"], told["detail"]) == (500, "KeyError; the gateway's log has the rest")
