"""Features on a real broker: kills at every named place, a rebalance and a change of definition leave what is right."""

import importlib
import random
import signal

import msgspec
import pytest

from infra.rows import feature_definition_rows, feature_log_rows, feature_rows
from infra.store_errors import StoreMissing
from infra.stores import AgentStore
from processors.features.contributing import contribution
from processors.features.reading import read_features
from processors.features.records import logged_row
from processors.features.shape import TableShape
from processors.features.tiles import KeyState, add, new_state
from schemas.features import Features
from streams.crashing import POINTS
from streams.featurizing.definitions import described
from tests.integration import feature_definitions
from tests.integration.harness import Workers, read_topic, send, wait_until
from tests.streams.feature_world import event

LOOP = ("after_decide", "in_transaction", "after_commit", "after_publish", "after_delete", "before_done")
FILL = ("fill_in_transaction", "fill_after_commit")
FEW = ("in_transaction", "after_publish")
MODULE = "tests.integration.feature_definitions"


def pytest_generate_tests(metafunc):
    if "point" in metafunc.fixturenames:
        metafunc.parametrize("point", LOOP if metafunc.config.getoption("--chaos") else FEW)


def test_every_crash_point_of_features_is_tried():
    assert {*LOOP, *FILL} == {point for point in POINTS if not point.startswith(("timer", "work"))}


def made(seed, count):
    """Sales with duplicates, corrections and deletions, keyed so that these come on other partitions as well."""
    chance = random.Random(seed)
    revisions, values = {}, []
    for number in range(count):
        name = f"e{number if chance.random() < 0.7 else chance.randrange(number + 1)}"
        revision = revisions[name] = revisions.get(name, -1) + chance.choice((0, 1, 1))
        customer, price = f"c{chance.randrange(7)}", round(chance.uniform(-5, 100), 2)
        op = "delete" if chance.random() < 0.1 else "upsert"
        told = event(name, customer, at_s=-chance.randrange(9_000), price=price, shop=f"s{number % 5}")
        told |= {"revision": max(0, revision), "op": op}
        values.append((f"k{chance.randrange(40)}".encode(), msgspec.json.encode(told)))
    return values


def at_rest(workers, sent):
    try:
        done = workers.query("featurize", "SELECT coalesce(sum(next_offset), 0) FROM fences")[0][0]
        left = workers.query("featurize", "SELECT count(*) FROM outbox")[0][0]
        with AgentStore(workers.place("featurize")).transaction() as connection:
            standing = feature_definition_rows.list_definitions(connection)
    except StoreMissing:
        return False
    return done >= sent and not left and all(one.state == "live" and described(one).announced for one in standing)


def check(workers, table):
    """Rows and published records equal what a walk over the standing events makes."""
    with AgentStore(workers.place("featurize")).transaction() as connection:
        (row,) = [one for one in feature_definition_rows.live_definitions(connection) if one.name == table.name]
        assert row.version == table.version and msgspec.json.decode(row.shape, type=TableShape) == table.shape
        events = [one for one in feature_log_rows.iterate_log(connection) if one.record is not None]
        rows = {one.key: one for one in feature_rows.rows_after(connection, row.version, "", 1_000)}
    expected = {}
    for one in sorted(events, key=lambda one: one.record_id):
        told = contribution(table, logged_row(one.topic, one.record, one.sent_us))
        if told is not None:
            state = expected.setdefault(told.key, new_state(table.shape))
            add(table.shape, state, (one.happened_us, one.record_id), told.values, one.sent_us)
    assert rows.keys() == expected.keys()
    for key, state in expected.items():
        kept = msgspec.msgpack.decode(rows[key].state, type=KeyState)
        assert read_features(table.shape, kept, kept.newest_us) == read_features(table.shape, state, kept.newest_us)
    check_published(workers, table, rows)


def check_published(workers, table, rows):
    newest = {}
    for record in read_topic(workers.settings, "features"):
        told = msgspec.json.decode(record.value, type=Features)
        if told.table == table.name and (told.key not in newest or told.revision > newest[told.key].revision):
            newest[told.key] = told
    assert {key for key, told in newest.items() if told.op == "upsert"} == rows.keys()
    for key, row in rows.items():
        state = msgspec.msgpack.decode(row.state, type=KeyState)
        assert newest[key].values == read_features(table.shape, state, row.newest_us)
        assert (newest[key].revision, newest[key].version) == (row.revision, table.version)


@pytest.fixture
def workers(tmp_path, kafka_settings, topics, store_environ):
    started = Workers(
        tmp_path,
        kafka_settings,
        MILLRACE_FEATURES_MODULE=MODULE,
        MILLRACE_FEATURES_RUN_SIZE="50",
        **store_environ,
    )
    yield started
    started.stop()


def test_kills_there_leave_the_rows_of_the_events_that_stand(point, workers, kafka_settings):
    values = made(len(point), 400)
    send(kafka_settings, values[:200], "events")
    victim = workers.start("featurize", MILLRACE_CRASH_AT=f"{point}:2")
    wait_until(lambda: victim.poll() is not None, 60, told=workers.told)
    assert victim.returncode == -signal.SIGKILL
    send(kafka_settings, values[200:], "events")
    workers.keep_up()
    wait_until(lambda: at_rest(workers, len(values)), 60, workers.keep_up, workers.told)
    check(workers, feature_definitions.sales)


@pytest.mark.parametrize("fill", FILL)
def test_a_changed_definition_is_filled_beside_the_stream_and_read_when_nothing_is_missing(
    fill, workers, kafka_settings, monkeypatch
):
    values = made(7, 400)
    send(kafka_settings, values[:200], "events")
    before = workers.start("featurize")
    wait_until(lambda: at_rest(workers, 200), 60, told=workers.told)
    before.terminate()
    before.wait(30)
    workers.environ["TEST_FEATURES"] = "changed"
    send(kafka_settings, values[200:300], "events")
    victim = workers.start("featurize", MILLRACE_CRASH_AT=f"{fill}:1")
    wait_until(lambda: victim.poll() is not None, 60, told=workers.told)
    assert victim.returncode == -signal.SIGKILL
    send(kafka_settings, values[300:], "events")
    workers.keep_up()
    wait_until(lambda: at_rest(workers, len(values)), 60, workers.keep_up, workers.told)
    monkeypatch.setenv("TEST_FEATURES", "changed")
    check(workers, importlib.reload(feature_definitions).sales)
    monkeypatch.undo()
    importlib.reload(feature_definitions)


def test_two_workers_of_which_one_is_killed_share_the_keys(workers, kafka_settings):
    values = made(3, 600)
    for slot in (0, 1):
        workers.start("featurize", slot)
    send(kafka_settings, values[:300], "events")
    wait_until(lambda: at_rest(workers, 300), 90, workers.keep_up, workers.told)
    workers.processes["featurize", 0].kill()
    send(kafka_settings, values[300:], "events")
    wait_until(lambda: at_rest(workers, len(values)), 90, workers.keep_up, workers.told)
    check(workers, feature_definitions.sales)
