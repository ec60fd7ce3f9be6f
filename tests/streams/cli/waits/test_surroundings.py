import os
import subprocess
import time
from pathlib import Path

import msgspec
import pytest
import sqlalchemy as sa

from infra.heartbeats import write_supervision
from infra.kafka.admin import Broker, TopicIdentity
from infra.local.processes import Running, start_time
from infra.settings import Settings
from infra.stores import AgentStore
from schemas.heartbeats import Child, Supervision
from schemas.tables import fences, outbox, timer_inputs, timers
from streams.cli.waits import surroundings
from streams.cli.waits.surroundings import RESTART_S, LocalSurroundings, NobodyWorks, OtherLogs
from streams.places import store_place
from tests.streams.cli.samples import NOW, fill_store

TOPIC = "millrace.reviews.v1"


def around(home: Path, now: float) -> LocalSurroundings:
    settings = Settings(home=home)
    return LocalSurroundings(settings, Broker(settings.kafka), now=lambda: now)


def test_without_any_worker_waiting_ends_at_once(tmp_path: Path) -> None:
    with pytest.raises(NobodyWorks, match=r"digest does not run.*millrace up"):
        around(tmp_path, time.time()).check_running("digest")


def test_a_worker_may_be_restarted_while_it_is_waited_for(tmp_path: Path) -> None:
    child = Child(agent="digest", slot=0, pid=None, restarts=1, last_exit=-9)
    clock = [1_000.0]
    write_supervision(tmp_path, Supervision(pid=os.getpid(), at=clock[0], children=[child]))
    settings = Settings(home=tmp_path)
    waiting = LocalSurroundings(settings, Broker(settings.kafka), now=lambda: clock[0])
    waiting.check_running("digest")
    clock[0] += RESTART_S - 1
    waiting.check_running("digest")
    clock[0] += 2
    with pytest.raises(NobodyWorks):
        waiting.check_running("digest")


def test_a_worker_that_refuses_to_run_is_not_waited_for_unless_another_may(tmp_path: Path) -> None:
    def supervise(*refusals: str | None) -> None:
        children = [
            Child(agent="digest", slot=slot, pid=None, restarts=1, last_exit=78, refusal=refusal)
            for slot, refusal in enumerate(refusals)
        ]
        write_supervision(tmp_path, Supervision(pid=os.getpid(), at=1_000.0, children=children))

    supervise("no model. Install one.", None)
    around(tmp_path, 1_000.0).check_running("digest")
    supervise("no model. Install one.", "no model. Install one.")
    with pytest.raises(NobodyWorks, match=r"digest refuses to run.* no model\. Install one\. Then `millrace down`"):
        around(tmp_path, 1_000.0).check_running("digest")
    assert around(tmp_path, 1_000.0).takes_part("digest")  # what it would have made is missing all the same


def test_the_supervisor_of_an_earlier_day_does_not_count(tmp_path: Path) -> None:
    gone = subprocess.Popen(["true"])
    gone.wait()
    child = Child(agent="digest", slot=0, pid=None, restarts=0, last_exit=None)
    write_supervision(tmp_path, Supervision(pid=gone.pid, at=1_000.0, children=[child]))
    with pytest.raises(NobodyWorks):
        around(tmp_path, 1_001.0).check_running("digest")


def test_a_supervisor_that_has_just_been_started_counts_before_it_says_so(tmp_path: Path) -> None:
    told = Running(pid=os.getpid(), started=start_time(os.getpid()))
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "workers.pid").write_bytes(msgspec.json.encode(told))
    around(tmp_path, time.time()).check_running("digest")
    write_supervision(tmp_path, Supervision(pid=os.getpid(), at=time.time() - 60, children=[]))
    with pytest.raises(NobodyWorks):  # it has said so once, and says nothing any more
        around(tmp_path, time.time()).check_running("digest")


class Logs:
    """A broker with one topic."""

    def __init__(self, end: int = 50, topic_id: str = "t", open_from: int | None = None) -> None:
        self.end = end
        self.topic_id = topic_id
        self.reachable = end if open_from is None else open_from

    def identify(self, topics):
        return {topic: TopicIdentity("c", self.topic_id, 1) for topic in topics}

    def log_ranges(self, places, *, committed: bool = True):
        return dict.fromkeys(places, (0, self.reachable if committed else self.end))


def beside(home: Path, broker: Logs) -> LocalSurroundings:
    return LocalSurroundings(Settings(home=home), broker, now=lambda: NOW)  # type: ignore[arg-type]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    fence = {"topic": TOPIC, "partition": 0, "next_offset": 50, "cluster_id": "c", "topic_id": "t"}
    timer = {"kind": "reading", "key": "p", "due_at": NOW + 30, "deadline": NOW + 30}
    waiting = {"kind": "reading", "key": "p", "topic": TOPIC, "partition": 0, "oldest_offset": 40}
    output = {"input_topic": TOPIC, "input_partition": 0, "input_offset": 30, "topic": "points", "headers": b"[]"}
    fill_store(tmp_path, "digest", {fences: [fence], timers: [timer], timer_inputs: [waiting], outbox: [output]})
    return tmp_path


def test_the_end_of_a_log_is_that_of_all_acknowledged_records_whatever_transaction_is_open(home: Path) -> None:
    waiting = beside(home, Logs(end=50, open_from=44))
    assert waiting.ranges(["reviews"]) == {(TOPIC, 0): (0, 50)}
    assert not waiting.empty((TOPIC, 0), 44, 50)  # nobody knows yet what becomes of it


@pytest.mark.parametrize(
    ("broker", "why"),
    [(Logs(topic_id="u"), "was deleted and created again"), (Logs(end=49), "the broker lost data")],
)
def test_fences_of_other_logs_are_told_with_their_remedies(home: Path, broker: Logs, why: str) -> None:
    beside(home, Logs()).check_fences("digest", [(TOPIC, 0)])
    beside(home, broker).check_fences("digest", [(TOPIC, 1)])
    with pytest.raises(OtherLogs, match=f"digest cannot go on: .*{why}.*millrace fences reset"):
        beside(home, broker).check_fences("digest", [(TOPIC, 0)])


def test_an_agent_that_never_ran_has_nothing_to_show_and_nothing_to_check(tmp_path: Path) -> None:
    waiting = beside(tmp_path, Logs())
    waiting.check_fences("digest", [(TOPIC, 0)])
    assert (waiting.watermarks("digest"), waiting.outbox_end("digest")) == ({}, 0)


def test_what_holds_back_is_read_and_hurried_in_the_store_itself(home: Path) -> None:
    waiting = beside(home, Logs())
    assert waiting.watermarks("digest")[TOPIC, 0].offset == 30
    until = waiting.outbox_end("digest")
    assert waiting.unpublished("digest", until) == {(TOPIC, 0): (30, 31)}
    assert waiting.unpublished("digest", until - 1) == {}
    waiting.hurry("digest", {(TOPIC, 0): 50})
    with AgentStore(store_place(Settings(home=home), "digest")).transaction() as connection:
        assert connection.scalar(sa.select(timers.c.due_at)) == 0


def test_nudging_gives_way_to_a_worker_that_holds_its_store(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(surroundings, "LOCK_S", 0.05)
    waiting = beside(home, Logs())
    with AgentStore(store_place(Settings(home=home), "digest"), "rw").transaction():
        waiting.hurry("digest", {(TOPIC, 0): 50})
    waiting.hurry("digest", {(TOPIC, 0): 50})
    with AgentStore(store_place(Settings(home=home), "digest")).transaction() as connection:
        assert connection.scalar(sa.select(timers.c.due_at)) == 0
