"""How a simulation runs, beside its seed and its number of products."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from processors.simulator.truth import Side


@dataclass(frozen=True, slots=True)
class Drift:
    """From one review on, an opinion about one product becomes more or less frequent.

    Only how often the opinion is voiced changes: ratings and the other opinions stay as they were, so the
    change shows within the bands, not in their sizes.

    Args:
        product_id: Whose opinion moves.
        aspect: Which one.
        side: Complaints (negative) or praise (positive).
        after: Index in the whole stream, from 0, of the first review that may differ.
        factor: Multiplies the opinion's prevalence, 0 or more; it never rises over 0.95.
    """

    product_id: str
    aspect: str
    side: Side
    after: int
    factor: float


@dataclass(frozen=True, slots=True)
class Scenario:
    """Settings of a simulation; shares from 0 to 1.

    Args:
        start: Event time of the first review, with a zone.
        spacing: Event time between reviews, on average.
        foreign_share: Of reviews in German, Spanish or French.
        duplicate_share: Of reviews that repeat an earlier text of their product word for word.
        unrated_share: Of reviews without a rating.
        late_share: Of reviews written up to three days before they arrive.
        flag_share: Of reviews with a safety or severe remark; most of them among the bad ratings.
        drifts: Changes on the way.
    """

    start: datetime = datetime(2023, 1, 1, tzinfo=UTC)
    spacing: timedelta = timedelta(minutes=15)
    foreign_share: float = 0.02
    duplicate_share: float = 0.01
    unrated_share: float = 0.0
    late_share: float = 0.03
    flag_share: float = 0.012
    drifts: Sequence[Drift] = ()

    def __post_init__(self) -> None:
        for name in ("foreign_share", "duplicate_share", "unrated_share", "late_share", "flag_share"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name}: {getattr(self, name)} is no share, give 0 to 1")
        if self.start.tzinfo is None:
            raise ValueError("start: give a time with a zone")
        if self.spacing < timedelta(0):
            raise ValueError("spacing: time runs forward, give 0 or more")
