"""A user's module for ``tests.bench.features``: one table of twenty aggregations over four windows."""

from processors.features import Count, Distinct, Events, FeatureTable, First, Last, Max, Mean, Min, Quantile, Ratio, Sum

WINDOWS = ("1m", "1h", "1d", "7d")

busy = FeatureTable(
    "busy",
    "customer",
    Events("sale"),
    {
        "sales": Count(),
        "large": Count(where=lambda row: row["price"] > 50),
        "gifts": Count(where=lambda row: row["gift"]),
        "spent": Sum("price"),
        "spent_large": Sum("price", where=lambda row: row["price"] > 50),
        "weight": Sum("weight"),
        "weighted": Sum(lambda row: row["price"] * row["weight"]),
        "price": Mean("price"),
        "mean_weight": Mean("weight"),
        "mean_gift": Mean("price", where=lambda row: row["gift"]),
        "cheapest": Min("price"),
        "lightest": Min("weight"),
        "dearest": Max("price"),
        "heaviest": Max("weight"),
        "first_shop": First("shop"),
        "last_shop": Last("shop"),
        "last_price": Last("price"),
        "shops": Distinct("shop"),
        "median": Quantile("price", q=0.5),
        "gift_share": Ratio(top=Count(where=lambda row: row["gift"]), bottom=Count()),
    },
    windows=WINDOWS,
    keep_days=7,
)
