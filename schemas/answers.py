"""Records on the ``answers`` topic: what the documents say to a question, each sentence with where it stands."""

import msgspec

from schemas.features import FeatureValue
from schemas.indexed import IndexedKind
from schemas.records import Op, Sources
from schemas.summaries import WriterStamp

CITATION_LIMIT = 20
"""Citations an answer has at most."""


FEATURES_LABEL = "F1"
"""What an answer's text cites its features by, as ``[F1]``."""


class Citation(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One quote, and the chunk it stands in, word for word."""

    document_id: str  # of a review: its review_id
    chunk_id: str
    quote: str  # at most 240 characters
    score: float  # probability that it answers the question, 0 to 1
    tenant: str | None = None
    title: str | None = None
    uri: str | None = None
    kind: IndexedKind = "document"
    product_id: str | None = None  # of a review


class FeatureSource(msgspec.Struct, frozen=True, kw_only=True):
    """One row of a feature table that features of an answer were read from."""

    table: str
    key: str | None  # none where the request names none
    version: str  # of the table's definition
    as_of: str | None  # when the newest event in it happened: RFC 3339, microseconds, UTC
    age_s: float | None  # how long before it was read that was, seconds
    missing: bool  # nothing is known of the key: its values are defaults
    features: list[str]  # read from it, or computed of what was


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to one request. Kafka key: ``request_id``.

    ``abstained`` says that nothing is claimed: ``text`` is then null and ``reason`` tells why. An answer is
    withdrawn in the same way, as a newer revision, when something it cites is deleted, edited away or hidden
    from who asked. ``[1]`` in the text is the first of the ``citations``; ``[F1]`` is what ``features`` say.
    """

    request_id: str
    revision: int
    op: Op
    text: str | None
    citations: list[Citation]
    features: dict[str, FeatureValue]  # what the spec tells of who or what is asked about
    abstained: bool
    reason: str | None
    confidence: float | None  # probability that the sources answer the question, 0 to 1
    writer: WriterStamp | None
    sources: Sources
    timings_ms: dict[str, float]  # by part: embed, vectors, words, fusion, features, write, total
    feature_spec: str | None = None  # whose features these are
    feature_sources: list[FeatureSource] = []
    features_reason: str | None = None  # why there are no features where some were asked for
