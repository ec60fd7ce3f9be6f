"""A user's module for ``tests.bench.features``: a table of fifty features, and specs that look rows up."""

from processors.features import (
    Count,
    Events,
    FeatureFunction,
    FeatureLookup,
    FeatureSpec,
    FeatureTable,
    Last,
    Max,
    Mean,
    Min,
    Sum,
)

WINDOWS = ("1m", "1h", "6h", "1d", "7d")

wide = FeatureTable(
    "wide",
    "customer",
    Events("sale"),
    {
        "sales": Count(),
        "large": Count(where=lambda row: row["price"] > 50),
        "gifts": Count(where=lambda row: row["gift"]),
        "spent": Sum("price"),
        "weight": Sum("weight"),
        "price": Mean("price"),
        "mean_weight": Mean("weight"),
        "cheapest": Min("price"),
        "dearest": Max("price"),
        "last_shop": Last("shop"),
    },
    windows=WINDOWS,
    keep_days=7,
)
places = FeatureTable("places", "shop", Events("sale"), {"shop_sales": Count(), "shop_spent": Sum("price")})
couriers = FeatureTable("couriers", "courier", Events("sale"), {"parcels": Count(), "load": Sum("weight")})


def spent_share(spent_7d: float | None, shop_spent: float | None) -> float | None:
    """Tell what share of a shop's sales one customer is."""
    return None if not shop_spent else (spent_7d or 0.0) / shop_spent


def busy_courier(parcels: int | None, load: float | None) -> bool:
    """Tell whether a courier has much to carry."""
    return (parcels or 0) > 100 or (load or 0.0) > 1_000.0


wide_row = FeatureSpec("wide_row", [FeatureLookup(wide, "customer")])
offer = FeatureSpec(
    "offer",
    [
        FeatureLookup(wide, "customer", features=["spent_7d", "sales_1h", "last_shop_1d"]),
        FeatureLookup(places, "shop"),
        FeatureLookup(couriers, "courier"),
        FeatureFunction(spent_share, "spent_share"),
        FeatureFunction(busy_courier, "busy_courier"),
    ],
)
