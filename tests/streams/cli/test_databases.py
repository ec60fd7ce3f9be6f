"""Whatever is wrong with the database, every command that needs it says so in one line, without credentials."""

import dataclasses
import logging

import pytest
import sqlalchemy as sa

from infra.database import Waits, open_store
from infra.kafka.admin import Broker
from infra.local.kafka import free_port
from infra.places import StorePlace
from infra.settings import Settings
from infra.settings_reading import Secret
from infra.store_errors import StoreUnreachable
from infra.store_versions import NEWEST
from infra.stores import remove_schema
from streams.__main__ import run
from streams.cli.waits.surroundings import LocalSurroundings
from streams.graph import AGENTS
from tests.releases.v0_1.state import TABLES as STORES_THEN
from tests.releases.v0_1.state import make_store

COMMANDS = (["summaries"], ["summaries", "p"], ["fences", "list"], ["up", "--detach"])


@pytest.fixture(autouse=True)
def environ(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MILLRACE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("MILLRACE_KAFKA", f"127.0.0.1:{free_port()}")
    monkeypatch.setattr(logging.getLogger(), "handlers", [])  # commands set up a log of their own
    return monkeypatch


@pytest.fixture
def schemas(postgres, environ):
    """A database to be named, and places of the agents in it."""
    environ.setenv("MILLRACE_SQL_SCHEMA_PREFIX", "cli")
    places = {agent: StorePlace(agent, home=None, url=Secret(postgres.url()), schema_prefix="cli") for agent in AGENTS}
    yield places
    for place in places.values():
        remove_schema(place)


def told(capsys, arguments) -> str:
    """Run a command that fails; return what it says."""
    assert run(arguments) == 1
    out, err = capsys.readouterr()
    assert "Traceback" not in out + err
    assert "hunter2" not in out + err
    (line,) = err.splitlines()
    return line


@pytest.mark.parametrize("arguments", COMMANDS)
def test_a_database_that_is_down_is_named_with_the_remedy(arguments, environ, capsys):
    port = free_port()
    environ.setenv("MILLRACE_SQL", f"postgresql://me:hunter2@127.0.0.1:{port}/shop")
    line = told(capsys, arguments)
    assert "the database does not answer" in line
    assert f"127.0.0.1:{port}/shop, schema millrace_" in line
    assert "See that it runs" in line


@pytest.mark.parametrize("arguments", COMMANDS)
@pytest.mark.parametrize(
    ("user", "database", "why"),
    [
        ("locked", "postgres", "the database refuses the login: password authentication failed"),
        ("nobody", "postgres", "the database refuses the login"),
        ("millrace", "nowhere", "there is no such database"),
    ],
)
def test_a_login_that_will_never_do_is_told(arguments, user, database, why, postgres, environ, capsys):
    postgres.execute("DROP ROLE IF EXISTS locked", "CREATE ROLE locked LOGIN PASSWORD 'right'")
    postgres.require_password("locked")
    environ.setenv("MILLRACE_SQL", postgres.url(database, user, "hunter2"))
    assert why in told(capsys, arguments)


@pytest.mark.parametrize("arguments", COMMANDS)
def test_a_store_of_a_newer_version_is_told(arguments, schemas, postgres, environ, capsys):
    environ.setenv("MILLRACE_SQL", postgres.url())
    for place in schemas.values():
        store = open_store(place, Waits())
        with store.write() as connection:
            connection.execute(sa.text("UPDATE alembic_version SET version_num = '0099'"))
        store.close()
    assert f"is of version 0099, and this Millrace knows versions up to {NEWEST}" in told(capsys, arguments)


@pytest.mark.parametrize("arguments", COMMANDS[:3])
def test_a_store_of_an_older_version_is_told_with_what_upgrades_it(arguments, schemas, postgres, environ, capsys):
    environ.setenv("MILLRACE_SQL", postgres.url())
    for agent in STORES_THEN:
        make_store(schemas[agent]).close()
    assert "Start its worker, which upgrades it: `millrace up`" in told(capsys, arguments)


@pytest.mark.parametrize("arguments", COMMANDS[:2])
def test_an_agent_that_never_ran_is_told(arguments, schemas, postgres, environ, capsys):
    environ.setenv("MILLRACE_SQL", postgres.url())
    assert "summarize has never run here" in told(capsys, arguments)


def test_up_says_at_once_that_the_database_can_only_be_read(schemas, postgres, environ, capsys):
    postgres.execute("DROP ROLE IF EXISTS reading", "CREATE ROLE reading LOGIN")
    postgres.execute("ALTER ROLE reading SET default_transaction_read_only = on")
    environ.setenv("MILLRACE_SQL", postgres.url(user="reading"))
    assert "the database can only be read" in told(capsys, ["up", "--detach"])


def test_status_shows_it_at_every_agent(environ, capsys):
    environ.setenv("MILLRACE_SQL", f"postgresql://me:hunter2@127.0.0.1:{free_port()}/shop")
    assert run(["status", "--json"]) == 1
    out, err = capsys.readouterr()
    assert out.count("the database does not answer") == len(AGENTS)
    assert "hunter2" not in out + err


def test_a_wait_says_it_too(tmp_path, environ):
    settings = Settings.from_env({"MILLRACE_SQL": f"postgresql://me@127.0.0.1:{free_port()}/shop"})
    around = LocalSurroundings(dataclasses.replace(settings, home=tmp_path), Broker(settings.kafka))
    with pytest.raises(StoreUnreachable):
        around.watermarks("digest")


def test_down_wipe_takes_the_schemas_away(schemas, postgres, environ, capsys):
    environ.setenv("MILLRACE_SQL", postgres.url())
    for place in schemas.values():
        open_store(place, Waits()).close()
    assert run(["down", "--wipe"]) == 0
    assert f"removed the schemas {', '.join(f'cli_{agent}' for agent in AGENTS)}" in capsys.readouterr().out
    found = postgres.query("SELECT nspname FROM pg_namespace WHERE nspname LIKE 'cli_%'")
    assert found == []
    assert run(["down", "--wipe"]) == 0
