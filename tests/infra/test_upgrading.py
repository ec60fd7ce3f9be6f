"""Stores of every version become today's: the same tables as a new one has, and nothing lost."""

import dataclasses
import threading
from concurrent.futures import ThreadPoolExecutor

import msgspec
import pytest
import sqlalchemy as sa
from alembic.script import ScriptDirectory

from infra import leases, ledger, outbox, timers
from infra.database import Store, Waits, open_store
from infra.engines import worker_engine
from infra.places import StorePlace
from infra.rows.product_rows import load_products
from infra.rows.summary_rows import load_summaries
from infra.store_errors import StoreMissing, StoreUnusable
from infra.store_versions import NEWEST, VERSIONS, read_version
from infra.stores import AgentStore, check_store, remove_schema
from infra.upgrading import SCRIPTS
from infra.watermarks import read_watermarks
from models.sentence_table import SentenceTable
from processors.digest.product import Product
from schemas import tables
from schemas.index_tables import WORD_TABLES
from schemas.points import Forgotten, Points
from schemas.summaries import Summary
from streams.summary_records import wanted_of
from tests.releases.v0_1 import state as v0_1
from tests.streams.fakes import POINTS, REVIEWS, wanted_from

ALL = [(REVIEWS, 0), (REVIEWS, 1), (POINTS, 0)]
EVER = 1e12


@pytest.fixture
def summarize_place(fresh_place):
    place = dataclasses.replace(fresh_place, agent="summarize")
    yield place
    if place.url is not None:
        remove_schema(place)


@dataclasses.dataclass(frozen=True)
class Lived:
    """What version 0.1.0 left behind."""

    rows: dict[str, dict[str, list[dict[str, object]]]]  # agent -> table -> rows
    readings: dict[str, object]  # product -> its Reading

    def copy_to(self, place: StorePlace) -> Store:
        """Put the rows of one agent into a store of that version."""
        store = v0_1.make_store(place)
        with store.write() as connection:
            for metadata in v0_1.TABLES[place.agent]:
                for table in metadata.sorted_tables:
                    if self.rows[place.agent][table.name]:
                        connection.execute(table.insert(), self.rows[place.agent][table.name])
            if place.url is not None:
                connection.execute(sa.text("SELECT setval('outbox_seq_seq', (SELECT max(seq) FROM outbox))"))
        return store


@pytest.fixture(scope="module")
def lived(tmp_path_factory):
    """A life on SQLite, lived once: the only database that version had."""
    home = tmp_path_factory.mktemp("v0_1")
    both = v0_1.make_state(StorePlace("digest", home), StorePlace("summarize", home))
    agents = dict(zip(("digest", "summarize"), both, strict=True))
    kept = {
        agent: {
            table.name: rows(one.store, table) for metadata in v0_1.TABLES[agent] for table in metadata.sorted_tables
        }
        for agent, one in agents.items()
    }
    readings = agents["digest"].readings()
    for one in both:
        one.store.close()
    return Lived(kept, readings)


@pytest.fixture
def digest(lived, fresh_place):
    """The store of digest as version 0.1.0 left it."""
    store = lived.copy_to(fresh_place)
    yield store
    store.close()


@pytest.fixture
def summarize(lived, summarize_place):
    """The store of summarize as version 0.1.0 left it."""
    store = lived.copy_to(summarize_place)
    yield store
    store.close()


def upgraded(place: StorePlace):
    open_store(place, Waits()).close()
    return AgentStore(place)


def described(place: StorePlace) -> dict[str, object]:
    """Everything a database says of its tables."""
    engine = worker_engine(place)
    with engine.connect() as connection:
        there = sa.inspect(connection)
        found = {
            name: {
                "columns": sorted(
                    (column["name"], str(column["type"]), column["nullable"], column["default"] is None)
                    for column in there.get_columns(name)
                ),
                "key": there.get_pk_constraint(name)["constrained_columns"],
                "indexes": sorted(
                    (index["name"], index["column_names"], bool(index["unique"])) for index in there.get_indexes(name)
                ),
                "unique": there.get_unique_constraints(name),
            }
            for name in there.get_table_names()
            if name != "alembic_version" and not name.startswith(WORD_TABLES)
        }
        if place.url is None:  # a reused number would let a zombie's late delete take new rows
            made = connection.scalar(sa.text("SELECT sql FROM sqlite_master WHERE name = 'outbox'"))
            found["numbers never reused"] = "AUTOINCREMENT" in made
    engine.dispose()
    return found


def rows(store, table: sa.Table) -> list[dict[str, object]]:
    with store.read() as connection:
        return [dict(row._mapping) for row in connection.execute(sa.select(table).order_by(*table.primary_key))]


def test_the_versions_named_are_those_of_the_scripts():
    scripts = ScriptDirectory(SCRIPTS)
    chain = [script.revision for script in scripts.walk_revisions()]
    assert chain == list(reversed(VERSIONS))


@pytest.mark.parametrize("agent", tables.STORES)
def test_a_new_store_has_the_tables_that_are_declared(agent, fresh_place, tmp_path):
    place = dataclasses.replace(fresh_place, agent=agent)
    declared = dataclasses.replace(place, home=tmp_path / "declared", schema_prefix=f"{place.schema_prefix}_d")
    engine = worker_engine(declared)
    try:
        open_store(place, Waits()).close()
        with engine.begin() as connection:
            if place.url is not None:
                connection.execute(sa.schema.CreateSchema(declared.schema))
            for group in tables.STORES[agent]:
                tables.GROUPS[group].create_all(connection)
        assert described(place) == described(declared)
    finally:
        engine.dispose()
        for one in (place, declared):
            if one.url is not None:
                remove_schema(one)


@pytest.mark.parametrize("agent", v0_1.TABLES)
def test_an_upgraded_store_has_the_tables_of_a_new_one(agent, fresh_place, tmp_path):
    place = dataclasses.replace(fresh_place, agent=agent)
    new = dataclasses.replace(place, home=tmp_path / "new", schema_prefix=f"{place.schema_prefix}_n")
    try:
        v0_1.make_store(place).close()
        open_store(place, Waits()).close()
        open_store(new, Waits()).close()
        assert described(place) == described(new)
    finally:
        for one in (place, new):
            if one.url is not None:
                remove_schema(one)


@pytest.mark.parametrize("table", WORD_TABLES)
def test_a_new_index_has_full_text(table, fresh_place):
    place = dataclasses.replace(fresh_place, agent="index")
    try:
        open_store(place, Waits()).close()
        with AgentStore(place).transaction() as connection:
            assert connection.scalar(sa.text(f"SELECT count(*) FROM {table}")) == 0
    finally:
        if place.url is not None:
            remove_schema(place)


def test_an_old_store_is_told_as_such_until_a_worker_upgrades_it(fresh_place):
    v0_1.make_store(fresh_place).close()
    with pytest.raises(StoreUnusable, match=rf"of version 0001, .* reads version {NEWEST}.*millrace up"):
        AgentStore(fresh_place).transaction().__enter__()
    check_store(fresh_place)  # a worker may start
    with upgraded(fresh_place).transaction() as connection:
        assert read_version(connection) == NEWEST


def test_a_store_of_a_newer_version_is_refused_naming_both(fresh_place):
    store = open_store(fresh_place, Waits())
    with store.write() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '0099'"))
    store.close()
    told = rf"of version 0099, and this Millrace knows versions up to {NEWEST}"
    for use in (lambda: open_store(fresh_place, Waits()), lambda: check_store(fresh_place)):
        with pytest.raises(StoreUnusable, match=told):
            use()
    with pytest.raises(StoreUnusable, match=told), AgentStore(fresh_place).transaction():
        pass


def test_a_store_that_is_still_empty_is_told_as_never_run(fresh_place):
    if fresh_place.url is None:
        fresh_place.path.parent.mkdir()
        fresh_place.path.touch()
    with pytest.raises(StoreMissing, match="digest has never run here"), AgentStore(fresh_place).transaction():
        pass


def test_workers_that_start_at_once_on_an_old_store_upgrade_it_once(digest, fresh_place):
    start = threading.Barrier(4)

    def open_it() -> None:
        start.wait()
        open_store(fresh_place, Waits()).close()

    with ThreadPoolExecutor(4) as pool:
        for opened in [pool.submit(open_it) for _ in range(4)]:
            opened.result(60)
    with AgentStore(fresh_place).transaction() as connection:
        assert connection.scalar(sa.select(sa.func.count()).select_from(tables.products)) == 5


def test_an_upgrade_that_fails_leaves_the_old_store_as_it_was(summarize, summarize_place):
    before = rows(summarize, v0_1.tables.summaries)
    with summarize.write() as connection:
        connection.execute(tables.summaries.update().values(record=b"damaged"))
    with pytest.raises(msgspec.DecodeError):
        open_store(summarize_place, Waits())
    with summarize.read() as connection:
        assert read_version(connection) == "0001"
        assert "trace" not in {column["name"] for column in sa.inspect(connection).get_columns("work")}
    with summarize.write() as connection:
        for row in before:
            here = tables.summaries.c.product_id == row["product_id"]
            connection.execute(tables.summaries.update().where(here).values(record=row["record"]))
    assert rows(summarize, v0_1.tables.summaries) == before
    upgraded(summarize_place)


def test_what_an_old_version_owed_is_still_owed(digest, summarize, fresh_place, summarize_place):
    for before, place in ((digest, fresh_place), (summarize, summarize_place)):
        with before.read() as connection:
            marks, waiting = read_watermarks(connection), v0_1.outbox.oldest(connection, ALL, 1000)
        assert waiting
        with upgraded(place).transaction() as connection:
            assert read_watermarks(connection) == marks
            now = outbox.oldest(connection, ALL, 1000)
        assert [(one.seq, one.output.value, one.output.headers, one.cause.offset) for one in now] == [
            (one.seq, one.output.value, one.output.headers, one.cause.offset) for one in waiting
        ]


def test_timers_of_an_old_version_ring(digest, fresh_place):
    with digest.read() as connection:
        before = v0_1.timers.due(connection, v0_1.READING, EVER, ALL, 100)
    assert before
    with upgraded(fresh_place).transaction() as connection:
        now = timers.due(connection, v0_1.READING, EVER, ALL, 100)
    assert [(one.key, one.due_at, len(one.inputs), one.trace) for one in now] == [
        (one.key, one.due_at, len(one.inputs), {}) for one in before
    ]


def test_work_of_an_old_version_in_hand_failed_or_waiting_is_done(summarize, summarize_place):
    work = rows(summarize, v0_1.tables.work)
    assert {(row["lease_owner"] is not None, row["last_error"]) for row in work} == {
        (True, None),
        (False, "429"),
        (False, None),
    }
    store = open_store(summarize_place, Waits())
    with store.write() as connection:
        leases.release(connection, v0_1.WRITING, "summarize-0:")
        taken = leases.lease(connection, v0_1.WRITING, "new", now=EVER, until=EVER, partitions=ALL, limit=100)
    store.close()
    assert sorted((one.key, one.revision) for one in taken) == [(row["key"], row["revision"]) for row in work]
    assert all(one.causes for one in taken)


def test_paid_calls_of_standing_texts_are_kept_and_those_nobody_could_forget_go(summarize, summarize_place):
    paid = {row["ledger_key"]: row["output"] for row in rows(summarize, v0_1.tables.ledger)}
    named = {}
    for row in rows(summarize, v0_1.tables.summaries):
        named[msgspec.json.decode(row["record"], type=Summary).writer.ledger_key] = row["product_id"]
    assert 0 < len(named) < len(paid)
    with upgraded(summarize_place).transaction() as connection:
        kept = ledger.find(connection, list(paid))
    assert {key: entry.subject for key, entry in kept.items()} == named
    assert all(entry.output == paid[key] for key, entry in kept.items())


def test_summaries_of_an_old_version_stand_and_their_texts_have_forgotten_nothing(summarize, summarize_place):
    before = rows(summarize, v0_1.tables.summaries)
    with summarize.write() as connection:  # one that was shown without a text
        untold = {**before[0], "product_id": "untold", "text_points": None}
        untold["record"] = msgspec.json.encode({"writer": None})
        connection.execute(v0_1.tables.summaries.insert(), untold)
    with upgraded(summarize_place).transaction() as connection:
        now = load_summaries(connection, [*(row["product_id"] for row in before), "untold"])
    assert now.pop("untold").text_forgotten is None
    stand = {name: dataclasses.replace(row, wanted=None) for name, row in now.items()}
    assert [dataclasses.asdict(stand[row["product_id"]]) for row in before] == [
        {**row, "text_forgotten": 0, "wanted": None} for row in before
    ]


def test_texts_that_an_old_version_was_to_write_are_written_from_the_points_that_stand(summarize, summarize_place):
    reasons = {row["key"]: row["reason"] for row in rows(summarize, v0_1.tables.work)}
    with summarize.write() as connection:  # points that changed nothing came after those it was recorded for
        connection.execute(v0_1.tables.work.update().values(revision=1))
    with upgraded(summarize_place).transaction() as connection:
        now = load_summaries(connection, [row["product_id"] for row in rows(summarize, v0_1.tables.summaries)])
        revisions = {row.key: row.revision for row in connection.execute(sa.select(tables.work))}
    assert 0 < len(reasons) < len(now)
    for name, row in now.items():
        points = msgspec.json.decode(row.points, type=Points)
        expected = wanted_from(points, row.revision, reasons[name]) if name in reasons else None
        assert wanted_of(row) == expected
        assert revisions.get(name) == (expected and row.points_revision)


def test_reviews_and_products_of_an_old_version_are_all_there(digest, fresh_place):
    before = {table.name: rows(digest, table) for table in (v0_1.tables.products, v0_1.tables.reviews)}
    store = open_store(fresh_place, Waits())
    assert rows(store, tables.reviews) == before["reviews"]
    new = {"base_ordinal": 0, "forgotten": msgspec.json.encode(Forgotten())}
    assert rows(store, tables.products) == [
        {**row, **new, "next_ordinal": row["review_count"]} for row in before["products"]
    ]
    assert rows(store, tables.tombstones) == []
    store.close()


def test_products_of_an_old_version_are_read_and_say_the_same(lived, digest, fresh_place):
    before = lived.readings
    encode = SentenceTable.load().encode
    with upgraded(fresh_place).transaction() as connection:
        loaded = load_products(connection, list(before))
    assert len(loaded) == 5
    for row in loaded:
        reading = Product.load(row.product_id, row.parts, row.traces).read(encode)
        assert msgspec.to_builtins(reading) == msgspec.to_builtins(before[row.product_id])
