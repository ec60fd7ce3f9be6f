"""Everything that stands for one product, one review at a time."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import msgspec
import numpy as np
import numpy.typing as npt

from processors.digest.clusters import Clusters
from processors.digest.head import Head
from processors.digest.persistence import Trace, dump_band, dump_base, dump_trace, load_band, read_past
from processors.digest.pruning import prune
from processors.digest.recency import RecentReviews, unix_s
from processors.language.claims import Claim
from processors.language.features import claim_features
from processors.points.reading import read_product
from schemas.points import BAND_NAMES, Reading
from schemas.reviews import Review

Vectors = npt.NDArray[np.int8]

HEAD: Final = "head"
BASE: Final = "base"
_LEANS: Final = (-1, 0, 1, 0)  # of BAND_NAMES
_DUE_GROWTH: Final = 0.2
_DUE_REVIEWS: Final = 2
_HEAD_DECODER: Final = msgspec.msgpack.Decoder(Head)


@dataclass(frozen=True, slots=True)
class Folded:
    """A review and how it was folded."""

    review: Review
    ordinal: int
    at: datetime


class Product:
    """The standing state of one product.

    Deterministic: the same reviews in the same order make the same state, byte for byte, whether
    or not it was dumped and loaded in between. Forgetting a review takes its counts and quotes away
    at once; the state equals that of a product that never saw it once all others are folded anew.

    Args:
        product_id: Whose state it is.

    Example:
        >>> import numpy as np
        >>> from datetime import UTC
        >>> from processors.language.claims import split_claims
        >>> product = Product("card")
        >>> review = Review(review_id="r1", product_id="card", text="The card died after a week.", rating=1)
        >>> claims = split_claims(review.text)
        >>> vector = np.full((1, 4), 63, np.int8)
        >>> trace = product.fold(review, 0, datetime(2024, 1, 1, tzinfo=UTC), claims, vector)
        >>> product = Product.load("card", product.dump_changed(), [(0, trace)])
        >>> product.read(lambda texts: np.zeros((len(texts), 4), np.int8)).bands.negative.points[0].headline
        'The card died after a week.'
    """

    def __init__(self, product_id: str) -> None:
        self.product_id = product_id
        self._head = Head()
        self._bands = tuple(Clusters() for _ in BAND_NAMES)
        self._recent = RecentReviews()
        self._changed: set[str] = set()

    @classmethod
    def load(cls, product_id: str, parts: Mapping[str, bytes], traces: Iterable[tuple[int, bytes]]) -> "Product":
        """Bring a product back.

        Args:
            product_id: Whose state it is.
            parts: The newest bytes of every part ``dump_changed`` ever named.
            traces: (ordinal, what ``fold`` returned) of every review since the part "base" was dumped last,
                or of all when it never was; in order of arrival.

        Raises:
            msgspec.ValidationError: If bytes are not what this version writes.
        """
        product = cls(product_id)
        past = read_past(parts.get(BASE), traces, len(BAND_NAMES))
        product._recent = RecentReviews(past.times_s)
        if HEAD in parts:
            product._head = _HEAD_DECODER.decode(parts[HEAD])
        product._bands = tuple(
            load_band(parts[name], members, newest) if name in parts else Clusters()
            for name, members, newest in zip(BAND_NAMES, past.members, past.newest, strict=True)
        )
        return product

    @property
    def review_count(self) -> int:
        """Reviews folded."""
        return self._head.review_count

    @property
    def unread(self) -> bool:
        """Whether anything was folded since the last reading."""
        return self._head.unread

    @property
    def reading_due(self) -> bool:
        """Whether a band grew by a fifth and two reviews since the last reading, or a kind of flag is new."""
        if self._head.flagged_first:
            return True
        grown = zip((band.review_count for band in self._bands), self._head.read_band_counts, strict=True)
        return any(now - then >= max(_DUE_REVIEWS, _DUE_GROWTH * then) for now, then in grown)

    def fold(self, review: Review, ordinal: int, at: datetime, claims: Sequence[Claim], vectors: Vectors) -> bytes:
        """Fold one review that was not folded before, or was forgotten since.

        Args:
            review: The review.
            ordinal: Its place in the order of arrival; each review has its own.
            at: When it was written.
            claims: ``split_claims`` of its text.
            vectors: ``(len(claims), D)`` int8, the same D for all reviews of a product.

        Returns:
            Its trace, to be stored with the review and given back to ``load``.
        """
        place = band_of(review.rating)
        band = self._bands[place]
        self._head.fold(review, claims)
        hits = band.fold(review.review_id, ordinal, _LEANS[place], claims, claim_features(claims, vectors))
        merges = prune(band)
        time_s = unix_s(at)
        self._recent.add(time_s)
        self._changed |= {HEAD, BAND_NAMES[place]}
        return dump_trace(Trace(place, time_s, hits, merges))

    def forget(self, folded: Folded, claims: Sequence[Claim], rest: Callable[[], Iterable[float]]) -> None:
        """Take one folded review away. Afterwards the part "base" changes, and older traces are void.

        Args:
            folded: The review as it was folded.
            claims: ``split_claims`` of its text.
            rest: Returns the times of all other reviews, unix seconds.
        """
        review, place = folded.review, band_of(folded.review.rating)
        terms = {term for claim in claims for term in claim.content}
        self._head.forget(review, claims)
        self._bands[place].forget(review.review_id, folded.ordinal, terms)
        self._recent.remove(unix_s(folded.at), rest)
        self._changed |= {HEAD, BASE, BAND_NAMES[place]}

    def read(self, encode: Callable[[Sequence[str]], Vectors]) -> Reading:
        """Say what stands: points, value for money, flags, metrics. Changes nothing.

        Args:
            encode: Encoder of the vectors that were folded. Not called today: quotes are scored when they are
                folded, because encoding them again took longer than all else in a reading.
        """
        return read_product(self._head, self._bands, self._recent.count)

    def mark_read(self) -> None:
        """Remember that the present state was read."""
        self._head.read_band_counts = [band.review_count for band in self._bands]
        self._head.flagged_first = False
        self._head.unread = False
        self._changed.add(HEAD)

    def dump_changed(self) -> dict[str, bytes]:
        """Encode the parts that changed since the last dump or load: "head", "base" and names of bands.

        When "base" is among them, traces of reviews folded so far are not needed any more.
        """
        parts: dict[str, bytes] = {
            name: dump_band(band) for name, band in zip(BAND_NAMES, self._bands, strict=True) if name in self._changed
        }
        if HEAD in self._changed:
            parts[HEAD] = msgspec.msgpack.encode(self._head)
        if BASE in self._changed:
            parts[BASE] = dump_base(self._bands, self._recent.times_s)
        self._changed = set()
        return parts

    def dump(self) -> dict[str, bytes]:
        """Encode everything, so that no trace is needed."""
        self._changed = {HEAD, BASE, *BAND_NAMES}
        return self.dump_changed()


def band_of(rating: int | None) -> int:
    """Return the place in ``BAND_NAMES`` of a rating.

    Example:
        >>> [BAND_NAMES[band_of(stars)] for stars in (2, 3, 4, None)]
        ['negative', 'neutral', 'positive', 'unrated']
    """
    if rating is None:
        return 3
    return 0 if rating <= 2 else 1 if rating == 3 else 2
