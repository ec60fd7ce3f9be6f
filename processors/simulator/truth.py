"""What the simulated reviews really said, to hold a reading against."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from schemas.points import BandName

Side = Literal["positive", "negative"]


class Opinion(NamedTuple):
    """One thing a buyer can think of a product."""

    aspect: str
    side: Side


@dataclass(frozen=True, slots=True)
class Mention:
    """An opinion as one review words it: ``text`` stands in the review, character by character."""

    opinion: Opinion
    text: str


@dataclass(frozen=True, slots=True)
class BandTruth:
    """What the reviews of one rating band said, in distinct reviews."""

    review_count: int
    counts: Mapping[Opinion, int]

    def share(self, opinion: Opinion) -> float:
        """Return the share of the band's reviews that hold an opinion, 0 to 1; 0 in an empty band."""
        return self.counts.get(opinion, 0) / self.review_count if self.review_count else 0.0

    def top(self, limit: int) -> list[Opinion]:
        """Return the most prevalent opinions, most first; ties in alphabetical order."""
        return sorted(self.counts, key=lambda opinion: (-self.counts[opinion], opinion))[:limit]


@dataclass(frozen=True, slots=True)
class Truth:
    """What the reviews of one product said so far.

    Args:
        product_id: Of the product.
        name: As people know it.
        bands: By rating band, all four.
        flag_counts: Reviews with a safety or a severe remark.
        mentions_of: Finds the mentions of a review by its id; none for ids it does not know.
    """

    product_id: str
    name: str
    bands: Mapping[BandName, BandTruth]
    flag_counts: Mapping[str, int]
    mentions_of: Callable[[str], tuple[Mention, ...]]

    def as_json(self) -> dict[str, Any]:
        """Return counts and shares as plain values, opinions most prevalent first."""
        return {
            "product_id": self.product_id,
            "name": self.name,
            "review_count": sum(band.review_count for band in self.bands.values()),
            "flag_counts": dict(self.flag_counts),
            "bands": {name: _band_json(band) for name, band in self.bands.items()},
        }


def _band_json(band: BandTruth) -> dict[str, Any]:
    opinions = [
        {
            "aspect": opinion.aspect,
            "side": opinion.side,
            "review_count": band.counts[opinion],
            "share": round(band.share(opinion), 6),
        }
        for opinion in band.top(len(band.counts))
    ]
    return {"review_count": band.review_count, "opinions": opinions}
