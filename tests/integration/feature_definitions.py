"""The user's module of the tests on a real broker; the environment says which of its two definitions it holds."""

import os

from processors.features import Count, Distinct, Events, FeatureTable, Last, Max, Mean, Quantile, Reviews, Sum

WINDOWS = ("1h", "7d", "all") if os.environ.get("TEST_FEATURES") == "changed" else ("1h", "all")

sales = FeatureTable(
    "sales",
    "customer",
    Events("sale"),
    {
        "sales": Count(),
        "spent": Sum("price"),
        "mean": Mean("price"),
        "most": Max("price"),
        "last": Last("price"),
        "shops": Distinct("shop"),
        "median": Quantile("price"),
    },
    windows=WINDOWS,
)
rated = FeatureTable("rated", "product_id", Reviews(), {"reviews": Count(), "stars": Mean("rating")})
