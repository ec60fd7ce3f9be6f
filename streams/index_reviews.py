"""reviews -> words and small vectors, searched only within one product; nothing is slow here, so nothing waits."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import ClassVar

from sqlalchemy import Connection

from infra.database import Store
from infra.outbox import Cause, Output
from infra.rows import review_text_rows
from infra.rows.review_rows import ReviewKey
from infra.rows.review_text_rows import ReviewTextRow
from infra.words import words
from infra.words.words import ReviewWordRow
from models.ports import Encoder
from processors.digest.revisions import judge
from processors.documents.characters import clean
from processors.documents.identity import hash63
from schemas.documents import review_key
from schemas.indexed import Indexed
from schemas.records import Unreadable
from schemas.reviews import Review
from streams.events import Event, Rejection, check_date, include
from streams.indexed_records import publishable

Known = Mapping[ReviewKey, ReviewTextRow]


@dataclass(slots=True)
class ReviewDecision:
    """See ``streams.events.Decision``."""

    rejections: list[Rejection] = field(default_factory=list)
    outputs: list[tuple[Output, Cause]] = field(default_factory=list)
    changes: list[tuple[ReviewTextRow, int]] = field(default_factory=list)  # with the version each was made from
    dropped: list[int] = field(default_factory=list)  # rows of words
    words: list[ReviewWordRow] = field(default_factory=list)

    def write(self, connection: Connection) -> None:
        """Write the reviews first: their versions are what is compared."""
        review_text_rows.write_review_texts(connection, self.changes)
        words.drop_review_words(connection, sorted(self.dropped))
        words.put_review_words(connection, self.words)

    def committed(self) -> None:
        """Do nothing: nothing is cached."""


@dataclass(slots=True)
class _News:
    """What a run brings one review."""

    oldest: Cause
    newest: Event[Review]
    changes: int = 0


class ReviewIndexHandler:
    """Keeps reviews searchable; see ``streams.events.Handler``.

    Whoever may have cited a review is told when it is edited or deleted; its arrival is told to nobody.

    Args:
        store: The agent's store.
        encoder: Turns a review into a vector.
        topic: Physical name of the indexed topic.
        now: Unix seconds.
    """

    records: ClassVar[Mapping[str, type[Review]]] = {"reviews": Review}

    def __init__(self, store: Store, encoder: Encoder, *, topic: str, now: Callable[[], float]) -> None:
        self._store = store
        self._encoder = encoder
        self._topic = topic
        self._now = now

    def forget(self) -> None:
        """Do nothing: nothing is cached."""

    def decide(self, events: Sequence[Event[Review]], following: int) -> ReviewDecision:
        """Take the newest of each review; see ``streams.events.Handler``."""
        decision = ReviewDecision()
        with self._store.read() as connection:
            known = review_text_rows.known_review_texts(connection, list({_key(event.record) for event in events}))
        found = _fold(events, known, decision)
        rows = [_row(news, known.get(key)) for key, news in found.items()]
        for (key, news), row in zip(found.items(), self._encode(rows, known), strict=True):
            before = known.get(key)
            decision.changes.append((row, 0 if before is None else before.version))
            _follow(row, before, decision)
            if before is not None and before.op == "upsert":
                decision.outputs.append((self._output(row, before, news, following), news.oldest))
        return decision

    def _encode(self, rows: Sequence[ReviewTextRow], known: Known) -> list[ReviewTextRow]:
        """Give each review its vector; one whose text is as it was keeps it."""
        fresh = [row for row in rows if row.op == "upsert" and row.vector is None]
        vectors = self._encoder.encode([_spoken(row) for row in fresh])
        made = {row.row_id: vector.tobytes() for row, vector in zip(fresh, vectors, strict=True)}
        return [replace(row, vector=made[row.row_id]) if row.row_id in made else row for row in rows]

    def _output(self, row: ReviewTextRow, before: ReviewTextRow, news: _News, following: int) -> Output:
        gone = row.op == "delete"
        indexed = Indexed(
            document_id=row.review_id,
            product_id=row.product_id,
            kind="review",
            revision=row.version,
            document_revision=row.revision,
            op="delete" if gone else "upsert",
            chunks=0 if gone else 1,
            embedded=0,
            removed=1 if gone or row.row_id != before.row_id else 0,
            sources=include({}, news.oldest, following),
            indexed_at=datetime.fromtimestamp(self._now(), UTC),
        )
        return publishable(self._topic, indexed, news.newest.trace)


def _fold(events: Sequence[Event[Review]], known: Known, decision: ReviewDecision) -> dict[ReviewKey, _News]:
    """Judge records one after the other; of those that change something the newest of each review counts."""
    states = {key: (row.revision, row.op == "delete") for key, row in known.items()}
    found: dict[ReviewKey, _News] = {}
    for event in events:
        review, key = event.record, _key(event.record)
        if judge(review.op, review.revision, *states.get(key, (None, False))) == "nothing":
            continue
        try:
            check_date("created_at", review.created_at, event.at)
        except Unreadable as problem:
            decision.rejections.append(Rejection(event.raw, problem))
            continue
        states[key] = (review.revision, review.op == "delete")
        news = found.setdefault(key, _News(event.cause, event))
        news.newest, news.changes = event, news.changes + 1
    return found


def _row(news: _News, before: ReviewTextRow | None) -> ReviewTextRow:
    event, review = news.newest, news.newest.record
    version = news.changes + (0 if before is None else before.version)
    gone = review.op == "delete"
    title = None if gone else clean(review.title or "").strip() or None
    text = None if gone else clean(review.text or "")
    same = before is not None and not gone and before.op == "upsert" and (before.title, before.text) == (title, text)
    return ReviewTextRow(
        product_id=review.product_id,
        review_id=review.review_id,
        row_id=before.row_id if same and before else review_row_id(review.product_id, review.review_id, version),
        revision=review.revision,
        version=version,
        op=review.op,
        title=title,
        text=text,
        rating=None if gone else review.rating,
        at=(review.created_at or event.at).timestamp(),
        vector=before.vector if same and before else None,
    )


def review_row_id(product_id: str, review_id: str, version: int) -> int:
    """Return the id of the row of words that a version of a review brings."""
    return hash63(f"{review_key(product_id, review_id)}@{version}")


def _follow(row: ReviewTextRow, before: ReviewTextRow | None, decision: ReviewDecision) -> None:
    """Let words follow a review: a text that is as it was keeps its row."""
    if before is not None and before.op == "upsert" and before.row_id != row.row_id:
        decision.dropped.append(before.row_id)
    if row.op == "upsert" and (before is None or before.row_id != row.row_id):
        decision.words.append(review_words_of(row))


def review_words_of(row: ReviewTextRow) -> ReviewWordRow:
    """Say by what words a review is found."""
    return ReviewWordRow(row.row_id, row.product_id, row.title or "", row.text or "")


def _spoken(row: ReviewTextRow) -> str:
    return f"{row.title}. {row.text}" if row.title else row.text or ""


def _key(review: Review) -> ReviewKey:
    return review.product_id, review.review_id
