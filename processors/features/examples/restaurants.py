"""How far is it to eat? A distance computed at request time, from where somebody is to where a place was seen last.

It reads events of food trucks, which move, as

    {"event_id": "e1", "type": "restaurant.seen", "entity": {"restaurant": "r1"},
     "values": {"latitude": 52.52, "longitude": 13.41, "name": "Dumpling Bus"}, "occurred_at": "2026-03-01T09:00:00Z"}
"""

import math

from processors.features import Count, Events, FeatureFunction, FeatureLookup, FeatureSpec, FeatureTable, Last

EARTH_KM = 6371.0088

restaurant_places = FeatureTable(
    "restaurant_places",
    primary_key="restaurant",
    source=Events("restaurant.seen"),
    aggregations={
        "restaurant_name": Last("name"),
        "restaurant_latitude": Last("latitude"),
        "restaurant_longitude": Last("longitude"),
        "sightings": Count(windows=("1h",)),
    },
    description="Where restaurants are, as last seen.",
)


def distance_km(
    latitude: float, longitude: float, restaurant_latitude: float | None, restaurant_longitude: float | None
) -> float | None:
    """Measure along a great circle (the haversine formula), kilometres.

    Example:
        >>> distance_km(52.52, 13.405, 48.137, 11.575)  # Berlin to Munich
        504.339
        >>> distance_km(52.52, 13.405, None, None) is None
        True
    """
    if restaurant_latitude is None or restaurant_longitude is None:
        return None
    here, there = math.radians(latitude), math.radians(restaurant_latitude)
    east = math.radians(restaurant_longitude - longitude)
    half = math.sin((there - here) / 2) ** 2 + math.cos(here) * math.cos(there) * math.sin(east / 2) ** 2
    return round(2 * EARTH_KM * math.asin(math.sqrt(min(1.0, half))), 3)


def walking_minutes(distance_km: float | None, km_per_hour: float = 4.8) -> int | None:
    """Tell how long the way takes on foot."""
    return None if distance_km is None else math.ceil(distance_km / km_per_hour * 60)


way_to_restaurant = FeatureSpec(
    "way_to_restaurant",
    [
        FeatureLookup(restaurant_places, lookup_key="restaurant"),
        FeatureFunction(distance_km, "distance_km"),
        FeatureFunction(walking_minutes, "walking_minutes"),
    ],
    exclude=["restaurant_latitude", "restaurant_longitude"],
    says=["{restaurant_name} was {distance_km} km from you {restaurant_name.age} ago."],
    description="How far it is to a restaurant.",
)
