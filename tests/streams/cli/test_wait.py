import os
import subprocess
import time
from pathlib import Path

import click
import pytest

from infra.heartbeats import write_supervision
from infra.kafka_admin import Broker
from infra.settings import Settings
from infra.watermarks import Watermark
from schemas.heartbeats import Child, Supervision
from streams.cli.standing import Gap
from streams.cli.surroundings import RESTART_S, LocalSurroundings, NobodyWorks
from streams.cli.wait import pick_agents, progress_line, read_receipts

TOPIC = "millrace.reviews.v1"


def test_receipts_are_read_by_either_name_and_the_furthest_counts() -> None:
    read = read_receipts([f"{TOPIC}:3:1041", "reviews:3:7", "points:0:0"], "millrace")
    assert read == {"reviews": {(TOPIC, 3): (0, 1042)}, "points": {("millrace.points.v1", 0): (0, 1)}}


@pytest.mark.parametrize("receipt", ["reviews:3", "reviews:x:1", "nothing:0:1", "summaries:0:1", ""])
def test_what_is_no_receipt_of_a_topic_that_is_read_is_refused(receipt: str) -> None:
    with pytest.raises(click.BadParameter, match="is no receipt"):
        read_receipts([receipt], "millrace")


def test_agents_are_picked_with_what_feeds_them() -> None:
    assert [agent.name for agent in pick_agents("summarize")] == ["digest", "summarize"]
    assert [agent.name for agent in pick_agents("digest")] == ["digest"]
    assert len(pick_agents("")) == 2
    with pytest.raises(click.BadParameter, match="no agent 'sumarize'; there are digest, summarize"):
        pick_agents("digest,sumarize")


def test_progress_tells_what_is_missing_where_and_why() -> None:
    gaps = [
        Gap("digest", (TOPIC, 0), Watermark(7, 5, "timers"), 10),
        Gap("digest", (TOPIC, 1), Watermark(9, 9, "fence"), 10),
    ]
    assert progress_line(gaps) == "digest: 6 events to go (waiting for a quiet moment)"


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


def test_the_supervisor_of_an_earlier_day_does_not_count(tmp_path: Path) -> None:
    gone = subprocess.Popen(["true"])
    gone.wait()
    child = Child(agent="digest", slot=0, pid=None, restarts=0, last_exit=None)
    write_supervision(tmp_path, Supervision(pid=gone.pid, at=1_000.0, children=[child]))
    with pytest.raises(NobodyWorks):
        around(tmp_path, 1_001.0).check_running("digest")
