"""Synced tables refuse what cannot work, and show no password."""

import pytest

from processors.features import Env, SyncedTable, WrongDefinition

POSTGRES = "postgresql://me:hunter2@db.example/shop?sslpassword=hunter3"


def table(source=POSTGRES, **options):
    return SyncedTable(**{"name": "hotels", "primary_key": "hotel", "source": source, "table": "hotels"} | options)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"name": "Hotels!"}, "is no name"),
        ({"primary_key": []}, "primary_key names no columns"),
        ({"primary_key": ["a", "a"]}, "names 'a' twice"),
        ({"columns": "city"}, "columns names no columns"),
        ({"columns": ["hotel"]}, "which is of the key"),
        ({"source": "hotels.csv"}, "is no database or Parquet file"),
        ({"source": "mysql://me:hunter2@db/x"}, "is no database or Parquet file"),
        ({"source": 7}, "source is no address"),
        ({"source": "hotels.parquet"}, "a Parquet file has no tables"),
        ({"table": None}, "does not say which table"),
        ({"table": "(SELECT 1)"}, "is no table's name"),
        ({"incremental_by": ""}, "is no name"),
        ({"every_s": 0}, "every_s=0"),
        ({"every_s": True}, "every_s=True"),
        ({"full_every": 0}, "full_every=0"),
    ],
)
def test_what_cannot_work_is_refused_where_it_was_written(options, told):
    with pytest.raises(WrongDefinition, match=told.replace("(", r"\(").replace(")", r"\)")) as caught:
        table(**options)
    assert caught.value.place.file == __file__
    assert "hunter" not in str(caught.value)


def test_no_password_shows():
    assert "hunter" not in repr(table())
    assert table().shown == "postgresql://***@db.example/shop?***"


def test_an_address_may_stand_in_the_environment():
    one = table(Env("SHOP_DB"))
    assert one.shown == "$SHOP_DB"
    assert one.address({"SHOP_DB": POSTGRES}) == POSTGRES
    with pytest.raises(WrongDefinition, match="the environment has no SHOP_DB"):
        one.address({})
    with pytest.raises(WrongDefinition, match="a Parquet file has no tables"):
        one.address({"SHOP_DB": "x.parquet"})
    with pytest.raises(WrongDefinition, match="is no variable's name"):
        Env("postgresql://me@db/x")


def test_another_password_is_the_same_version_and_other_columns_are_another():
    other = POSTGRES.replace("hunter2", "hunter4")
    assert table().version == table(other).version
    assert table().version != table(columns=["city"]).version
