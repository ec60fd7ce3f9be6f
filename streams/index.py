"""documents -> registry, words and permissions, and what is gone -> indexed; vectors follow off the stream.

Whoever cited what a change takes away must hear of it whether the vector store is there or not: that is told
with the change itself. What has come is told when it can be found, see ``streams.indexing``.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import ClassVar

import msgspec
from sqlalchemy import Connection

from infra import leases
from infra.database import Store
from infra.leases import Task
from infra.outbox import Cause, Output
from infra.rows import chunk_rows, collection_rows, document_rows
from infra.timers import Waiter
from processors.digest.revisions import judge
from processors.documents.formats import read_text
from schemas.documents import Document, document_key
from schemas.indexed import Indexed
from schemas.records import Sources, Unreadable
from streams.document_changes import (
    Cut,
    DocumentChange,
    Standing,
    change_document,
    cut_document,
    kept_title,
    register,
    write_changes,
)
from streams.events import Event, Rejection, check_date, include
from streams.indexed_records import publishable, revision_of

INDEXING = "index"
"""The kind of work that embeds a document's chunks and keeps the vector store like the registry."""

NEWS = "document changed"

MOST_PRINCIPALS = 4_096
"""Of one document: what one row of the vector store can hold."""


@dataclass(frozen=True, slots=True)
class Cutter:
    """How documents are cut, and for which model.

    Args:
        longest: Characters of a chunk.
        model: Identity of the model that embeds them.
        chunking: How that is written down with what was made so, see ``schemas.index_tables.collections``.
    """

    longest: int
    model: str
    chunking: str

    def __call__(self, key: str, document: Document, markdown: str | None) -> list[Cut]:
        """Cut a document as ``read`` returned it; a deleted one has no chunks."""
        return [] if markdown is None else cut_document(key, kept_title(document), markdown, self.longest)


def read(event: Event[Document]) -> str | None:
    """Return a document as Markdown, None if it is deleted.

    Raises:
        Unreadable: If its date is out of range, it is in no format we can read, or for more principals than
            can be kept.
    """
    document = event.record
    check_date("changed_at", document.changed_at, event.at)
    if len(document.principals) > MOST_PRINCIPALS:
        what = f"principals: {len(document.principals):,}, at most {MOST_PRINCIPALS:,} are kept; name groups"
        raise Unreadable("invalid_field", what, "principals")
    return None if document.op == "delete" else read_text(document)


@dataclass(slots=True)
class _News:
    """What a run brings one document."""

    oldest: Cause
    newest: Event[Document]
    markdown: str | None = None
    changes: int = 0


@dataclass(slots=True)
class IndexDecision:
    """See ``streams.events.Decision``."""

    model: str
    chunking: str
    now: float  # unix seconds
    rejections: list[Rejection] = field(default_factory=list)
    outputs: list[tuple[Output, Cause]] = field(default_factory=list)  # of what is gone
    changes: list[DocumentChange] = field(default_factory=list)
    tasks: list[Task] = field(default_factory=list)
    joining: list[Waiter] = field(default_factory=list)  # no-ops: what they say may not be embedded yet

    def write(self, connection: Connection) -> None:
        """Write the registry first: its versions are what is compared.

        Raises:
            infra.rows.collection_rows.CollectionMismatch: If the index was rebuilt with another model, or cut
                otherwise.
        """
        collection_rows.require(connection, self.model, self.chunking)
        write_changes(connection, self.model, self.changes, self.now)
        leases.record(connection, self.tasks)
        leases.join(connection, INDEXING, self.joining)

    def committed(self) -> None:
        """Do nothing: nothing is cached."""


class IndexHandler:
    """Keeps the registry of documents; see ``streams.events.Handler``.

    Args:
        store: The agent's store.
        cutter: How documents are cut.
        topic: Physical name of the indexed topic.
        now: Unix seconds.
    """

    records: ClassVar[Mapping[str, type[Document]]] = {"documents": Document}

    def __init__(self, store: Store, cutter: Cutter, *, topic: str, now: Callable[[], float]) -> None:
        self._store = store
        self._cutter = cutter
        self._topic = topic
        self._now = now

    def forget(self) -> None:
        """Do nothing: nothing is cached."""

    def decide(self, events: Sequence[Event[Document]], following: int) -> IndexDecision:
        """Take the newest of each document; see ``streams.events.Handler``."""
        decision = IndexDecision(self._cutter.model, self._cutter.chunking, self._now())
        known = self._load(list(dict.fromkeys(_key(event.record) for event in events)))
        for key, news in _fold(events, known, decision).items():
            self._change(key, news, known.get(key), following, decision)
        return decision

    def _load(self, keys: Sequence[str]) -> dict[str, Standing]:
        with self._store.read() as connection:
            rows = document_rows.known_documents(connection, keys)
            chunks = chunk_rows.load_chunks(connection, list(rows))
        return {key: Standing(row, chunks.get(key, ())) for key, row in rows.items()}

    def _change(self, key: str, news: _News, before: Standing | None, following: int, decision: IndexDecision) -> None:
        event = news.newest
        version = news.changes + (0 if before is None else before.row.version)
        sources = {} if before is None else msgspec.json.decode(before.row.sources, type=Sources)
        changed_at = (event.record.changed_at or event.at).timestamp()
        row = register(event.record, key, version, changed_at, include(sources, news.oldest, following))
        change = change_document(before, row, self._cutter(key, event.record, news.markdown))
        decision.changes.append(change)
        now = decision.now
        if before is not None and change.removed:
            indexed = _loss(change, before, datetime.fromtimestamp(now, UTC))
            decision.outputs.append((publishable(self._topic, indexed, event.trace), news.oldest))
        decision.tasks.append(Task(INDEXING, key, version, NEWS, news.oldest, now, now, event.trace))


def _fold(
    events: Sequence[Event[Document]], known: Mapping[str, Standing], decision: IndexDecision
) -> dict[str, _News]:
    """Judge records one after the other; what changes nothing waits for what stands of its document."""
    states = {key: (standing.row.revision, standing.row.op == "delete") for key, standing in known.items()}
    found: dict[str, _News] = {}
    for event in events:
        document, key = event.record, _key(event.record)
        if judge(document.op, document.revision, *states.get(key, (None, False))) == "nothing":
            decision.joining.append(Waiter(key, event.cause))
            continue
        try:
            markdown = read(event)
        except Unreadable as problem:
            decision.rejections.append(Rejection(event.raw, problem))
            continue
        states[key] = (document.revision, document.op == "delete")
        news = found.setdefault(key, _News(event.cause, event))
        news.newest, news.markdown, news.changes = event, markdown, news.changes + 1
    return found


def _loss(change: DocumentChange, before: Standing, at: datetime) -> Indexed:
    """Tell what a change takes away; its sources include no event whose chunks no vector finds yet."""
    row, was = change.row, before.row
    deleted, found = row.op == "delete", was.indexed_version == was.version
    sources = row.sources if deleted else was.sources if found else b"{}"
    return Indexed(
        document_id=row.document_id,
        tenant=row.tenant,
        revision=revision_of(row.version, vectors=False),
        document_revision=row.revision,
        op="delete" if deleted else "upsert",
        chunks=len(before.chunks) - len(change.removed) + len(change.added),
        embedded=0,
        removed=len(change.removed),
        sources=msgspec.json.decode(sources, type=Sources),
        indexed_at=at,
    )


def _key(document: Document) -> str:
    return document_key(document.tenant, document.document_id)
