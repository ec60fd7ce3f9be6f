"""Records on ``indexed``: a change is told when something is gone, and of a document again when its vectors stand."""

from collections.abc import Mapping

import msgspec

from infra.outbox import Output
from schemas.documents import document_key
from schemas.indexed import Indexed
from streams.events import event_headers


def revision_of(version: int, *, vectors: bool) -> int:
    """Number a record of a document's version: what is gone is told before its vectors stand.

    Example:
        >>> [revision_of(version, vectors=vectors) for version in (1, 2) for vectors in (False, True)]
        [2, 3, 4, 5]
    """
    return 2 * version + vectors


def publishable(topic: str, indexed: Indexed, trace: Mapping[str, bytes]) -> Output:
    """Make the record that is published; its id says which of a document's two it is, by its revision.

    Args:
        topic: Physical name of the indexed topic.
        indexed: What it says.
        trace: Trace context, to be passed on.
    """
    place = f"document:{document_key(indexed.tenant, indexed.document_id)}"
    if indexed.kind == "review":
        place = f"review:{indexed.product_id}/{indexed.document_id}"
    headers = event_headers(f"{place}@{indexed.revision}", "indexed", "index", indexed.indexed_at, trace)
    return Output(topic, indexed.document_id.encode(), msgspec.json.encode(indexed), headers)
