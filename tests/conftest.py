from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.database import Store, Waits, open_engine
from schemas import tables

TABLES = [tables.delivery, tables.digest, tables.summarize]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--data", metavar="DIR", help="folder with the public review sets, for tests/quality")
    parser.addoption("--chaos", action="store_true", help="more seeds, more kills, more time")


@pytest.fixture
def waits() -> Waits:
    return Waits()


@pytest.fixture
def store(tmp_path: Path, waits: Waits) -> Iterator[Store]:
    """An empty store with the tables of every agent."""
    store = Store(open_engine(tmp_path / "agent.db", TABLES), waits)
    yield store
    store.close()


@pytest.fixture
def second_store(tmp_path: Path, store: Store) -> Iterator[Store]:
    """The same file as another process sees it."""
    second = Store(open_engine(tmp_path / "agent.db", TABLES), Waits())
    yield second
    second.close()
