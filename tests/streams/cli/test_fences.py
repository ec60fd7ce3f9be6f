import os
import time
from pathlib import Path

import click
import pytest
import sqlalchemy as sa
from click.testing import CliRunner

from infra.heartbeats import write_heartbeat
from infra.kafka.admin import TopicIdentity
from infra.places import StorePlace
from infra.stores import AgentStore
from schemas.heartbeats import Counters, Heartbeat
from schemas.tables import fences
from streams.cli.errors import CommandError
from streams.cli.fences import Logs, choose_offsets, command, write_fences
from tests.streams.cli.samples import fill_store

TOPIC = "millrace.reviews.v1"
LOGS = Logs({TOPIC: TopicIdentity("cluster", "topic", 2)}, {(TOPIC, 0): (10, 90), (TOPIC, 1): (0, 0)})


def row(partition: int, offset: int, cluster: str = "old") -> dict[str, object]:
    return {"topic": TOPIC, "partition": partition, "next_offset": offset, "cluster_id": cluster, "topic_id": "old"}


@pytest.mark.parametrize(
    ("where", "partition", "chosen"),
    [
        ("earliest", None, {(TOPIC, 0): 10, (TOPIC, 1): 0}),
        ("latest", None, {(TOPIC, 0): 90, (TOPIC, 1): 0}),
        ("latest", 0, {(TOPIC, 0): 90}),
        ("42", 0, {(TOPIC, 0): 42}),
        ("adopt", None, {(TOPIC, 0): 55}),
    ],
)
def test_a_place_becomes_one_offset_a_partition(where, partition, chosen) -> None:
    assert choose_offsets(where, partition, LOGS, {(TOPIC, 0): 55}) == chosen


@pytest.mark.parametrize(
    ("where", "partition", "told"),
    [
        ("sideways", None, "earliest, latest, adopt or an offset"),
        ("42", None, "needs --partition"),
        ("5", 0, "holds 10 to 90"),
        ("91", 0, "holds 10 to 90"),
        ("earliest", 7, "no partition 7"),
    ],
)
def test_a_place_the_log_does_not_have_is_refused(where, partition, told) -> None:
    with pytest.raises(click.BadParameter, match=told):
        choose_offsets(where, partition, LOGS, {})


def test_adopting_an_offset_beyond_the_log_is_refused() -> None:
    with pytest.raises(click.BadParameter, match="holds 10 to 90"):
        choose_offsets("adopt", None, LOGS, {(TOPIC, 0): 91})


def test_a_reset_fence_carries_the_identity_of_the_log_it_is_for(tmp_path: Path) -> None:
    fill_store(tmp_path, "digest", {fences: [row(0, 55), row(1, 5)]})
    store = AgentStore(StorePlace("digest", tmp_path), "rw")
    write_fences(store, {(TOPIC, 0): 10}, LOGS.identities)
    with store.transaction() as connection:
        rows = connection.execute(sa.select(fences).order_by("partition")).all()
    assert [tuple(one) for one in rows] == [(TOPIC, 0, 10, "cluster", "topic"), (TOPIC, 1, 5, "old", "old")]


def test_fences_do_not_move_under_a_worker(tmp_path: Path) -> None:
    beat = Heartbeat(
        agent="digest", slot=0, pid=os.getpid(), at=time.time(), started_at=0.0, state="running", batch_started_at=None,
        partitions=[], counters=Counters(), outbox_depth=0, work_depth=0, timer_depth=0, newest_event_at=None,
        last_error=None,
    )  # fmt: skip
    write_heartbeat(tmp_path, beat)
    told = CliRunner().invoke(command, ["reset", "--agent", "digest", "--yes"], env={"MILLRACE_HOME": str(tmp_path)})
    assert isinstance(told.exception, CommandError)
    assert "digest runs" in told.exception.message


def test_without_a_broker_the_fences_are_listed_alone(tmp_path: Path) -> None:
    fill_store(tmp_path, "digest", {fences: [row(0, 55)]})
    env = {"MILLRACE_HOME": str(tmp_path), "MILLRACE_KAFKA": "127.0.0.1:1"}
    told = CliRunner().invoke(command, ["list"], env=env)
    assert told.output.splitlines()[1].split() == ["digest", TOPIC, "0", "55", "-", "-", "no", "broker", "answers"]


def test_where_no_agent_ran_there_is_no_fence(tmp_path: Path) -> None:
    assert "No fence yet" in CliRunner().invoke(command, ["list"], env={"MILLRACE_HOME": str(tmp_path)}).output
