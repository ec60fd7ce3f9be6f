"""Which collections of the vector store there are: the one that serves, and one that is built beside it.

Errors:
    InfraError
    └── CollectionMismatch   what serves was made by another model, or of documents cut in another way
"""

import hashlib
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy import Connection

from infra.errors import InfraError
from infra.locking import insert_new
from schemas.index_tables import collections

SERVING, BUILDING, RETIRED = "serving", "building", "retired"


class CollectionMismatch(InfraError):
    """What serves was made by another model, or of documents cut in another way.

    Args:
        serving: What serves.
        model: Of today.
        chunking: Of today.
    """

    def __init__(self, serving: "CollectionRow", model: str, chunking: str) -> None:
        super().__init__(
            f"the index was made with {serving.model}, cut {serving.chunking}; now it is {model}, cut {chunking}",
            "Make it anew beside the old one with `millrace index rebuild`, or take the settings back.",
        )


@dataclass(frozen=True, slots=True)
class CollectionRow:
    """One collection."""

    name: str
    model: str
    chunking: str
    state: str  # serving, building or retired
    created_at: float  # unix seconds


def list_collections(
    connection: Connection, states: Collection[str] = (SERVING, BUILDING), *, hold: bool = False
) -> list[CollectionRow]:
    """List collections in order of their making.

    Args:
        connection: In a transaction.
        states: Only those in one of these.
        hold: Keep them from changing their state until the transaction ends; several may hold them.
    """
    query = sa.select(collections).where(collections.c.state.in_(states)).order_by(collections.c.created_at, "name")
    rows = connection.execute(query.with_for_update(read=True) if hold else query)
    return [CollectionRow(**row._mapping) for row in rows]


def serving(connection: Connection) -> CollectionRow | None:
    """Return the collection that is searched; None before the index's first start."""
    return next(iter(list_collections(connection, (SERVING,))), None)


def begin(connection: Connection, prefix: str, model: str, chunking: str, now: float) -> None:
    """Make sure that something serves, or is being built, that this model and chunking can go on with.

    Args:
        connection: A write transaction.
        prefix: Of topics and collections.
        model: Identity of the model.
        chunking: How documents are cut.
        now: Unix seconds.

    Raises:
        CollectionMismatch: If nothing does, and something else serves.
    """
    standing = list_collections(connection)
    if any((one.model, one.chunking) == (model, chunking) for one in standing):
        return
    if standing:
        raise CollectionMismatch(standing[0], model, chunking)
    add(connection, prefix, model, chunking, SERVING, now)


def add(connection: Connection, prefix: str, model: str, chunking: str, state: str, now: float) -> str:
    """Add a collection that never was; returns its name. A second worker's that comes at the same time is the same."""
    number = (connection.scalar(sa.select(sa.func.count()).select_from(collections)) or 0) + 1
    row = CollectionRow(collection_name(prefix, model, number), model, chunking, state, now)
    insert_new(connection, collections, {name: getattr(row, name) for name in CollectionRow.__slots__})
    return row.name


def hold_all(connection: Connection) -> None:
    """Keep everybody from writing the index, and from changing any collection's state, until the transaction ends."""
    connection.execute(sa.select(collections.c.name).order_by(collections.c.name).with_for_update())


def retire(connection: Connection, name: str) -> None:
    """Let a collection go; the caller has called ``hold_all``."""
    connection.execute(collections.update().where(collections.c.name == name).values(state=RETIRED))


def require(connection: Connection, model: str, chunking: str) -> None:
    """See whether what is written now is still of use, and keep it so until the transaction ends.

    Raises:
        CollectionMismatch: If another model, or another way to cut, serves by now.
    """
    live = list_collections(connection, hold=True)
    if live and not any((one.model, one.chunking) == (model, chunking) for one in live):
        raise CollectionMismatch(live[0], model, chunking)


def switch(connection: Connection, name: str) -> Sequence[str]:
    """Let a collection serve from now on; returns those that it takes the place of, now retired.

    The caller has seen, in this transaction and holding all of ``list_collections``, that it lacks nothing.
    """
    hold_all(connection)
    before = [one.name for one in list_collections(connection) if one.name != name]
    connection.execute(collections.update().where(collections.c.name.in_(before)).values(state=RETIRED))
    connection.execute(collections.update().where(collections.c.name == name).values(state=SERVING))
    return before


def collection_name(prefix: str, model: str, number: int) -> str:
    """Name a collection as the vector store allows: letters, digits and _.

    Example:
        >>> collection_name("my-shop.eu", "minilm/fp32", 1)
        'my_shop_eu_chunks_8007cdc5dd9b_1'
    """
    return f"{re.sub('[^A-Za-z0-9]', '_', prefix)}_chunks_{hashlib.sha256(model.encode()).hexdigest()[:12]}_{number}"
