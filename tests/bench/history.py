"""Documentation trees as they changed over the years: the stream of their changes, and what stands at its end."""

import json
import lzma
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from processors.documents.formats import read_text
from schemas.documents import Document, document_key
from schemas.records import TEXT_LIMIT, Unreadable
from streams.document_changes import Cut, cut_document, kept_title

FILES = "docs_history/*_docs_events.jsonl.xz"
Chunks = Mapping[str, Counter[tuple[str, str]]]
"""Document key -> how often each (chunk_id, text) stands in it."""


def read_history(data: Path, limit: int | None = None) -> list[Document]:
    """Every change of every tree in order, texts over the limit left out: no producer takes them.

    Ids are tree and path, revisions the event's number; a rename is a deletion and an upsert.
    """
    changes = []
    for path in sorted(data.glob(FILES)):
        tree = path.name.partition("_")[0]
        with lzma.open(path, "rt", encoding="utf-8") as lines:
            events = map(json.loads, lines)
            changes += [_change(tree, one) for one in events if len(one.get("text") or "") <= TEXT_LIMIT]
    if not changes:
        raise FileNotFoundError(f"no {FILES} under {data}")
    return changes[:limit]


def final(changes: Sequence[Document]) -> list[Document]:
    """What stands after all of them."""
    standing: dict[str, Document] = {}
    for one in changes:
        if one.op == "delete":
            standing.pop(_key(one), None)
        else:
            standing[_key(one)] = one
    return list(standing.values())


def cuts(document: Document, longest: int) -> list[Cut]:
    """Cut a document as the index does; a deleted or unreadable one has no chunks."""
    if document.op == "delete":
        return []
    try:
        return cut_document(_key(document), kept_title(document), read_text(document), longest)
    except Unreadable:
        return []


def expected_chunks(documents: Sequence[Document], longest: int) -> Chunks:
    """What an index of these documents holds, and nothing else."""
    found = {_key(one): Counter((cut.chunk_id, cut.text) for cut in cuts(one, longest)) for one in documents}
    return {key: chunks for key, chunks in found.items() if chunks}


def embedded_one_by_one(changes: Sequence[Document], longest: int, cache_s: float) -> tuple[int, int]:
    """Count the chunks to embed had each change come when it was made, none skipped.

    Args:
        changes: In order, with ``changed_at``.
        longest: Characters of a chunk.
        cache_s: How long the vector of a text that nobody has any more is kept.

    Returns:
        (texts without a vector, all chunks of all versions).
    """
    standing: dict[str, Counter[str]] = {}
    users, orphaned, embedded, every = Counter[str](), dict[str, float](), 0, 0
    for one in changes:
        now = one.changed_at.timestamp() if one.changed_at else 0.0
        hashes = Counter(cut.text_hash for cut in cuts(one, longest))
        kept = {name for name in hashes if users[name] or now - orphaned.get(name, -cache_s) < cache_s}
        embedded += len(hashes) - len(kept)
        every += hashes.total()
        before = standing.pop(_key(one), Counter())
        users += hashes
        users -= before
        orphaned |= {name: now for name in before if not users[name]}
        standing[_key(one)] = hashes
    return embedded, every


def _change(tree: str, event: Mapping[str, Any]) -> Document:
    gone = event["op"] == "delete"
    return Document(
        document_id=f"{tree}/{event['path']}",
        text=None if gone else event["text"],
        uri=None if gone else event["path"],
        op="delete" if gone else "upsert",
        revision=event["seq"],
        changed_at=datetime.fromtimestamp(event["ts"], UTC),
    )


def _key(document: Document) -> str:
    return document_key(document.tenant, document.document_id)
