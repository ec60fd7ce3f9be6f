import shutil
import signal
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy as sa
from hypothesis import settings

from infra.database import Store, Waits, open_store
from infra.kafka.admin import Broker, TopicDeclaration
from infra.local.kafka import KafkaServer
from infra.local.milvus import MilvusServer
from infra.places import StorePlace
from infra.settings import KafkaSettings
from infra.settings_reading import Secret
from infra.stores import remove_schema
from infra.vectors.milvus import MilvusStore
from schemas.index_tables import WORD_TABLES
from schemas.tables import GROUPS
from streams.graph import AGENTS
from streams.topics import declarations
from tests.broker import running_broker
from tests.examples import LONG
from tests.milvus import running_milvus
from tests.postgres import PostgresServer

DATABASES = ("sqlite", "postgres")
RESTART_NUMBERS = """
    SELECT setval(format('%%I.%%I', schemaname, sequencename)::regclass, start_value, false)
    FROM pg_sequences WHERE schemaname = current_schema AND last_value IS NOT NULL
"""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--data", metavar="DIR", help="folder with the public review sets, for tests/quality")
    parser.addoption("--chaos", action="store_true", help="the long suite of tests/chaos: more seeds, more of all")
    parser.addoption("--refit", action="store_true", help="also fit the answer model again: minutes of embedding")
    parser.addoption("--seed", type=int, help="only this seed of tests/chaos, on both databases")


def pytest_configure(config: pytest.Config) -> None:
    settings.register_profile(LONG)
    if config.getoption("--chaos"):
        settings.load_profile(LONG)


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A Postgres of the suite's own; a test that stops it starts it again."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # a stopped test run leaves no server behind
    with PostgresServer.running() as server:
        yield server


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty store with the tables of every agent: copying it is faster than making one."""
    place = StorePlace("agent", tmp_path_factory.mktemp("template"))
    open_store(place, Waits(), GROUPS).close()
    return place.path


@pytest.fixture(scope="session")
def postgres_template(postgres: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> StorePlace:
    """The same in a schema that is emptied for every test."""
    place = StorePlace("agent", tmp_path_factory.mktemp("postgres"), Secret(postgres.url()), "suite")
    open_store(place, Waits(), GROUPS).close()
    return place


@pytest.fixture(scope="session")
def empty_postgres(postgres_template: StorePlace) -> Iterator[Callable[[], None]]:
    """Take everything out of that schema; numbers begin anew.

    DELETE, over a connection that is kept: TRUNCATE of 28 small tables takes 10 times as long.
    """
    tables = [*(table.name for group in GROUPS.values() for table in group.sorted_tables), *WORD_TABLES]
    statements = "; ".join([*(f"DELETE FROM {table}" for table in tables), RESTART_NUMBERS])
    schema = {"options": f"-c search_path={postgres_template.schema} -c lock_timeout=30s"}
    engine = sa.create_engine(postgres_template.address(), connect_args=schema, pool_pre_ping=True)

    def empty() -> None:
        with engine.begin() as connection:
            connection.exec_driver_sql(statements)

    yield empty
    engine.dispose()


@pytest.fixture(params=DATABASES)
def database(request: pytest.FixtureRequest) -> str:
    """Which database this test's store is on; every test with a store runs on each."""
    return request.param


@pytest.fixture
def place(database: str, tmp_path: Path, request: pytest.FixtureRequest) -> StorePlace:
    """Where an empty store is that has the tables of every agent."""
    if database == "postgres":
        request.getfixturevalue("empty_postgres")()
        return request.getfixturevalue("postgres_template")
    place = StorePlace("agent", tmp_path)
    place.path.parent.mkdir()
    shutil.copy(request.getfixturevalue("sqlite_template"), place.path)
    return place


@pytest.fixture
def fresh_place(database: str, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[StorePlace]:
    """Where a store can be made that is not there yet; its agent is digest."""
    if database == "sqlite":
        yield StorePlace("digest", tmp_path)
        return
    url = Secret(request.getfixturevalue("postgres").url())
    place = StorePlace("digest", tmp_path, url, f"t_{uuid.uuid4().hex[:12]}")
    yield place
    remove_schema(place)


@pytest.fixture
def waits() -> Waits:
    return Waits()


@pytest.fixture
def open_again(place: StorePlace) -> Iterator[Callable[[], Store]]:
    """Open the store of this test once more, as another process does."""
    opened: list[Store] = []

    def open_it(waits: Waits | None = None) -> Store:
        opened.append(open_store(place, waits or Waits(), GROUPS))
        return opened[-1]

    yield open_it
    for store in opened:
        store.close()


@pytest.fixture
def store(open_again: Callable[..., Store], waits: Waits) -> Store:
    """An empty store with the tables of every agent."""
    return open_again(waits)


@pytest.fixture
def second_store(store: Store, open_again: Callable[..., Store]) -> Store:
    """The same store as another process sees it."""
    return open_again()


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaServer]:
    """A broker of the suite's own: ``.bootstrap``, ``.start()``, ``.stop()``, ``.kill()``.

    A test that stops it starts it again; it keeps its port and its data.
    """
    with running_broker(tmp_path_factory.mktemp("stack")) as server:
        yield server


@pytest.fixture(scope="session")
def milvus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MilvusServer]:
    """A Milvus of the suite's own: ``.uri``, ``.start()``, ``.stop()``, ``.kill()``.

    A test that stops it starts it again; it keeps its ports and its data.
    """
    with running_milvus(tmp_path_factory.mktemp("milvus")) as server:
        yield server


@pytest.fixture
def collection_prefix() -> str:
    """The first part of the names of this test's collections."""
    return f"t_{uuid.uuid4().hex[:12]}"


@pytest.fixture
def vector_store(milvus: MilvusServer, collection_prefix: str) -> Iterator[MilvusStore]:
    """The suite's Milvus; collections with this test's prefix are dropped afterwards."""
    with closing(MilvusStore(milvus.uri)) as store:
        yield store
        for name in store.collections():
            if name.startswith(collection_prefix):
                store.drop(name)


@pytest.fixture
def prefix() -> str:
    """The first part of this test's topic names and groups."""
    return f"test-{uuid.uuid4().hex[:8]}"


@pytest.fixture
def kafka_settings(kafka: KafkaServer, prefix: str) -> KafkaSettings:
    """The way to the suite's broker, with this test's prefix and few partitions."""
    return KafkaSettings(bootstrap=kafka.bootstrap, prefix=prefix, partitions=2)


@pytest.fixture
def topics(kafka_settings: KafkaSettings) -> list[TopicDeclaration]:
    """This test's topics, created: their declarations."""
    declared = declarations(kafka_settings)
    with Broker(kafka_settings) as broker:
        broker.apply_topics(declared)
    return declared


@pytest.fixture(params=DATABASES)
def store_environ(request: pytest.FixtureRequest) -> Iterator[dict[str, str]]:
    """Settings that put workers' stores on one database or the other."""
    if request.param == "sqlite":
        yield {}
        return
    server, schemas = request.getfixturevalue("postgres"), f"t_{uuid.uuid4().hex[:12]}"
    yield {"MILLRACE_SQL": server.url(), "MILLRACE_SQL_SCHEMA_PREFIX": schemas}
    for agent in AGENTS:
        remove_schema(StorePlace(agent, Path(), Secret(server.url()), schemas))
