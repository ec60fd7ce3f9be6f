"""Erase one document: have it deleted, wait until nothing stands on it, look whether anything is left, and where."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal

from infra.kafka.producer import Receipt
from infra.rows.chunk_rows import ChunkRow, load_chunks
from infra.rows.document_rows import DocumentRow
from infra.store_errors import StoreMissing
from infra.vectors.vector_store import VectorStore
from processors.language.wording import Run
from schemas.documents import Document, document_key
from streams.cli.erasing.document_purging import existing_collections, purge_rows, purge_vectors, purge_words
from streams.cli.erasing.document_traces import count_answers, count_index, find_document, said_by_others
from streams.cli.erasing.outcome import Counts, Outcome, Remnant, say_left
from streams.cli.erasing.retained import Copies, find_outputs
from streams.cli.erasing.sought import SoughtDocument
from streams.cli.erasing.steps import Steps, next_revision
from streams.cli.errors import CommandError, Exit
from streams.cli.render import printable
from streams.cli.waits.standing import Agent, upstream
from streams.graph import AGENTS

AGENT = "index"
"""Keeps the documents."""

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
class DocumentErasing:
    """What is done for a document alone: find, look and delete, then, once it is gone, finish.

    Args:
        steps: What is done for anything.
        vectors: Asked which rows it has of the document.
    """

    steps: Steps
    vectors: VectorStore

    def find(self, document_id: str, tenant: str | None, *, unseen: bool) -> DocumentTarget:
        """Find the document once every event produced so far is applied.

        Raises:
            NobodyWorks: If an agent does not run: nothing would be erased.
            NotStanding: If the time is over before.
            CommandError: If there is no such document.
        """
        self.steps.await_applied()
        key = document_key(tenant, document_id)
        with self.steps.open_store(AGENT, "ro").transaction() as connection:
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
        """Have it deleted, unless it was deleted before; see ``Steps.send``."""
        if target.was == "deleted":
            return None
        revision = next_revision(target.revision)
        deletion = Document(document_id=target.document_id, tenant=target.tenant, op="delete", revision=revision)
        return self.steps.send(deletion)

    def finish(self, target: DocumentTarget, before: Counts, receipt: Receipt | None) -> Outcome[DocumentTarget]:
        """Purge what is kept to be used again, look again, and say which topics hold it until when.

        Raises:
            BrokerUnreachable: If the topics cannot be read.
            StoreError: If a store cannot be used.
            VectorStoreError: If the vector store does not answer: then nothing is proven.
        """
        bare = SoughtDocument(target.tenant, target.document_id)
        versions, sought = self.steps.find_versions(bare, target.texts)
        purged = self._purge(target, sought)
        found = {logical: find_outputs(self.steps.logs, logical, sought) for logical in OUTPUTS}
        left, own = self._count_own(target, sought, found)
        with self.steps.open_store(AGENT, "ro").transaction() as connection:
            row = find_document(connection, target.key)
        newer = None if row is None or row.op == "delete" else row.revision
        held = {SoughtDocument.topic: versions, **self._own_outputs(found, own)}
        return Outcome(
            target=target,
            receipt=receipt,
            removed=before + purged - left,
            kept=[] if row is None or newer is not None else [Remnant(AGENT, "tombstones", row.revision)],
            left=say_left(left, newer),
            retained=self.steps.judge(held),
            worded=bool(sought.wording),
            scrubbed=self.steps.scrubbed(),
            agents=[agent.name for agent in self.steps.agents],
        )

    def _purge(self, target: DocumentTarget, sought: SoughtDocument) -> Counts:
        writing = self.steps.open_store(AGENT, "rw")
        purge_rows(lambda: self.steps.open_store(AGENT, "ro"), writing, self.vectors, target.key)
        purge_words(self.steps.open_store(AGENT, "ro"), writing)
        purged = Counter({(AGENT, "vectors"): purge_vectors(writing)})
        purged.update((trace.agent, trace.where) for trace in self.steps.purge(sought))
        return purged

    def _count_own(
        self, target: DocumentTarget, sought: SoughtDocument, found: Mapping[str, Copies]
    ) -> tuple[Counts, SoughtDocument]:
        """Count what is left; words count that no other document says. Those are asked only when it matters."""
        left, said = self._count(target, sought)
        said |= {run for copies in found.values() for run in copies.words}
        if not said:
            return left, sought
        with self.steps.open_store(AGENT, "ro").transaction() as connection:
            others = said_by_others(connection, target.key, sought.wording, said)
        own = sought.worded(sought.wording.without(others))
        return self._count(target, own)[0], own

    def _own_outputs(self, found: Mapping[str, Copies], own: SoughtDocument) -> dict[str, Copies]:
        """Read again where words were found, some of which are others', too."""
        return {
            logical: find_outputs(self.steps.logs, logical, own) if copies.words else copies
            for logical, copies in found.items()
        }

    def _count(self, target: DocumentTarget, sought: SoughtDocument) -> tuple[Counts, set[Run]]:
        """Count what there is of it, and tell which of its words are said."""
        counts, said = Counter(dict(self._counted_index(target))), set[Run]()
        if any(agent.name == "answer" for agent in self.steps.agents):
            with suppress(StoreMissing), self.steps.open_store("answer", "ro").transaction() as connection:
                found, said = count_answers(connection, target.key, sought)
                counts.update({("answer", where): count for where, count in found.items()})
        return +counts, said

    def _counted_index(self, target: DocumentTarget) -> Iterator[tuple[tuple[str, str], int]]:
        with self.steps.open_store(AGENT, "ro").transaction() as connection:
            counts = count_index(connection, target.key, target.hashes)
            collections = existing_collections(connection, self.vectors)
        yield from (((AGENT, where), count) for where, count in counts.items() if where != "vectors" or target.hashes)
        yield (AGENT, "vector store"), sum(len(self.vectors.of_document(one.name, target.key)) for one in collections)


def document_agents(takes_part: Callable[[str], bool]) -> list[Agent]:
    """Pick everyone whose results may rest on a document: the index always, what answers where it takes part."""
    everyone: list[Agent] = list(AGENTS.values())
    return upstream(everyone, [AGENT, "answer"] if takes_part("answer") else [AGENT])


def _target(row: DocumentRow, chunks: Sequence[ChunkRow]) -> DocumentTarget:
    return DocumentTarget(
        document_id=row.document_id,
        tenant=row.tenant,
        was="deleted" if row.op == "delete" else "kept",
        revision=row.revision,
        texts=tuple(text for text in (row.title, *(chunk.text for chunk in chunks)) if text),
        hashes=tuple(chunk.text_hash for chunk in chunks),
    )
