"""Where is my order? What parcels went through becomes a sentence that a customer can be told.

``MILLRACE_FEATURES_MODULE=processors.features.examples.orders millrace up`` keeps its tables. It reads events as

    {"event_id": "e1", "type": "order.placed", "entity": {"order": "o7"}, "values": {"items": 2},
     "occurred_at": "2026-03-01T09:00:00Z"}
    {"event_id": "e2", "type": "order.scanned", "entity": {"order": "o7"}, "values": {"city": "Leipzig"}, ...}
    {"event_id": "e3", "type": "order.delivered", "entity": {"order": "o7"}, "values": {}, ...}
"""

from datetime import datetime

from processors.features import (
    Count,
    Events,
    FeatureFunction,
    FeatureLookup,
    FeatureSpec,
    FeatureTable,
    First,
    Last,
)
from processors.features.definitions.aggregations import Row

_STATUS = {"order.placed": "being packed", "order.scanned": "under way", "order.delivered": "delivered"}


def status_of(row: Row) -> str:
    """Name where in its life an order is."""
    return _STATUS[row["type"]]


def time_of(row: Row) -> str:
    """Write when it happened."""
    return str(row["occurred_at"].isoformat())


order_scans = FeatureTable(
    "order_scans",
    primary_key="order",
    source=Events("order.scanned"),
    aggregations={"scans": Count(), "last_city": Last("city"), "last_scan_at": Last(time_of)},
    description="Where parcels were seen.",
)

order_steps = FeatureTable(
    "order_steps",
    primary_key="order",
    source=Events(*_STATUS),
    aggregations={
        "status": Last(status_of, default="unknown"),
        "items": Last("items", where=lambda row: row["type"] == "order.placed"),
        "placed_at": First(time_of, where=lambda row: row["type"] == "order.placed"),
    },
    description="How far orders are.",
)


def left_city(last_city: str | None, status: str | None) -> str | None:
    """Name the city a parcel left, while it is under way."""
    return last_city if status == "under way" else None


def hours_waited(placed_at: datetime | None, request_time: datetime) -> float | None:
    """Tell how long a customer has waited."""
    return None if placed_at is None else round((request_time - placed_at).total_seconds() / 3600, 1)


order_status = FeatureSpec(
    "order_status",
    [
        FeatureLookup(order_scans, lookup_key="order"),
        FeatureLookup(order_steps, lookup_key="order"),
        FeatureFunction(left_city, "left_city"),
        FeatureFunction(hours_waited, "hours_waited"),
    ],
    exclude=["placed_at"],
    says=[
        "Your order is {status}.",
        "Your order left {left_city} {left_city.age} ago.",
        "You have waited {hours_waited} hours for your {items} items.",
    ],
    description="Where an order is.",
)
