import sqlalchemy as sa

from infra.belongings import OWNERS, UNOWNED, belongings
from schemas.tables import GROUPS

SAMPLES = {sa.String: "x", sa.LargeBinary: b"{}", sa.Integer: 1, sa.BigInteger: 1, sa.Float: 1.0, sa.Boolean: False}


def test_every_table_has_an_owner_or_is_nobodys():
    tables = {table.name for group in GROUPS.values() for table in group.sorted_tables}
    assert tables == set(OWNERS) | set(UNOWNED)


def test_all_rows_of_a_key_are_found_in_every_table_and_none_of_another_key(store):
    with store.write() as connection:
        for key in ("p", "q/ü"):
            for number, owner in enumerate(OWNERS.values()):
                connection.execute(owner.table.insert(), row_of(owner, key) | numbered(owner, 2 * number + len(key)))
    with store.read() as connection:
        found = list(belongings(connection, GROUPS, "q/ü"))
        assert sorted(one.table for one in found) == sorted(OWNERS)
        assert {one.values[OWNERS[one.table].name] for one in found} == {"q/ü", "q/ü".encode()}
        assert len(list(belongings(connection, ["digest"], "p", without=["reviews", "tombstones"]))) == 2
        assert list(belongings(connection, GROUPS, "nobody")) == []


def row_of(owner, key):
    columns = [column for column in owner.table.columns if column.autoincrement is not True]
    row = {column.name: sample(column) for column in columns}
    row |= {"ledger_key": key} if "ledger_key" in row else {}  # two owners have two entries
    return row | {owner.name: key.encode() if isinstance(owner.type, sa.LargeBinary) else key}


def numbered(owner, number):
    """What must not be the same in two rows."""
    return {"row_id": number} if "row_id" in owner.table.columns else {}


def sample(column):
    return next(value for kind, value in SAMPLES.items() if isinstance(column.type, kind))
