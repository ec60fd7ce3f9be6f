"""Points that no text can be written from, told before anything is computed with them."""

from collections.abc import Iterator

import msgspec

from schemas.points import BAND_NAMES, Points
from schemas.records import Identifier, Unreadable

LARGEST = 2**63 - 1
"""What a 64-bit column holds."""


def check_points(points: Points) -> None:
    """Refuse points whose counts contradict each other.

    Raises:
        Unreadable: With the first field that cannot be true.
    """
    for field, count, least, most in _counts(points):
        if not least <= count <= most:
            raise Unreadable("invalid_field", f"{field}: {_short(count)} is not between {least} and {most}", field)
    try:
        msgspec.convert(points.product_id, Identifier)
    except msgspec.ValidationError as error:
        what = "product_id: expected 1 to 200 characters, none of them a control character"
        raise Unreadable("invalid_field", what, "product_id") from error


def _counts(points: Points) -> Iterator[tuple[str, int, int, int]]:
    """Give each count that is computed with or stored, with the least and the most it can be."""
    yield "forgotten.count", points.forgotten.count, 0, LARGEST
    for name in BAND_NAMES:
        band = getattr(points.bands, name)
        yield f"bands.{name}.review_count", band.review_count, 0, LARGEST
        for place, point in enumerate(band.points):
            yield f"bands.{name}.points[{place}].review_count", point.review_count, 1, band.review_count


def _short(count: int) -> str:
    return str(count) if abs(count) <= LARGEST else f"{'-' if count < 0 else ''}a number of {count.bit_length()} bits"
