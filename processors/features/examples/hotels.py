"""Which hotel suits a traveller? What was booked before, against a price that changes by the minute.

It reads events as

    {"event_id": "e1", "type": "stay.booked", "entity": {"traveller": "t1", "hotel": "h9"},
     "values": {"stars": 4, "night_price": 120, "nights": 3, "city": "Porto"}, "occurred_at": "2026-03-01T09:00:00Z"}
    {"event_id": "e2", "type": "room.priced", "entity": {"hotel": "h9"}, "values": {"night_price": 95, "stars": 4}, ...}
"""

from processors.features import (
    Count,
    Events,
    FeatureFunction,
    FeatureLookup,
    FeatureSpec,
    FeatureTable,
    Last,
    Mean,
    Min,
    Quantile,
    Sum,
)

traveller_stays = FeatureTable(
    "traveller_stays",
    primary_key="traveller",
    source=Events("stay.booked"),
    aggregations={
        "stays": Count(),
        "nights": Sum("nights"),
        "usual_stars": Mean("stars"),
        "usual_price": Quantile("night_price", q=0.5),
        "last_city": Last("city"),
    },
    description="What a traveller books.",
)

room_prices = FeatureTable(
    "room_prices",
    primary_key="hotel",
    source=Events("room.priced"),
    aggregations={
        "price": Last("night_price"),
        "stars": Last("stars"),
        "lowest": Min("night_price", windows=("1h", "7d")),
    },
    description="What a night costs, as of the last minute.",
)


def price_ratio(price: float | None, usual_price: float | None) -> float | None:
    """Tell how a price compares with what the traveller usually pays: 1 is as usual."""
    return None if price is None or not usual_price else round(price / usual_price, 4)


def score(price_ratio: float | None, stars: float | None, usual_stars: float | None) -> float | None:
    """Score a hotel for a traveller, 0 to 1: half for the price, half for the stars.

    Example:
        >>> score(1.0, 4.0, 4.0), score(2.0, 2.0, 4.0), score(None, 4.0, 4.0)
        (1.0, 0.25, None)
    """
    if price_ratio is None or stars is None or usual_stars is None:
        return None
    cheap = max(0.0, min(1.0, 2.0 - price_ratio))
    fitting = max(0.0, 1.0 - abs(stars - usual_stars) / 4)
    return round((cheap + fitting) / 2, 4)


hotel_score = FeatureSpec(
    "hotel_score",
    [
        FeatureFunction(score, "score"),
        FeatureFunction(price_ratio, "price_ratio"),
        FeatureLookup(traveller_stays, "traveller", ["stays", "usual_stars", "usual_price", "last_city"]),
        FeatureLookup(room_prices, "hotel", rename={"lowest_1h": "lowest_in_an_hour"}),
    ],
    exclude=["usual_stars", "last_city"],
    says=["A night in {hotel} costs {price} as of {price.age} ago; you usually pay {usual_price}."],
    description="How well a hotel suits a traveller, at its price of now.",
)
