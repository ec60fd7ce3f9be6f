import os
import subprocess
from pathlib import Path

import pytest

from infra.heartbeats import (
    HeartbeatUnreadable,
    alive,
    read_heartbeats,
    read_supervision,
    write_heartbeat,
    write_supervision,
)
from schemas.heartbeats import Child, Counters, Heartbeat, Supervision


def beat(agent: str = "digest", slot: int = 0, *, pid: int | None = None, at: float = 100.0) -> Heartbeat:
    return Heartbeat(
        agent=agent, slot=slot, pid=pid or os.getpid(), at=at, started_at=1.0, state="running", batch_started_at=None,
        partitions=[], counters=Counters(), outbox_depth=0, work_depth=0, timer_depth=0, newest_event_at=None,
        last_error=None,
    )  # fmt: skip


def test_what_was_written_last_is_read_by_agent_and_slot(tmp_path: Path) -> None:
    for written in (beat("summarize"), beat(slot=1), beat(at=1.0), beat(at=2.0)):
        write_heartbeat(tmp_path, written)
    assert read_heartbeats(tmp_path) == [beat(at=2.0), beat(slot=1), beat("summarize")]
    assert not list(tmp_path.rglob("*.tmp"))


def test_the_supervisors_file_is_no_heartbeat(tmp_path: Path) -> None:
    told = Supervision(pid=7, at=1.0, children=[Child(agent="digest", slot=0, pid=None, restarts=2, last_exit=-9)])
    write_supervision(tmp_path, told)
    assert read_supervision(tmp_path) == told
    assert read_heartbeats(tmp_path) == []


def test_where_nothing_ran_nothing_is_read(tmp_path: Path) -> None:
    assert read_heartbeats(tmp_path) == []
    assert read_supervision(tmp_path) is None


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    write_heartbeat(tmp_path, beat())
    (tmp_path / "run" / "digest-0.json").write_bytes(b'{"agent": "di')
    with pytest.raises(HeartbeatUnreadable, match=r"digest-0\.json"):
        read_heartbeats(tmp_path)


def test_a_process_lives_while_it_writes_and_its_pid_is_in_use() -> None:
    gone = subprocess.Popen(["true"])
    gone.wait()
    assert alive(beat(at=100.0), now=114.0)
    assert not alive(beat(at=100.0), now=116.0)
    assert not alive(beat(at=100.0, pid=gone.pid), now=101.0)
