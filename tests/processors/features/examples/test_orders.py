"""Where is my order: from events to the sentence a customer is told."""

from datetime import datetime

from processors.features.examples.orders import order_scans, order_status, order_steps
from processors.features.records import microseconds
from processors.features.serving.calling import CallsHere
from processors.features.serving.evaluating import evaluate
from processors.features.serving.saying import say
from tests.processors.features.memory import Memory

NOW_US = microseconds(datetime.fromisoformat("2026-03-02T12:00:00Z"))


def asked(memory, *orders):
    return evaluate(order_status, [{"order": one} for one in orders], memory, CallsHere([order_status]), NOW_US)


def under_way():
    memory = Memory(order_scans, order_steps)
    memory.put("order.placed", "2026-03-01T09:00:00Z", {"order": "o7"}, items=2)
    memory.put("order.scanned", "2026-03-02T02:00:00Z", {"order": "o7"}, city="Hamburg")
    memory.put("order.scanned", "2026-03-02T10:00:00Z", {"order": "o7"}, city="Leipzig")
    return memory


def test_an_order_under_way_is_told_with_the_city_it_left_and_when():
    found = asked(under_way(), "o7")[0]
    assert found.outputs == {
        "scans": 2,
        "last_city": "Leipzig",
        "last_scan_at": "2026-03-02T10:00:00+00:00",
        "status": "under way",
        "items": 2.0,
        "left_city": "Leipzig",
        "hours_waited": 27.0,
    }
    assert say(order_status, found, NOW_US) == [
        "Your order is under way.",
        "Your order left Leipzig 2 hours ago.",
        "You have waited 27 hours for your 2 items.",
    ]


def test_a_scan_that_comes_late_does_not_send_the_parcel_back():
    memory = under_way()
    memory.put("order.scanned", "2026-03-02T04:00:00Z", {"order": "o7"}, city="Berlin")
    assert asked(memory, "o7")[0].outputs["last_city"] == "Leipzig"


def test_a_delivered_order_has_left_no_city():
    memory = under_way()
    memory.put("order.delivered", "2026-03-02T11:30:00Z", {"order": "o7"})
    found = asked(memory, "o7")[0]
    assert (found.outputs["status"], found.outputs["left_city"]) == ("delivered", None)
    assert not [one for one in say(order_status, found, NOW_US) if "left" in one]


def test_an_order_nobody_knows_has_defaults_and_no_sentence():
    memory = under_way()
    known, unknown = asked(memory, "o7", "o8")
    assert known.outputs["scans"] == 2
    assert (unknown.outputs["scans"], unknown.outputs["status"]) == (0, "unknown")
    assert unknown.missing("status")
    assert say(order_status, unknown, NOW_US) == []
    assert len(memory.reads) == 1
