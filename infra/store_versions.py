"""Which version of our tables a store holds; how it gets to the newest is in ``infra/upgrading.py``."""

import sqlalchemy as sa
from sqlalchemy import Connection

from infra.places import StorePlace
from infra.store_errors import StoreMissing, StoreUnusable

VERSIONS = ("0001", "0002", "0003", "0004", "0005", "0006")
"""All there have been, the newest last: the revisions under ``infra/migrations/versions``."""

NEWEST = VERSIONS[-1]
UNSTAMPED = "0001"
"""What stores were before they told their version."""

_stamp = sa.table("alembic_version", sa.column("version_num", sa.String))


def read_version(connection: Connection) -> str | None:
    """Read a store's version; None when it holds nothing of ours yet."""
    there = sa.inspect(connection)
    if there.has_table("alembic_version"):
        return read_stamp(connection)
    return UNSTAMPED if there.has_table("fences") else None


def read_stamp(connection: Connection) -> str | None:
    """Read the version of a store that is known to tell it."""
    return connection.scalar(sa.select(_stamp.c.version_num))


def check_known(place: StorePlace, version: str | None) -> None:
    """Refuse a store that a newer Millrace has written.

    Raises:
        StoreUnusable: If so.
    """
    if version is not None and version not in VERSIONS:
        told = f"the store of {place.agent} is of version {version}, and this Millrace knows versions up to {NEWEST}"
        raise StoreUnusable(place, told, "Use the newer Millrace that wrote it, or `millrace down --wipe`.")


def check_readable(place: StorePlace, version: str | None) -> None:
    """Refuse a store whose tables are not today's.

    Raises:
        StoreMissing: If it holds nothing yet.
        StoreUnusable: If it is older or newer.
    """
    check_known(place, version)
    if version is None:
        told = f"{place.agent} has never run here: its store is empty"
        raise StoreMissing(place, told, "Start it with `millrace up`, or see `millrace status` if it just started.")
    if version != NEWEST:
        told = f"the store of {place.agent} is of version {version}, and this Millrace reads version {NEWEST}"
        raise StoreUnusable(place, told, "Start its worker, which upgrades it: `millrace up`.")
