import os

import pytest

from infra.errors import LocalStackFailed
from infra.heartbeats import write_heartbeat, write_supervision
from infra.settings import Settings
from schemas.heartbeats import Child, Counters, Heartbeat, Supervision
from streams.cli import starting
from streams.cli.starting import await_agents, start_of

PID = 77


def beat(agent: str = "digest", state: str = "running", *, pid: int = PID, last_error: str | None = None) -> Heartbeat:
    return Heartbeat(
        agent=agent, slot=0, pid=pid, at=1_000.0, started_at=990.0, state=state, batch_started_at=None, partitions=[],
        counters=Counters(), outbox_depth=0, work_depth=0, timer_depth=0, newest_event_at=None, last_error=last_error,
    )  # fmt: skip


def child(agent: str = "digest", *, pid: int | None = PID, restarts: int = 0, refusal: str | None = None) -> Child:
    return Child(agent=agent, slot=0, pid=pid, restarts=restarts, last_exit=1 if restarts else None, refusal=refusal)


@pytest.mark.parametrize(
    ("worker", "said", "how", "told"),
    [
        (child(), None, "starting", "still starts"),
        (child(), beat(state="starting"), "starting", "still starts"),
        (child(), beat(), "running", ""),
        (child(), beat(pid=1), "starting", "still starts"),  # of the process before it
        (child(pid=None, restarts=1), beat(), "starting", "still starts"),
        (child(pid=None, restarts=2), None, "failing", "ended 2 times, last with exit code 1"),
        (child(restarts=9), beat(), "running", ""),
        (child(), beat(state="waiting_for_broker", last_error="no broker"), "waiting", "waits: no broker"),
        (child(refusal="no model"), beat(state="starting"), "failing", "refuses to run: no model"),
    ],
)
def test_how_far_a_worker_has_come(worker, said, how, told) -> None:
    start = start_of(worker, {} if said is None else {said.pid: said})
    assert start.how == how
    assert told in start.told if told else start.told == ""


class Process:
    """A supervisor that runs, or has ended."""

    def __init__(self, pid: int | None) -> None:
        self.pid = pid
        self.log_file = "workers.log"

    def running(self) -> "Process | None":
        return None if self.pid is None else self


@pytest.fixture
def awaited(tmp_path, monkeypatch):
    """Wait for workers of a supervisor; returns what is told, and who cannot run."""

    def run(pid: int | None):
        told: list[tuple[str, str]] = []
        monkeypatch.setattr(starting, "workers", lambda settings: Process(pid))
        return told, await_agents(Settings(home=tmp_path), lambda part, became: told.append((part, became)))

    return run


def supervise(home, *children: Child, pid: int | None = None) -> None:
    write_supervision(home, Supervision(pid=pid or os.getpid(), at=1_000.0, children=list(children)))


def test_workers_are_waited_for_until_each_runs_or_cannot(awaited, tmp_path, monkeypatch) -> None:
    supervise(tmp_path, child("digest", pid=1), child("summarize", pid=2))
    write_heartbeat(tmp_path, beat("digest", pid=1))
    slept = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        supervise(tmp_path, child("digest", pid=1), child("summarize", pid=None, refusal="no model. Install one."))

    monkeypatch.setattr(starting.time, "sleep", sleep)
    told, failing = awaited(os.getpid())
    assert told == [("summarize", "refuses to run: no model. Install one."), ("running", "digest")]
    assert failing == ["summarize"]
    assert len(slept) == 1


def test_what_starts_for_too_long_is_told_and_fails_nobody(awaited, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(starting, "START_S", 0.0)
    supervise(tmp_path, child())
    assert awaited(os.getpid()) == ([("digest", "still starts: see millrace status")], [])


def test_what_an_earlier_supervisor_said_does_not_count(awaited, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(starting, "START_S", 0.0)
    supervise(tmp_path, child(refusal="of yesterday"), pid=1)
    assert awaited(os.getpid()) == ([], [])


def test_a_supervisor_that_ends_fails_the_start(awaited) -> None:
    with pytest.raises(LocalStackFailed, match=r"ended by itself.*workers\.log"):
        awaited(None)
