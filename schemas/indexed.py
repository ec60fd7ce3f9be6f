"""Records on the ``indexed`` topic: what can be found of a document now."""

from typing import Literal

import msgspec

from schemas.records import Op, Sources, Timestamp

IndexedKind = Literal["document", "review"]


class Indexed(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One document whose chunks can be searched, or that is gone. Kafka key: ``document_id``.

    A record says that the vectors of what stands are there. A change that takes chunks away is told twice: first
    with the change itself, as nobody finds them any more, and under the next revision as any other. The first has
    ``embedded`` = 0, and its ``sources`` include no event whose chunks no vector finds yet: of an edit only what
    was found before, of a deletion all. Both count in ``removed`` what is gone.

    Reviews are told of only when one that could be cited was edited or deleted: ``kind`` is then ``review``,
    ``document_id`` the review's id and ``product_id`` its product.
    """

    document_id: str
    revision: int  # grows with every record; the document's own is document_revision
    document_revision: int
    op: Op
    chunks: int  # that stand now
    embedded: int  # for which the model was asked; the others were known by their content
    removed: int  # chunks that stood before and do not now
    sources: Sources
    indexed_at: Timestamp
    tenant: str | None = None
    kind: IndexedKind = "document"
    product_id: str | None = None
