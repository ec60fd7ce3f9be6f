"""Everything that stands for one product, one review at a time."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Final

import msgspec
import numpy as np
import numpy.typing as npt

from tests.releases.v0_1.processors.digest.clusters import Clusters
from tests.releases.v0_1.processors.digest.head import Head
from tests.releases.v0_1.processors.digest.persistence import Trace, dump_band, dump_trace, load_band, read_traces
from tests.releases.v0_1.processors.digest.pruning import prune
from tests.releases.v0_1.processors.digest.recency import RecentReviews, unix_s
from processors.language.claims import Claim
from processors.language.features import claim_features
from tests.releases.v0_1.processors.points.reading import read_product
from tests.releases.v0_1.schemas.points import BAND_NAMES, Reading
from schemas.reviews import Review

Vectors = npt.NDArray[np.int8]

HEAD: Final = "head"
_LEANS: Final = (-1, 0, 1, 0)  # of BAND_NAMES
_DUE_GROWTH: Final = 0.2
_DUE_REVIEWS: Final = 2
_HEAD_DECODER: Final = msgspec.msgpack.Decoder(Head)


class Product:
    """The standing state of one product.

    Deterministic: the same reviews in the same order make the same state, byte for byte, whether
    or not it was dumped and loaded in between.

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
        >>> trace = product.fold(review, datetime(2024, 1, 1, tzinfo=UTC), claims, vector)
        >>> product = Product.load("card", product.dump_changed(), [trace])
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
    def load(cls, product_id: str, parts: Mapping[str, bytes], traces: Iterable[bytes]) -> "Product":
        """Bring a product back.

        Args:
            product_id: Whose state it is.
            parts: The newest bytes of every part ``dump_changed`` ever named.
            traces: What ``fold`` returned for every review, in order of arrival.

        Raises:
            msgspec.ValidationError: If bytes are not what this version writes.
        """
        product = cls(product_id)
        past = read_traces(traces, len(BAND_NAMES))
        product._recent = RecentReviews(past.times_s)
        if HEAD in parts:
            product._head = _HEAD_DECODER.decode(parts[HEAD])
        product._bands = tuple(
            load_band(parts[name], hits) if name in parts else Clusters()
            for name, hits in zip(BAND_NAMES, past.hits, strict=True)
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

    def fold(self, review: Review, at: datetime, claims: Sequence[Claim], vectors: Vectors) -> bytes:
        """Fold one review that was not folded before.

        Args:
            review: The review.
            at: When it was written.
            claims: ``split_claims`` of its text.
            vectors: ``(len(claims), D)`` int8, the same D for all reviews of a product.

        Returns:
            Its trace, to be stored with the review and given back to ``load``.
        """
        place = band_of(review.rating)
        band = self._bands[place]
        self._head.fold(review, claims)
        hits = band.fold(review.review_id, _LEANS[place], claims, claim_features(claims, vectors))
        merges = prune(band)
        time_s = unix_s(at)
        self._recent.add(time_s)
        self._changed |= {HEAD, BAND_NAMES[place]}
        return dump_trace(Trace(place, time_s, hits, merges))

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
        """Encode the parts that changed since the last dump or load: "head" and names of bands."""
        parts: dict[str, bytes] = {
            name: dump_band(band) for name, band in zip(BAND_NAMES, self._bands, strict=True) if name in self._changed
        }
        if HEAD in self._changed:
            parts[HEAD] = msgspec.msgpack.encode(self._head)
        self._changed = set()
        return parts


def band_of(rating: int | None) -> int:
    """Return the place in ``BAND_NAMES`` of a rating.

    Example:
        >>> [BAND_NAMES[band_of(stars)] for stars in (2, 3, 4, None)]
        ['negative', 'neutral', 'positive', 'unrated']
    """
    if rating is None:
        return 3
    return 0 if rating <= 2 else 1 if rating == 3 else 2
