"""What the agents' stores hold of one review: counted before and after it is erased."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

import msgspec
from sqlalchemy import Connection

from infra.belongings import Belonging, belongings
from infra.rows.feature_log_rows import known_events
from infra.rows.review_rows import ReviewKey, ReviewRow, known_reviews, reviews_from
from infra.rows.review_text_rows import known_review_texts
from infra.words.words import count_review_words
from processors.digest.quoting import quoted_reviews as quoted_in_state
from processors.features.records import joined_id
from processors.language.wording import Run
from processors.texts.citing import quoted_reviews
from schemas.documents import review_key
from schemas.points import Forgotten, Points, Reading
from schemas.reviews import Review
from schemas.summaries import Summary
from schemas.tables import STORES
from streams.cli.erasing.answer_traces import calls_on, citing, find_sayings
from streams.cli.erasing.outcome import Remnant, Trace
from streams.cli.erasing.sought import Sought
from streams.index_reviews import review_row_id
from streams.summary_records import Wanted

ONE_EACH = ("reviews", "tombstones", "review_texts")
"""Tables with a row for each review of a product: those of other reviews are not looked at."""

PAGE = 500
"""Reviews read in one go."""


@dataclass(slots=True)
class Census:
    """What one look at the stores found."""

    traces: set[Trace] = field(default_factory=set)
    kept: list[Remnant] = field(default_factory=list)


def take_census(connection: Connection, agent: str, sought: Sought, census: Census) -> None:
    """Count what one agent's store holds of the review.

    Every answer in its ledger for the product counts: what it was asked may have held the review.

    Args:
        connection: On that store, in a transaction.
        agent: Whose it is.
        sought: The review.
        census: Takes what is found.
    """
    if agent == "answer":
        key = review_key(sought.product_id, sought.review_id)
        census.traces |= {Trace(agent, "answers", (request_id,)) for request_id in citing(connection, key)}
        census.traces |= {Trace(agent, "ledger", entry) for entry in calls_on(connection, key)}
    for where, revision, there in _versions(connection, agent, (sought.product_id, sought.review_id)):
        if there:
            census.traces.add(Trace(agent, where, (revision,)))
        else:
            census.kept.append(Remnant(agent, "tombstones", revision))
    for belonging in belongings(connection, STORES[agent], sought.product_id, ONE_EACH):
        census.traces |= {Trace(agent, *found) for found in _traces(belonging, sought)}
        if sought.review_id in _forgotten(belonging).newest:
            census.kept.append(Remnant(agent, "forgotten"))


def _versions(connection: Connection, agent: str, key: ReviewKey) -> Iterator[tuple[str, int, bool]]:
    """Find the review's own row in each store: table, revision, whether more than a tombstone is left."""
    if agent == "digest":
        for row in known_reviews(connection, [key]).values():
            yield "reviews", row.revision, isinstance(row, ReviewRow)
    if agent == "index":
        for text in known_review_texts(connection, [key]).values():
            yield "review_texts", text.revision, text.op == "upsert"
    if agent == "featurize":
        for event in known_events(connection, "reviews", [joined_id(*key)]).values():
            yield "feature_log", event.revision, event.record is not None


def find_words(connection: Connection, agent: str, sought: Sought) -> Counter[str]:
    """Look for the review's words in every column of what one agent's store keeps of the product.

    Args:
        connection: On that store, in a transaction.
        agent: Whose it is.
        sought: The review, with words that are only its own.

    Returns:
        How many values say them, by table.
    """
    if agent == "answer":
        return find_sayings(connection, sought).counts
    return _stray_words(connection, agent, sought) + Counter(
        belonging.table
        for belonging in belongings(connection, STORES[agent], sought.product_id, ONE_EACH)
        for value in belonging.values.values()
        if sought.said_in(value)
    )


def _stray_words(connection: Connection, agent: str, sought: Sought) -> Counter[str]:
    """Count the words of versions of the review that are gone: each version may have had a row of its own."""
    if agent != "index":
        return Counter()
    key = (sought.product_id, sought.review_id)
    gone = [row for row in known_review_texts(connection, [key]).values() if row.op == "delete"]
    rows = [review_row_id(*key, version) for row in gone for version in range(1, row.version + 1)]
    return +Counter(review_words=count_review_words(connection, rows))


def said_by_others(connection: Connection, sought: Sought) -> frozenset[Run]:
    """Tell which of the words other reviews of the product say, too: a copy of those may be theirs.

    Args:
        connection: On digest's store, in a transaction.
        sought: The review.
    """
    shared: frozenset[Run] = frozenset()
    ordinal = 0
    while rows := reviews_from(connection, sought.product_id, ordinal, PAGE):
        for row in rows:
            if row.review_id != sought.review_id:
                review = msgspec.json.decode(row.record, type=Review)
                shared |= sought.wording.found_in(f"{review.title or ''} \n {review.text or ''}")
        ordinal = rows[-1].ordinal + 1
    return shared


def _traces(belonging: Belonging, sought: Sought) -> Iterator[tuple[str, tuple[object, ...]]]:
    row = belonging.values
    match belonging.table:
        case "product_parts":
            quoted = quoted_in_state(str(row["part"]), _bytes(row["state"]))
            for number in range(quoted.count(sought.review_id)):
                yield "product_parts", (row["part"], number)
        case "summaries":
            yield from _in_summary(belonging, sought)
        case "ledger":
            yield "ledger", (row["ledger_key"], row["created_at"])
        case "outbox" if sought.named_in(_bytes(row["value"])) or sought.lettered_in(_bytes(row["value"])):
            yield "outbox", (row["seq"],)


def _in_summary(belonging: Belonging, sought: Sought) -> Iterator[tuple[str, tuple[object, ...]]]:
    row, review_id = belonging.values, sought.review_id
    shown = msgspec.json.decode(_bytes(row["record"]), type=Summary)
    points = msgspec.json.decode(_bytes(row["points"]), type=Points)
    told: list[Reading | Points | Summary] = [shown, points]
    if row["wanted"] is not None:
        told.append(msgspec.json.decode(_bytes(row["wanted"]), type=Wanted).reading)
    quotes = max(quoted_reviews(one).count(review_id) for one in told)
    for number in range(quotes):
        yield "summaries", (number,)
    if shown.text is not None and row["text_points"] is not None:
        basis = msgspec.json.decode(_bytes(row["text_points"]), type=Reading)
        if review_id in quoted_reviews(basis):
            yield "text", ()


class _Forgetting(msgspec.Struct):
    forgotten: Forgotten = Forgotten()


def _forgotten(belonging: Belonging) -> Forgotten:
    if belonging.table == "products":
        return msgspec.json.decode(_bytes(belonging.values["forgotten"]), type=Forgotten)
    if belonging.table == "summaries":
        return msgspec.json.decode(_bytes(belonging.values["points"]), type=_Forgetting).forgotten
    return Forgotten()


def _bytes(value: object) -> bytes:
    return value if isinstance(value, bytes) else b""
