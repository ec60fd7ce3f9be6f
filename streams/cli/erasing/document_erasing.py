"""Erase one document: have it deleted, wait until nothing stands on it, look whether anything is left, and where."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal

import msgspec

from infra.engines import Mode
from infra.kafka.producer import Receipt
from infra.rows.chunk_rows import ChunkRow, load_chunks
from infra.rows.document_rows import DocumentRow
from infra.store_errors import StoreError, StoreMissing
from infra.stores import AgentStore
from infra.vectors.vector_store import VectorStore
from processors.language.wording import Run, Wording
from schemas.documents import Document, document_key
from schemas.records import Unreadable, decode
from streams.cli.erasing.document_purging import existing_collections, purge_rows, purge_vectors, purge_words
from streams.cli.erasing.document_traces import (
    Counts,
    count_answers,
    count_index,
    find_document,
    pieces_of,
    said_by_others,
)
from streams.cli.erasing.retained import Copies, Logs, Retained, find_outputs, find_versions, judge_retention
from streams.cli.erasing.review_traces import purge
from streams.cli.erasing.sought import SoughtDocument
from streams.cli.errors import CommandError, Exit
from streams.cli.render import printable
from streams.cli.waits.receipts import Origins
from streams.cli.waits.standing import Agent, Surroundings

AGENT = "index"
"""Keeps the documents."""

TOPIC = "documents"
LAST_REVISION = 2**63 - 1
OUTPUTS = ("answers", "dead-letters")
"""Topics that may quote a document."""


@dataclass(frozen=True, slots=True)
class DocumentTarget:
    """One document to be erased.

    Args:
        document_id: Its own id.
        tenant: Whose it is.
        was: Whether it stands, was deleted before, or was never heard of.
        revision: What stands of it; none when it was never heard of.
        texts: What it is made of: its title and its chunks.
        hashes: Of the texts that were embedded.
    """

    document_id: str
    tenant: str | None
    was: Literal["kept", "deleted", "unseen"]
    revision: int | None = None
    texts: tuple[str, ...] = ()
    hashes: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """As the index names it."""
        return document_key(self.tenant, self.document_id)


@dataclass(frozen=True, slots=True)
class DocumentOutcome:
    """What became of a document.

    Args:
        target: The document as it was found.
        receipt: Where its deletion stands; none when it was deleted before.
        tombstone: The revision up to which nothing brings it back.
        newer: Revision of a version that has come meanwhile.
        removed: How many things went, by agent and place.
        left: What should have gone and is still there, likewise.
        retained: Topics that hold it for a while.
        worded: Whether its words could be looked for, not only its id.
        scrubbed: Agents whose stores hold no byte of it in free pages or logs.
        agents: All whose stores were looked at.
    """

    target: DocumentTarget
    receipt: Receipt | None
    tombstone: int | None
    newer: int | None
    removed: Counts
    left: Counts
    retained: Sequence[Retained]
    worded: bool
    scrubbed: Sequence[str]
    agents: Sequence[str]


@dataclass(frozen=True, slots=True)
class DocumentErasing:
    """The steps, one after the other: find, look, delete, await_gone, finish.

    Args:
        agents: Everyone whose results may rest on it.
        around: What is waited for.
        wait: Waits for some agents until some origins stand, or, when told so, are only applied.
        open_store: Opens an agent's store.
        vectors: Asked which rows it has of the document.
        logs: The topics.
        produce: Sends a record and returns when the broker has it.
        scrub: Writes an agent's store anew; tells whether it did.
        now: Unix seconds.
    """

    agents: Sequence[Agent]
    around: Surroundings
    wait: Callable[[Sequence[Agent], Origins, bool], None]
    open_store: Callable[[str, Mode], AgentStore]
    vectors: VectorStore
    logs: Logs
    produce: Callable[[Document], Receipt]
    scrub: Callable[[str], bool]
    now: Callable[[], float]

    def find(self, document_id: str, tenant: str | None, *, unseen: bool) -> DocumentTarget:
        """Find the document once every event produced so far is applied.

        Raises:
            NobodyWorks: If an agent does not run: nothing would be erased.
            NotStanding: If the time is over before.
            CommandError: If there is no such document.
        """
        for agent in self.agents:
            self.around.check_running(agent.name)
        self.wait([agent for agent in self.agents if agent.name == AGENT], self._origins(), True)
        key = document_key(tenant, document_id)
        with self.open_store(AGENT, "ro").transaction() as connection:
            row, chunks = find_document(connection, key), load_chunks(connection, [key]).get(key, [])
        if row is not None:
            return _target(row, chunks)
        if unseen:
            return DocumentTarget(document_id, tenant, "unseen")
        whose = "" if tenant is None else f" of tenant {printable(tenant)!r}"
        remedy = "Name its tenant with --tenant. If it may still arrive, --unseen leaves a tombstone for it."
        raise CommandError(f"nothing is known of a document {printable(document_id)!r}{whose}", remedy, Exit.NOT_FOUND)

    def look(self, target: DocumentTarget) -> Counts:
        """Count what the stores hold of it.

        Raises:
            StoreError: If a store cannot be used.
            VectorStoreError: If the vector store does not answer: then nothing could be proven afterwards.
        """
        counts, _ = self._count(target, SoughtDocument(target.tenant, target.document_id))
        del counts[AGENT, "vectors"]  # counted when they are purged: others' cannot be told from an older version's
        return counts

    def delete(self, target: DocumentTarget) -> Receipt | None:
        """Have it deleted, unless it was deleted before.

        Raises:
            CommandError: If its id is none that anybody would take.
            BrokerUnreachable: If that is not confirmed; it may be recorded all the same.
        """
        if target.was == "deleted":
            return None
        revision = 0 if target.revision is None else min(target.revision + 1, LAST_REVISION)
        return self.produce(_deletion(target, revision))

    def await_gone(self, receipt: Receipt | None) -> None:
        """Wait until nothing stands on it any more.

        Raises:
            NotStanding: If the time is over before.
            NobodyWorks: If an agent does not run.
        """
        origins = self._origins()
        if receipt is not None:
            place = (receipt.topic, receipt.partition)
            origins = {TOPIC: {place: (origins[TOPIC][place][0], receipt.offset + 1)}}
        self.wait(self.agents, origins, False)

    def _origins(self) -> Origins:
        """Name all that was sent of documents; whatever else the agents read is of no account."""
        return {TOPIC: self.around.ranges([TOPIC])}

    def finish(self, target: DocumentTarget, before: Counts, receipt: Receipt | None) -> DocumentOutcome:
        """Purge what is kept to be used again, look again, and say which topics hold it until when.

        Raises:
            BrokerUnreachable: If the topics cannot be read.
            StoreError: If a store cannot be used.
            VectorStoreError: If the vector store does not answer: then nothing is proven.
        """
        bare = SoughtDocument(target.tenant, target.document_id)
        versions, texts = find_versions(self.logs, bare)
        sought = bare.worded(Wording([*target.texts, *(piece for text in texts for piece in pieces_of(text))]))
        purged = self._purge(target, sought)
        found = {logical: find_outputs(self.logs, logical, sought) for logical in OUTPUTS}
        left, own = self._count_own(target, sought, found)
        with self.open_store(AGENT, "ro").transaction() as connection:
            row = find_document(connection, target.key)
        gone = row is not None and row.op == "delete"
        return DocumentOutcome(
            target=target,
            receipt=receipt,
            tombstone=row.revision if row is not None and gone else None,
            newer=None if row is None or gone else row.revision,
            removed=before + purged - left,
            left=left,
            retained=judge_retention(self.logs, {TOPIC: versions, **self._own_outputs(found, own)}, self.now()),
            worded=bool(sought.wording),
            scrubbed=[agent.name for agent in self.agents if self._scrub(agent.name)],
            agents=[agent.name for agent in self.agents],
        )

    def _purge(self, target: DocumentTarget, sought: SoughtDocument) -> Counts:
        writing = self.open_store(AGENT, "rw")
        purge_rows(lambda: self.open_store(AGENT, "ro"), writing, self.vectors, target.key)
        purge_words(self.open_store(AGENT, "ro"), writing)
        purged = Counter({(AGENT, "vectors"): purge_vectors(writing)})
        for agent in self.agents:
            with suppress(StoreMissing):
                reading, writing = (self.open_store(agent.name, mode) for mode in ("ro", "rw"))
                traces = purge(reading, writing, agent.name, sought, self.logs.name("dead-letters"))
                purged.update((trace.agent, trace.where) for trace in traces)
        return purged

    def _count_own(
        self, target: DocumentTarget, sought: SoughtDocument, found: Mapping[str, Copies]
    ) -> tuple[Counts, SoughtDocument]:
        """Count what is left; words count that no other document says. Those are asked only when it matters."""
        left, said = self._count(target, sought)
        said |= {run for copies in found.values() for run in copies.words}
        if not said:
            return left, sought
        with self.open_store(AGENT, "ro").transaction() as connection:
            others = said_by_others(connection, target.key, sought.wording, said)
        own = sought.worded(sought.wording.without(others))
        return self._count(target, own)[0], own

    def _own_outputs(self, found: Mapping[str, Copies], own: SoughtDocument) -> dict[str, Copies]:
        """Read again where words were found, some of which are others', too."""
        return {
            logical: find_outputs(self.logs, logical, own) if copies.words else copies
            for logical, copies in found.items()
        }

    def _count(self, target: DocumentTarget, sought: SoughtDocument) -> tuple[Counts, set[Run]]:
        """Count what there is of it, and tell which of its words are said."""
        counts, said = Counter(dict(self._counted_index(target))), set[Run]()
        if any(agent.name == "answer" for agent in self.agents):
            with suppress(StoreMissing), self.open_store("answer", "ro").transaction() as connection:
                found, said = count_answers(connection, target.key, sought)
                counts.update({("answer", where): count for where, count in found.items()})
        return +counts, said

    def _counted_index(self, target: DocumentTarget) -> Iterator[tuple[tuple[str, str], int]]:
        with self.open_store(AGENT, "ro").transaction() as connection:
            counts = count_index(connection, target.key, target.hashes)
            collections = existing_collections(connection, self.vectors)
        yield from (((AGENT, where), count) for where, count in counts.items() if where != "vectors" or target.hashes)
        yield (AGENT, "vector store"), sum(len(self.vectors.of_document(one.name, target.key)) for one in collections)

    def _scrub(self, agent: str) -> bool:
        try:
            return self.scrub(agent)
        except StoreError:  # all is erased; only what no query shows stays for a while, and the receipt says so
            return False


def _target(row: DocumentRow, chunks: Sequence[ChunkRow]) -> DocumentTarget:
    return DocumentTarget(
        document_id=row.document_id,
        tenant=row.tenant,
        was="deleted" if row.op == "delete" else "kept",
        revision=row.revision,
        texts=tuple(text for text in (row.title, *(chunk.text for chunk in chunks)) if text),
        hashes=tuple(chunk.text_hash for chunk in chunks),
    )


def _deletion(target: DocumentTarget, revision: int) -> Document:
    document = Document(document_id=target.document_id, tenant=target.tenant, op="delete", revision=revision)
    try:
        return decode(msgspec.json.encode(document), Document)
    except Unreadable as problem:
        raise CommandError(problem.error, "No document can have this id.", Exit.USAGE) from problem
