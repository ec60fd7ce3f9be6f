"""Whatever happens on the way: at rest the features equal those of the events that stand, added once, in any order."""

from dataclasses import dataclass, field

import msgspec
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from infra.database import Store
from infra.rows import feature_definition_rows, feature_member_rows, feature_rows
from processors.features import (
    Count,
    DecayedRate,
    Distinct,
    Events,
    FeatureTable,
    First,
    Last,
    Max,
    Mean,
    Min,
    Quantile,
    Ratio,
    Sum,
)
from processors.features.contributing import Unfit, contribution
from processors.features.reading import read_features
from processors.features.records import logged_row, microseconds, moment
from processors.features.tiles import KeyState, add, new_state
from schemas.feature_tables import feature_log, feature_members
from streams.featurizing import filling
from streams.featurizing.definitions import Superseded
from tests.examples import examples
from tests.streams.fakes import START_S, Clock, CrashAt, Killed
from tests.streams.feature_world import Worker, begin, event, letters, outputs, sent
from tests.streams.index_worker import emptied, rows


def kinds(**changed):
    told = {
        "count": Count(),
        "sum": Sum("x"),
        "mean": Mean("x"),
        "min": Min("x"),
        "max": Max("x"),
        "first": First("x"),
        "last": Last("x"),
        "distinct": Distinct("x"),
        "median": Quantile("x"),
        "rate": DecayedRate(half_life="10m"),
        "ratio": Ratio(top=Sum("x"), bottom=Count()),
    }
    rest = {"primary_key": "customer", "windows": ("1m", "1h", "all"), **changed}
    return FeatureTable("kinds", source=Events("sale", "return"), aggregations=told, **rest)


BRIEF = FeatureTable("brief", ("customer", "shop"), Events(), {"n": Count(), "last": Last("x")}, windows=("1m", "1h"))
MODULES = [
    [kinds(), BRIEF],
    [kinds(windows=("1h", "7d", "all")), BRIEF],
    [kinds(where=lambda row: row["type"] == "sale", primary_key="shop")],
]
"""The user's module at different times."""

happening = st.fixed_dictionaries(
    {
        "name": st.sampled_from(["e1", "e2", "e3", "e4", "e5", "e6"]),
        "later": st.sampled_from([1, 1, 1, 2, 0, -1]),  # than the revision that stands
        "op": st.sampled_from(["upsert", "upsert", "upsert", "delete"]),
        "customer": st.sampled_from(["a", "b"]),
        "shop": st.sampled_from(["a", "s|t"]),
        "kind": st.sampled_from(["sale", "sale", "return", "visit"]),
        "x": st.sampled_from([None, 0.1, 0.2, 0.3, 1e16, -1e16, -7.5, 0.0, 3.0, "dear"]),
        "offset_s": st.sampled_from([0.0, -1.0, -30.0, -90.0, -4_000.0, -90_000.0, 300.0, 0.000333]),
    }
)
step = st.fixed_dictionaries(
    {
        "partition": st.integers(0, 1),
        "worker": st.integers(0, 1),
        "values": st.lists(happening, max_size=6),
        "replayed": st.booleans(),
        "dies_at": st.sampled_from(
            [None, None, "after_decide", "in_transaction", "after_commit", "fill_in_transaction", "fill_after_commit"]
        ),
        "module": st.sampled_from([None, None, None, 0, 1, 2]),
        "kept": st.integers(0, 3),  # pages of what is done beside the stream
        "pause_s": st.sampled_from([0.0, 1.0, 100.0, 5_000.0, 700_000.0]),
    }
)


@dataclass
class Model:
    """The events that stand, in nothing but the words of the contract."""

    standing: dict[str, tuple[dict, int]] = field(default_factory=dict)  # with when they were sent, microseconds

    def make(self, one: dict, now: float) -> dict:
        """Make the event as its owner sends it, with its revision."""
        before = self.standing.get(one["name"])
        revision = max(0, (before[0]["revision"] if before else 0) + one["later"])
        values = {} if one["x"] is None else {"x": one["x"]}
        told = event(one["name"], kind=one["kind"], at_s=now - START_S + one["offset_s"], **values)
        entity = {"customer": one["customer"], "shop": one["shop"]}
        return told | {"entity": entity, "op": one["op"], "revision": revision}

    def take(self, value: dict, sent_us: int, tables: list[FeatureTable]) -> None:
        """Take one event that a worker with these tables reads."""
        before = self.standing.get(value["event_id"])
        if before is not None:
            stands, gone = before[0]["revision"], before[0]["op"] == "delete"
            equal = value["op"] == "delete" and not gone and value["revision"] == stands
            if not (value["revision"] > stands or equal):
                return
        elif value["op"] == "upsert" and value["revision"] == 0 and not usable(value, tables):
            return  # nobody has use for it: it is not kept
        if value["op"] == "delete" or not refused(value, sent_us, tables):
            self.standing[value["event_id"]] = (value, sent_us)

    def contributions(self, table: FeatureTable):
        for name, (value, sent_us) in sorted(self.standing.items(), key=lambda one: one[0][::-1]):
            if value["op"] == "upsert":
                try:
                    told = contribution(table, logged_row("events", msgspec.json.encode(value), sent_us))
                except Unfit:  # it came before the function that fails on it
                    continue
                if told is not None:
                    at = msgspec.convert(value["occurred_at"], type=type(moment(0)))
                    yield told, (microseconds(at), name), sent_us


def usable(value: dict, tables: list[FeatureTable]) -> bool:
    return any(not table.source.types or value["type"] in table.source.types for table in tables)


def refused(value: dict, sent_us: int, tables: list[FeatureTable]) -> bool:
    row = logged_row("events", msgspec.json.encode(value), sent_us)
    try:
        for table in tables:
            contribution(table, row)
    except Unfit:
        return True
    return False


@dataclass
class Life:
    """Two workers that die and follow each other on one store."""

    store: Store
    clock: Clock = field(default_factory=Clock)
    crash: CrashAt = field(default_factory=lambda: CrashAt(None))
    model: Model = field(default_factory=Model)
    module: int = 0
    offsets: list[int] = field(default_factory=lambda: [0, 0])
    workers: dict[int, Worker] = field(default_factory=dict)

    @property
    def tables(self) -> list[FeatureTable]:
        return MODULES[self.module]

    def worker(self, number: int) -> Worker:
        self.clock.now += 0.001  # time passes between two processes that have a key
        if number not in self.workers:
            self.workers[number] = Worker(self.store, self.tables, self.clock, kept=2, crash=self.crash)
        return self.workers[number]

    def attempt(self, number: int, action) -> None:
        """Do something; when the process ends on the way, another one does it again."""
        for _ in range(2):  # superseded, then killed
            try:
                return action(self.worker(number))
            except (Killed, Superseded):
                del self.workers[number]
        return action(self.worker(number))

    def live(self, one: dict) -> None:
        if one["module"] is not None and one["module"] != self.module:
            self.module = one["module"]
            self.workers.pop(1 - one["worker"], None)  # the other one notices by itself
            self.worker(1 - one["worker"])
        records, partition = [], one["partition"]
        for told in one["values"]:
            value, offset = self.model.make(told, self.clock.now), self.offsets[partition]
            records.append(sent(offset, value, partition, at_s=self.clock.now - START_S))
            self.model.take(value, records[-1].timestamp * 1_000, self.tables)
            self.offsets[partition] += 1
        self.crash.name = one["dies_at"]
        for _ in range(1 + one["replayed"] if records else 0):
            self.attempt(one["worker"], lambda worker: worker.taking_over(*records))
        for _ in range(one["kept"]):
            self.attempt(one["worker"], lambda worker: worker.keeping.step())
        self.crash.name = None
        self.clock.now += one["pause_s"]

    def rest(self) -> None:
        self.attempt(0, Worker.keep)


def values_read(store: Store, table: FeatureTable, at_us: int) -> dict[str, bytes]:
    """What can be read of each key with a row."""
    with store.read() as connection:
        told = {}
        for row in feature_rows.rows_after(connection, table.version, "", 1_000):
            state = msgspec.msgpack.decode(row.state, type=KeyState)

            def between(begin_us: int, end_us: int, key=row.key):
                for one in feature_member_rows.members_between(connection, table.version, key, begin_us, end_us + 1):
                    values = contribution(table, logged_row(one.topic, one.record, one.sent_us)).values
                    yield (one.happened_us, one.record_id), values

            told[row.key] = msgspec.json.encode(read_features(table.shape, state, at_us, between))
    return told


def values_expected(model: Model, table: FeatureTable, at_us: int) -> dict[str, bytes]:
    states, events = {}, {}
    for told, when, sent_us in model.contributions(table):
        add(table.shape, states.setdefault(told.key, new_state(table.shape)), when, told.values, sent_us)
        events.setdefault(told.key, []).append((when, told.values))

    def between(key: str):
        return lambda begin_us, end_us: [one for one in events[key] if begin_us <= one[0][0] <= end_us]

    return {
        key: msgspec.json.encode(read_features(table.shape, state, at_us, between(key)))
        for key, state in states.items()
    }


def logged(store: Store) -> dict[str, tuple[int, str]]:
    return {one["record_id"]: (one["revision"], one["op"]) for one in rows(store, feature_log)}


def check(life: Life, table: FeatureTable) -> None:
    nothing = new_state(table.shape)
    for later_s in (0, 45, 4_000):
        at_us = int((life.clock.now + later_s) * 1_000_000)
        read, expected = (values_read(life.store, table, at_us), values_expected(life.model, table, at_us))
        blank = msgspec.json.encode(read_features(table.shape, nothing, at_us))
        assert {key: one for key, one in read.items() if one != blank} == {
            key: one for key, one in expected.items() if one != blank
        }
    with life.store.read() as connection:
        mine = [one for one in rows(life.store, feature_members) if one["version"] == table.version]
        held = {(when[1], told.key) for told, when, _ in life.model.contributions(table)}
        assert {(one["record_id"], one["key"]) for one in mine} == held
        published = {}
        for output in outputs(life.store):
            if output.table == table.name and output.revision >= published.get(output.key, output).revision:
                published[output.key] = output
        there = {one.key: one for one in feature_rows.rows_after(connection, table.version, "", 1_000)}
    assert {key for key, one in published.items() if one.op == "upsert"} == there.keys()
    for key, row in there.items():
        state = msgspec.msgpack.decode(row.state, type=KeyState)
        assert published[key].values == read_features(table.shape, state, row.newest_us)
        assert (published[key].revision, published[key].version) == (row.revision, table.version)


@settings(
    max_examples=examples(60),
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(history=st.lists(step, max_size=12))
def test_at_rest_features_equal_those_of_the_events_that_stand(store, history, monkeypatch):
    monkeypatch.setattr(filling, "PAGE", 2)
    begin(emptied(store))
    life = Life(store)
    for one in history:
        life.live(one)
    life.rest()
    with store.read() as connection:
        standing = feature_definition_rows.list_definitions(connection)
    assert {(one.name, one.version, one.state) for one in standing} == {
        (table.name, table.version, "live") for table in life.tables
    }
    assert logged(store) == {name: (one["revision"], one["op"]) for name, (one, _) in life.model.standing.items()}
    for table in life.tables:
        check(life, table)
    assert {one.reason for one in letters(store)} <= {"expression_failed"}
    assert {one["version"] for one in rows(store, feature_rows.feature_rows)} <= {one.version for one in life.tables}
