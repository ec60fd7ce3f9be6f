"""Sources are read as the database has them: kinds, order and one state."""

import uuid

import pytest

from infra.feature_sources import SourceTable, SourceUnusable, read_pages
from infra.settings_reading import Secret


@pytest.fixture
def hotels(postgres):
    schema = f"shop_{uuid.uuid4().hex[:8]}"
    postgres.execute(
        f"CREATE SCHEMA {schema}",
        f"CREATE TABLE {schema}.hotels (id uuid PRIMARY KEY, price numeric, since date, tags jsonb, "
        "changed timestamptz, code text)",
        *(
            f"INSERT INTO {schema}.hotels VALUES ('00000000-0000-0000-0000-00000000000{n}', {n}.50, '2026-01-0{n}', "
            f"'[{n}]', '2026-01-0{n} 12:00+02', 'c{n}')"
            for n in (3, 1, 2)
        ),
    )
    yield f"{schema}.hotels"
    postgres.execute(f"DROP SCHEMA {schema} CASCADE")


def source(postgres, table, **options):
    told = {"columns": None, "incremental_by": "changed", "key": ("id",)} | options
    return SourceTable(name="hotels", kind="postgresql", address=Secret(postgres.url()), table=table, **told)


def test_a_postgres_is_read_in_the_order_of_keys_with_its_kinds_as_json(postgres, hotels):
    pages = list(read_pages(source(postgres, hotels), None, 2))
    assert [len(page.rows) for page in pages] == [2, 1]
    first = pages[0].rows[0]
    assert first.key == ("00000000-0000-0000-0000-000000000001",)
    assert first.values == {
        "price": 1.5,
        "since": "2026-01-01",
        "tags": "[1]",
        "changed": "2026-01-01T10:00:00.000000Z",
        "code": "c1",
    }


@pytest.mark.parametrize("column", ["changed", "price", "since", "code"])
def test_a_postgres_is_read_from_the_largest_value_seen_on_ties_included(postgres, hotels, column):
    told = source(postgres, hotels, incremental_by=column, columns=("code",))
    newest = list(read_pages(told))[-1].newest
    assert [row.values for page in read_pages(told, newest) for row in page.rows] == [{"code": "c3"}]


def test_what_changes_while_it_is_read_is_not_seen(postgres, hotels):
    pages = read_pages(source(postgres, hotels), None, 1)
    next(pages)
    postgres.execute(f"DELETE FROM {hotels}")
    assert len(list(pages)) == 2


def test_a_postgres_table_that_is_not_there_or_may_not_be_read_is_told(postgres, hotels):
    with pytest.raises(SourceUnusable, match="there is no table nonsense"):
        list(read_pages(source(postgres, "nonsense")))
    with pytest.raises(SourceUnusable, match="cannot be read: UndefinedFunction") as caught:
        list(read_pages(source(postgres, hotels, incremental_by="tags")))
    assert "jsonb" in str(caught.value)


def test_a_url_that_is_none_is_told_without_it(postgres):
    told = SourceTable("hotels", "postgresql", Secret("postgresql://me:hunter2@[x/y"), "t", ("id",), None, None)
    with pytest.raises(SourceUnusable, match="hotels") as caught:
        list(read_pages(told))
    assert "hunter2" not in str(caught.value)
