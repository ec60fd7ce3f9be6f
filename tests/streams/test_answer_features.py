import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from structlog.testing import capture_logs

from infra.errors import InfraError
from processors.features.definitions.functions import FeatureFunction
from processors.features.definitions.lookups import FeatureLookup
from processors.features.definitions.serving import FeatureSpec
from schemas.requests import Request
from streams.answer_features import NOT_IN_TIME, UNREADABLE, Given
from tests.processors.answers.stating import SCANS, order_spec
from tests.streams.answer_world import FakeRows, make_features
from tests.streams.fakes import START_S

AGO_US = int((START_S - 7_300) * 1e6)
ROWS = {("order_scans", "77"): ({"last_city": "Leipzig"}, AGO_US), ("order_items", "77"): ({"item_count": 3}, AGO_US)}


def requested(**changed) -> Request:
    return Request(**{"request_id": "q", "question": "Where is my order?", "entities": {"order_id": "77"}, **changed})


async def given(request, features=None, left_s=10.0) -> Given:
    return await (features or make_features(FakeRows(ROWS), order_spec(), spec="order_status")).give(request, left_s)


async def test_values_come_with_the_rows_they_were_read_from_their_versions_and_ages():
    told = await given(requested())
    assert (told.spec, told.values["last_city"], told.values["total"], told.reason) == (
        "order_status",
        "Leipzig",
        None,
        None,
    )
    scans, items = told.sources
    assert (scans.table, scans.key, scans.version, scans.age_s, scans.missing) == (
        "order_scans", "77", "v-order_scans", 7_300.0, False,
    )  # fmt: skip
    assert (scans.features, items.features) == (["last_city", "courier"], ["item_count", "total"])
    assert scans.as_of.endswith(".000000Z")
    assert [one.text for one in told.stated.statements] == ["Your order left Leipzig 2 hours ago."]


async def test_a_request_may_name_its_spec_and_send_what_it_needs_among_its_options():
    features = make_features(FakeRows(ROWS), order_spec())
    assert (await given(requested(), features)) == Given()
    options = {"features": "order_status", "order_id": 77, "colour": "red"}
    assert (await given(requested(entities={}, options=options), features)).values["last_city"] == "Leipzig"


async def test_a_request_that_has_nothing_to_do_with_the_spec_that_is_set_gets_none():
    assert await given(requested(entities={"product_id": "p"})) == Given()
    assert await given(requested(entities={})) == Given()


async def test_a_key_nobody_knows_is_marked_and_nothing_is_said_of_it():
    told = await given(requested(entities={"order_id": "78"}))
    assert {one.missing for one in told.sources} == {True}
    assert {(one.as_of, one.age_s) for one in told.sources} == {(None, None)}
    assert (told.stated.statements, told.stated.values, told.values["item_count"]) == ((), {}, None)


def unknown_spec():
    return requested(options={"features": "orders"}), make_features(FakeRows(ROWS), order_spec())


def none_defined():
    return requested(), make_features(spec="order_status", because="no module of feature definitions is named")


def missing_input():
    return requested(entities={}, options={"features": "order_status"}), None


def broken_store():
    rows = FakeRows(ROWS, failures=[InfraError("featurize has never run here", "Start it.")])
    return requested(), make_features(rows, order_spec(), spec="order_status")


def failing_function():
    def reached(last_city: str) -> str:
        raise RuntimeError("no map")

    spec = FeatureSpec("order_status", [FeatureLookup(SCANS, "order_id"), FeatureFunction(reached, "reached")])
    return requested(), make_features(FakeRows(ROWS), spec, spec="order_status")


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (unknown_spec, "there is no feature spec 'orders': there is order_status"),
        (none_defined, "there is no feature spec 'order_status': no module of feature definitions is named"),
        (missing_input, "order_id: missing; order_status needs order_id"),
        (failing_function, "function reached: RuntimeError: no map"),
    ],
)
async def test_what_fails_is_told_in_the_answer_and_in_the_log_and_is_no_error(make, why):
    request, features = make()
    with capture_logs() as logs:
        told = await given(request, features)
    assert (told.reason, told.values, told.stated, told.asked) == (why, {}, None, True)
    assert [(one["event"], one["why"]) for one in logs] == [("answered without features", why)]


async def test_what_a_broken_store_says_is_for_the_log_and_not_for_who_asks():
    with capture_logs() as logs:
        told = await given(*broken_store())
    assert (told.reason, told.asked) == (UNREADABLE, True)
    assert [one["why"] for one in logs] == ["featurize has never run here. Start it."]


async def test_a_store_that_does_not_answer_is_waited_for_a_quarter_of_the_time_that_is_left():
    gate = threading.Event()
    with ThreadPoolExecutor(1) as threads:
        rows = FakeRows(ROWS, before_read=lambda: gate.wait(5.0))
        features = make_features(rows, order_spec(), spec="order_status", threads=threads)
        told = await given(requested(), features, left_s=0.2)
        gate.set()
    assert (told.reason, told.spec) == (NOT_IN_TIME, "order_status")
    assert len(rows.reads) == 2


async def test_long_values_and_many_of_them_are_cut():
    def wide(order_id: str) -> list[str]:
        return ["x" * 500]

    functions = [FeatureFunction(wide, f"wide_{number}") for number in range(120)]
    spec = FeatureSpec("order_status", functions)
    told = await given(requested(), make_features(FakeRows(), spec, spec="order_status"))
    assert len(told.values) == 100
    assert {len(value) for value in told.values.values()} == {200}
