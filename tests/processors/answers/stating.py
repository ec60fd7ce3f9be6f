"""What features say, for tests of answers."""

from processors.answers.stated import Stated, make_stated
from processors.features import Count, Events, FeatureTable, Last, Sum
from processors.features.definitions.lookups import FeatureLookup
from processors.features.definitions.serving import FeatureSpec
from processors.features.serving.evaluating import Evaluated, Source

SAYS = ("Your order left {last_city} {last_city.age} ago.", "It has {item_count} items and costs {total} EUR.")
VALUES = {"last_city": "Leipzig", "courier": None, "item_count": 3, "total": 49.5}
NOW_US = 1_700_000_000_000_000
AGE_US = 7_300_000_000
SCANS = FeatureTable(
    "order_scans", "order_id", Events("order.scanned"), {"last_city": Last("city"), "courier": Last("courier")}
)
ITEMS = FeatureTable("order_items", "order_id", Events("order.placed"), {"item_count": Count(), "total": Sum("price")})


def order_spec(*says: str) -> FeatureSpec:
    """Define what is served of an order."""
    return FeatureSpec(
        "order_status", [FeatureLookup(SCANS, "order_id"), FeatureLookup(ITEMS, "order_id")], says=says or SAYS
    )


def evaluated_order(missing: tuple[str, ...] = (), **changed) -> Evaluated:
    """Return the values of order 77; those of tables that are missing rest on nothing."""
    values = {**VALUES, **changed}
    rows = {
        one.name: Source(one.name, "77", one.version, NOW_US - AGE_US, one.name in missing) for one in (SCANS, ITEMS)
    }
    sources = {name: (rows["order_scans" if name in {"last_city", "courier"} else "order_items"],) for name in values}
    return Evaluated({"order_id": "77"}, values, values, sources)


def an_order(*says: str, **changed) -> Stated:
    """Return what features say of order 77; values may be changed."""
    return make_stated(order_spec(*says), evaluated_order(**changed), NOW_US)
