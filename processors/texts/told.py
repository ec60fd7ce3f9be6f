"""What a language model is told of a product: its points, never whole reviews."""

from collections.abc import Iterator, Sequence

import msgspec

from schemas.points import Band, BandName, Evidence, Reading

POINTS = 8
"""Told in all; each is one sentence."""

BAND_POINTS = 5
QUOTES = 3
FLAGS = 2

_ORDER: tuple[BandName, ...] = ("positive", "unrated", "neutral", "negative")
"""Praise first; at least the first point of every band is told."""


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """One thing a model may write about.

    ``id`` is short and good for one prompt only: ``P1`` a point, ``V1`` what is said of the price, ``F1`` a flag.
    """

    id: str
    band: str  # a band's name, ``price`` or ``flag``
    says: str  # the headline
    label: str
    reviews: int  # distinct reviews that say it
    of: int  # reviews of its band
    percent: int  # the first of the second
    quotes: list[str]


def tell(reading: Reading) -> list[Told]:
    """Choose what is told: the largest points, praise first, then flags of danger and the price.

    Args:
        reading: What stands for a product.

    Returns:
        At most ``POINTS`` points, a price and ``FLAGS`` flags; empty when there is nothing to write about.
    """
    bands = [(name, getattr(reading.bands, name)) for name in _ORDER]
    chosen = _chosen(bands)
    points = [_point(f"P{number}", name, band, place) for number, (name, band, place) in enumerate(chosen, start=1)]
    return [*points, *_price(reading), *_flags(reading)] if points else []


def _chosen(bands: Sequence[tuple[BandName, Band]]) -> list[tuple[BandName, Band, int]]:
    """Return band and place of each point told, in the order they are told."""
    every = [(name, band, place) for name, band in bands for place in range(min(len(band.points), BAND_POINTS))]
    by_size = sorted(every, key=lambda one: (one[2] > 0, -one[1].points[one[2]].review_count))
    kept = {(name, place) for name, _, place in by_size[:POINTS]}
    return [one for one in every if (one[0], one[2]) in kept]


def _point(name: str, band_name: str, band: Band, place: int) -> Told:
    point = band.points[place]
    return Told(
        id=name,
        band=band_name,
        says=point.headline,
        label=point.label,
        reviews=point.review_count,
        of=band.review_count,
        percent=round(100 * point.share),
        quotes=_quotes(point.evidence),
    )


def _price(reading: Reading) -> Iterator[Told]:
    value = reading.value_for_money
    speaking = value.good + value.poor + value.unclear
    if value.stance == "unknown" or not value.evidence:
        return
    count = value.poor if value.stance == "poor" else value.good
    percent = round(100 * count / speaking) if speaking else 0
    says = {"good": "good value for the money", "poor": "poor value for the money", "mixed": "the price divides buyers"}
    yield Told(
        id="V1", band="price", says=says[value.stance], label="price", reviews=count, of=speaking, percent=percent,
        quotes=_quotes(value.evidence),
    )  # fmt: skip


def _flags(reading: Reading) -> Iterator[Told]:
    dangers = [flag for flag in reading.flags if flag.kind == "safety"][:FLAGS]
    for number, flag in enumerate(dangers, start=1):
        count, reviews = reading.flag_counts.safety, reading.metrics.review_count
        yield Told(
            id=f"F{number}", band="flag", says=flag.quote, label="safety", reviews=count, of=reviews,
            percent=round(100 * count / reviews) if reviews else 0, quotes=[flag.quote],
        )  # fmt: skip


def _quotes(evidence: Sequence[Evidence]) -> list[str]:
    return list(dict.fromkeys(one.quote for one in evidence))[:QUOTES]
