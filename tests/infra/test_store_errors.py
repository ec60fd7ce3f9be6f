"""Whatever a database says becomes one line of ours; what is a fault of ours stays what it is."""

import dataclasses
import sqlite3
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest
import sqlalchemy as sa

from infra import store_errors
from infra.database import Waits, open_store
from infra.fences import Moved
from infra.local.kafka import free_port
from infra.places import StorePlace
from infra.settings_reading import Secret
from infra.store_errors import (
    StoreFailed,
    StoreUnreachable,
    StoreUnusable,
    StoreUnwritable,
    translated,
)
from schemas.tables import GROUPS, fences

PLACE = StorePlace("digest", Path("home"), Secret("postgresql://me:hunter2@db.example/shop"))
FENCE = {"topic": "t", "partition": 0, "next_offset": 5, "cluster_id": "c", "topic_id": "i"}


def from_server(state: str, words: str = "told by the server") -> sa.exc.DBAPIError:
    """An error as SQLAlchemy brings it from psycopg."""
    error = psycopg.errors.lookup(state)(words)
    return sa.exc.OperationalError("INSERT INTO secrets VALUES ('hunter2')", {}, error)


@pytest.mark.parametrize(
    ("state", "kind", "words"),
    [
        ("57P03", StoreUnreachable, "does not answer"),
        ("57P01", StoreUnreachable, "does not answer"),
        ("08006", StoreUnreachable, "does not answer"),
        ("53300", StoreUnreachable, "does not answer"),
        ("28P01", StoreUnusable, "refuses the login"),
        ("3D000", StoreUnusable, "no such database"),
        ("42501", StoreUnusable, "forbids it"),
        ("53100", StoreUnwritable, "is full"),
        ("25006", StoreUnwritable, "can only be read"),
        ("40001", StoreFailed, "failed"),
        ("55P03", StoreFailed, "lock stays taken"),
        ("57014", StoreFailed, "took too long"),
        ("58030", StoreFailed, "failed"),
    ],
)
def test_what_a_server_says_is_one_line_without_statement_or_password(state, kind, words):
    with pytest.raises(kind) as caught, translated(PLACE):
        raise from_server(state, "told by\nthe server")
    line = str(caught.value)
    assert words in line
    assert "told by the server (db.example:5432/shop, schema millrace_digest)" in line
    assert "hunter2" not in line
    assert "INSERT" not in line


@pytest.mark.parametrize("state", sorted(store_errors.DECIDE_AGAIN))
def test_a_transaction_that_others_ended_is_decided_again_where_somebody_does(state):
    with pytest.raises(Moved), translated(PLACE, retried=True):
        raise from_server(state)


@pytest.mark.parametrize("state", ["23505", "42601", "22P02"])
def test_a_fault_of_ours_stays_what_it_is(state):
    with pytest.raises(sa.exc.OperationalError), translated(PLACE, retried=True):
        raise from_server(state)


def test_a_value_that_no_column_can_hold_is_a_fault_of_ours(place, store):
    with pytest.raises(sa.exc.DBAPIError), store.write() as connection:
        connection.execute(fences.insert(), {**FENCE, "topic": object()})


def test_a_sqlite_file_that_is_full_is_told_and_loses_nothing(tmp_path):
    place = StorePlace("digest", tmp_path)
    store = open_store(place, Waits())
    with store.write() as connection:
        connection.execute(fences.insert(), FENCE)
    pages = sqlite3.connect(place.path).execute("PRAGMA page_count").fetchone()[0]

    def limit(connection: sqlite3.Connection, *_: object) -> None:
        connection.execute(f"PRAGMA max_page_count = {pages}")

    store._engine.dispose()
    sa.event.listen(store._engine, "connect", limit)
    rows = [{**FENCE, "topic": "x" * 500, "partition": number} for number in range(1, 1_000)]
    with (
        pytest.raises(StoreUnwritable, match=r"database is full: .*digest\.db.*Make room"),
        store.write() as connection,
    ):
        connection.execute(fences.insert(), rows)
    with store.read() as connection:
        assert connection.execute(sa.select(fences.c.partition)).all() == [(0,)]
    sa.event.remove(store._engine, "connect", limit)
    store._engine.dispose()
    with store.write() as connection:
        connection.execute(fences.insert(), rows)
    store.close()


def test_a_sqlite_file_that_can_only_be_read_is_told(tmp_path):
    place = StorePlace("digest", tmp_path)
    store = open_store(place, Waits())

    def forbid(connection: sqlite3.Connection, *_: object) -> None:
        connection.execute("PRAGMA query_only = on")

    store._engine.dispose()
    sa.event.listen(store._engine, "connect", forbid)
    told = r"can only be read: attempt to write a readonly database"
    with pytest.raises(StoreUnwritable, match=told), store.write() as connection:
        connection.execute(fences.insert(), FENCE)
    store.close()


@pytest.mark.parametrize("database", ["postgres"])
def test_a_connection_that_breaks_inside_a_transaction_is_told_and_nothing_is_written(store, postgres):
    ours = sa.text("SELECT pg_backend_pid()")
    with pytest.raises(StoreUnreachable, match="workers wait for it"), store.write() as connection:
        connection.execute(fences.insert(), FENCE)
        postgres.execute(f"SELECT pg_terminate_backend({connection.scalar(ours)})")
        connection.execute(fences.insert(), {**FENCE, "partition": 1})
    with store.read() as connection:  # with a new connection
        assert connection.execute(sa.select(fences)).all() == []


@pytest.mark.parametrize("database", ["postgres"])
def test_standing_still_inside_a_transaction_ends_it_and_the_decision_is_made_again(place, postgres):
    """What becomes of a worker that was stopped: the server has given its rows to others meanwhile."""
    postgres.execute("ALTER SYSTEM SET idle_in_transaction_session_timeout = 0", "SELECT pg_reload_conf()")
    store = open_store(place, Waits(), GROUPS)
    with pytest.raises(Moved, match="idle-in-transaction timeout"), store.write() as connection:
        connection.exec_driver_sql("SET LOCAL idle_in_transaction_session_timeout = '50ms'")
        connection.execute(fences.insert(), FENCE)
        told = "SELECT 1 FROM pg_stat_activity WHERE state = 'idle in transaction' AND application_name ~ 'millrace'"
        while postgres.query(told):
            pass
        connection.execute(fences.insert(), {**FENCE, "partition": 1})
    with store.read() as connection:
        assert connection.execute(sa.select(fences)).all() == []
    store.close()


@pytest.mark.parametrize("database", ["postgres"])
def test_every_session_has_the_limits_that_free_what_a_zombie_holds(store):
    with store.write() as connection:
        limits = {
            name: connection.exec_driver_sql(f"SHOW {name}").scalar()
            for name in ("idle_in_transaction_session_timeout", "lock_timeout", "statement_timeout", "search_path")
        }
    assert limits == {
        "idle_in_transaction_session_timeout": "5s",
        "lock_timeout": "8s",
        "statement_timeout": "30s",
        "search_path": "suite_agent",
    }


@pytest.mark.parametrize("database", ["postgres"])
def test_what_a_url_says_of_the_session_counts_beside_our_limits(place, postgres):
    url = f"{postgres.url()}?application_name=shop&options=-c%20work_mem%3D5MB"
    store = open_store(dataclasses.replace(place, url=Secret(url)), Waits(), GROUPS)
    with store.read() as connection:
        shown = [connection.exec_driver_sql(f"SHOW {name}").scalar() for name in ("work_mem", "application_name")]
        assert [*shown, connection.exec_driver_sql("SHOW lock_timeout").scalar()] == ["5MB", "shop", "8s"]
    store.close()


@pytest.mark.parametrize("database", ["postgres"])
def test_a_database_of_another_encoding_is_refused(place, postgres):
    postgres.execute("DROP DATABASE IF EXISTS latin")
    postgres.execute("CREATE DATABASE latin ENCODING 'LATIN1' LOCALE_PROVIDER libc LOCALE 'C' TEMPLATE template0")
    with pytest.raises(StoreUnusable, match="keeps texts as LATIN1"):
        open_store(dataclasses.replace(place, url=Secret(postgres.url("latin"))), Waits(), GROUPS)


@pytest.mark.parametrize("database", ["postgres"])
def test_a_role_that_may_not_make_schemas_is_told(place, postgres):
    postgres.execute("DROP ROLE IF EXISTS guest", "CREATE ROLE guest LOGIN")
    nowhere = dataclasses.replace(place, url=Secret(postgres.url(user="guest")), schema_prefix="forbidden")
    with pytest.raises(StoreUnusable, match=r"the database forbids it: permission denied for database postgres"):
        open_store(nowhere, Waits(), GROUPS)


def test_without_its_driver_the_extra_is_named():
    program = (
        "import sys; sys.modules['psycopg'] = None\n"
        "from infra.database import *; from infra.settings_reading import Secret; from pathlib import Path\n"
        "place = StorePlace('digest', Path(), Secret('postgresql://db.example/shop'))\n"
        "try: open_store(place, Waits())\n"
        "except Exception as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert "its driver is not installed (db.example:5432/shop" in done.stdout
    assert "pip install 'millrace[postgres]'" in done.stdout


def test_nobody_there_is_told_with_the_address():
    port = free_port()
    with pytest.raises(StoreUnreachable, match=rf"does not answer: Connection refused.* \(127.0.0.1:{port}/shop"):
        open_store(StorePlace("digest", Path(), Secret(f"postgresql://me:hunter2@127.0.0.1:{port}/shop")), Waits())


def test_a_fault_of_ours_shows_no_values(store):
    with pytest.raises(sa.exc.DBAPIError) as caught, store.write() as connection:
        connection.execute(fences.insert(), [{**FENCE, "topic": "a review's text"}] * 2)
    assert "a review's text" not in str(caught.value).split("DETAIL")[0]
