import pytest
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.schema import CreateTable

from schemas import tables


def test_an_outbox_seq_is_never_reused_by_sqlite():
    assert "AUTOINCREMENT" in str(CreateTable(tables.outbox).compile(dialect=sqlite.dialect()))


@pytest.mark.parametrize("metadata", [tables.delivery, tables.digest, tables.summarize])
def test_the_tables_are_postgres_tables_too(metadata):
    for table in metadata.sorted_tables:
        assert str(CreateTable(table).compile(dialect=postgresql.dialect()))


def test_no_table_of_an_agent_hides_one_of_the_delivery_loop():
    assert not set(tables.delivery.tables) & (set(tables.digest.tables) | set(tables.summarize.tables))
