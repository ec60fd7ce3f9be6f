import asyncio
import contextlib
import os
import signal
import socket
import sys
import urllib.request
from pathlib import Path

import msgspec
import pytest
from prometheus_client.parser import text_string_to_metric_families

from infra.errors import BrokerUnreachable
from infra.heartbeats import read_supervision, write_heartbeat
from infra.kafka.probe import Probe
from infra.settings import MetricsSettings, Settings
from infra.settings_prints import differing
from schemas.heartbeats import REFUSED, Counters, Heartbeat, PartitionState
from streams import supervisor as supervising
from streams.supervisor import BATCH_S, STALE_S, STALL_S, STARTING_S, Slot, Supervisor, backoff_s, verdict
from tests.streams.fakes import REVIEWS, Clock

NOW = 1_000.0
SLEEPER = "import time; time.sleep(60)"
STUBBORN = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('ready', flush=True); time.sleep(60)"
)


def beat(pid: int = 7, at: float = NOW, batch: float | None = None, state="running", fence: int = 5, **counts: int):
    return Heartbeat(
        agent="digest",
        slot=0,
        pid=pid,
        at=at,
        started_at=at,
        state=state,
        batch_started_at=batch,
        partitions=[PartitionState(topic=REVIEWS, partition=0, fence=fence, end=None)],
        counters=Counters(**counts),
        outbox_depth=0,
        work_depth=0,
        timer_depth=0,
        newest_event_at=None,
        last_error=None,
    )


def slot(started_at: float = NOW) -> Slot:
    return Slot("digest", 0, started_at=started_at, moved_at=started_at)


def test_a_worker_is_well_while_its_heart_beats_and_its_batch_is_young():
    assert verdict(slot(), beat(), NOW) is None
    assert verdict(slot(), beat(at=NOW - STALE_S), NOW) is None
    assert verdict(slot(), beat(batch=NOW - BATCH_S), NOW) is None


def test_a_worker_whose_heart_stopped_is_killed():
    assert "last heartbeat is 16 s old" in verdict(slot(), beat(at=NOW - STALE_S - 1), NOW)


def test_a_worker_whose_batch_does_not_end_is_killed():
    assert "batch runs for 46 s" in verdict(slot(), beat(batch=NOW - BATCH_S - 1), NOW)


def test_a_new_worker_has_time_for_its_first_heartbeat_but_not_for_ever():
    assert verdict(slot(NOW - STARTING_S), None, NOW) is None
    assert "no heartbeat 61 s after its start" in verdict(slot(NOW - STARTING_S - 1), None, NOW)


def test_waits_between_restarts_double_up_to_half_a_minute_and_never_overflow():
    assert [backoff_s(n) for n in (1, 2, 3, 4, 5, 6, 7, 10_000)] == [1, 2, 4, 8, 16, 30, 30, 30]


class Fake(Supervisor):
    """Runs a small program instead of workers."""

    program = SLEEPER

    async def _start(self, slot: Slot) -> None:
        slot.process = await asyncio.create_subprocess_exec(sys.executable, "-c", self.program, stdout=-1)
        slot.started_at = slot.moved_at = self._now()
        slot.killed_for = None

    @property
    def slot(self) -> Slot:
        return self._slots[0]


@pytest.fixture
def clock():
    return Clock(NOW)


@pytest.fixture
async def supervisor(tmp_path: Path, clock):
    supervisor = Fake(["digest"], 1, Settings(home=tmp_path, metrics=MetricsSettings(port=0)), {}, clock)
    yield supervisor
    process = supervisor.slot.process
    if process is not None and process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.communicate()


async def ended(slot: Slot) -> None:
    async with asyncio.timeout(5):
        await slot.process.communicate()


async def test_a_worker_that_is_alive_but_not_well_is_killed_buried_and_started_again_later(
    supervisor, clock, tmp_path
):
    await supervisor._look()
    first = supervisor.slot.process
    write_heartbeat(tmp_path, beat(first.pid))
    await supervisor._look()
    assert first.returncode is None
    clock.now += STALE_S + 1
    await supervisor._look()
    await ended(supervisor.slot)
    await supervisor._look()
    told = read_supervision(tmp_path).children[0]
    assert (told.pid, told.restarts, told.last_exit) == (None, 1, -signal.SIGKILL)
    clock.now += 0.9
    await supervisor._look()
    assert supervisor.slot.process is None
    clock.now += 0.2
    await supervisor._look()
    assert supervisor.slot.process.pid != first.pid
    assert read_supervision(tmp_path).children[0].pid == supervisor.slot.process.pid


async def test_the_heartbeat_of_an_earlier_process_says_nothing_about_this_one(supervisor, clock, tmp_path):
    await supervisor._look()
    write_heartbeat(tmp_path, beat(pid=1, at=NOW - 500, batch=NOW - 500))
    await supervisor._look()
    assert supervisor.slot.killed_for is None


async def test_a_worker_that_dies_again_and_again_waits_longer_and_after_a_long_life_starts_anew(supervisor, clock):
    waited = []
    for lived_s in (1, 1, 1, 100):
        await supervisor._start(supervisor.slot)
        supervisor.slot.process.kill()
        await ended(supervisor.slot)
        clock.now += lived_s
        await supervisor._look()
        waited.append(supervisor.slot.restart_at - clock.now)
    assert waited == [1, 2, 4, 1]
    assert supervisor.slot.restarts == 4


REFUSES = f"import sys; sys.exit({REFUSED})"


async def refuse(supervisor, tmp_path, said: str | None):
    """Let a worker refuse to run after it said something; returns what the supervisor tells."""
    supervisor.program = REFUSES
    await supervisor._start(supervisor.slot)
    if said is not None:
        told = beat(supervisor.slot.process.pid, state="starting")
        write_heartbeat(tmp_path, msgspec.structs.replace(told, last_error=said))
    await ended(supervisor.slot)
    await supervisor._look()
    return read_supervision(tmp_path).children[0]


async def test_why_a_worker_refused_to_run_is_told_until_one_runs(supervisor, clock, tmp_path):
    told = await refuse(supervisor, tmp_path, "its model is missing. Install it.")
    assert (told.last_exit, told.refusal) == (REFUSED, "its model is missing. Install it.")
    supervisor.program = SLEEPER
    clock.now = supervisor.slot.restart_at
    await supervisor._look()
    write_heartbeat(tmp_path, beat(supervisor.slot.process.pid, at=clock.now, state="starting"))
    await supervisor._look()
    assert read_supervision(tmp_path).children[0].refusal == "its model is missing. Install it."
    write_heartbeat(tmp_path, beat(supervisor.slot.process.pid, at=clock.now))
    await supervisor._look()
    assert read_supervision(tmp_path).children[0].refusal is None


async def test_what_another_process_said_is_no_refusal_of_this_one(supervisor, tmp_path):
    write_heartbeat(tmp_path, msgspec.structs.replace(beat(1), last_error="of another day"))
    assert (await refuse(supervisor, tmp_path, None)).refusal == "its log says why."


async def test_a_worker_that_ends_otherwise_refused_nothing(supervisor, clock, tmp_path):
    await refuse(supervisor, tmp_path, "its model is missing.")
    supervisor.program = "import sys; sys.exit(70)"
    clock.now = supervisor.slot.restart_at
    await supervisor._look()
    await ended(supervisor.slot)
    await supervisor._look()
    told = read_supervision(tmp_path).children[0]
    assert (told.last_exit, told.refusal) == (70, None)


async def test_a_supervisor_tells_with_what_settings_its_workers_run(supervisor, tmp_path):
    await supervisor._look()
    told = read_supervision(tmp_path).settings
    assert differing(told, supervisor._settings) == []
    assert differing(told, Settings(home=tmp_path)) == ["metrics"]


class Broker:
    """Tells how far a log reaches."""

    def __init__(self, start: int, end: int) -> None:
        self.range = (start, end)
        self.asked = 0

    def log_ranges(self, places):
        self.asked += 1
        return dict.fromkeys(places, self.range)


async def stalls(supervisor, clock, *beats) -> list[str | None]:
    found = []
    for one in beats:
        found.append(await supervisor._stalled(supervisor.slot, one))
        clock.now += STALL_S
    return found


@pytest.mark.parametrize(
    ("log", "readable", "told"),
    [((0, 9), [7], True), ((0, 9), [], False), ((0, 5), [], False), ((7, 9), [8], True)],
    ids=["a record waits", "only markers", "nothing", "after a deleted range"],
)
async def test_a_worker_is_stalled_when_nothing_moves_and_a_readable_record_waits(
    supervisor, clock, monkeypatch, log, readable, told
):
    probes = []

    def probe(settings, place, fence, end, timeout_s, limit):
        probes.append(fence)
        return Probe(log[0], readable, end)

    monkeypatch.setattr(supervising, "probe", probe)
    supervisor._broker = Broker(*log)
    supervisor.slot.moved_at = clock.now
    first, second = await stalls(supervisor, clock, beat(), beat())
    assert (first, second is not None) == (None, told)
    assert probes == ([max(5, log[0])] if log[1] > 5 else [])


async def test_a_worker_that_moves_is_not_asked_about(supervisor, clock):
    supervisor._broker = Broker(0, 100)
    moving = [beat(events=1), beat(events=2), beat(events=2, replays=1), beat(events=2, replays=1, fence=6)]
    assert await stalls(supervisor, clock, *moving) == [None] * 4
    assert supervisor._broker.asked == 0


async def test_a_broker_that_does_not_answer_makes_nobody_stalled(supervisor, clock):
    def unreachable(places):
        raise BrokerUnreachable("nowhere:1")

    supervisor._broker = Broker(0, 100)
    supervisor._broker.log_ranges = unreachable
    assert await stalls(supervisor, clock, beat(), beat()) == [None, None]


async def test_a_stop_ends_workers_and_kills_the_one_that_does_not_listen(supervisor, monkeypatch, tmp_path):
    monkeypatch.setattr(supervising, "STOP_S", 0.3)
    await supervisor._look()
    await supervisor._stop_slot(supervisor.slot)
    assert supervisor.slot.last_exit == -signal.SIGTERM
    supervisor.program = STUBBORN
    await supervisor._start(supervisor.slot)
    async with asyncio.timeout(5):
        await supervisor.slot.process.stdout.readline()
    await supervisor._stop_slot(supervisor.slot)
    assert (supervisor.slot.last_exit, supervisor.slot.process) == (-signal.SIGKILL, None)


@contextlib.asynccontextmanager
async def at_work(supervisor):
    """Runs it until it has started its worker, and tells it to stop at the end."""
    running = asyncio.create_task(supervisor.run())
    async with asyncio.timeout(10):
        while supervisor.slot.process is None:
            await asyncio.sleep(0.01)
        yield
        os.kill(os.getpid(), signal.SIGTERM)
        await running


async def test_a_supervisor_told_to_stop_leaves_nothing_running(supervisor, tmp_path):
    async with at_work(supervisor):
        pid = supervisor.slot.process.pid
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    assert read_supervision(tmp_path).children[0].pid is None


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        return found.getsockname()[1]


def scrape(url: str) -> dict[str, float]:
    text = urllib.request.urlopen(url, timeout=5).read().decode()
    families = text_string_to_metric_families(text)
    return {sample.name: sample.value for family in families for sample in family.samples if "state" not in sample.name}


async def test_a_supervisor_serves_the_metrics_of_its_workers_and_says_where(supervisor, tmp_path):
    port = free_port()
    supervisor._settings = Settings(home=tmp_path, metrics=MetricsSettings(port=port))
    async with at_work(supervisor):
        write_heartbeat(tmp_path, beat(supervisor.slot.process.pid, events=41))
        url = read_supervision(tmp_path).metrics
        assert url == f"http://127.0.0.1:{port}/metrics"
        found = await asyncio.to_thread(scrape, url)
        assert (found["millrace_events_total"], found["millrace_worker_up"]) == (41, 1)
        (tmp_path / "run" / "summarize-0.json").write_bytes(b"half a fi")
        assert (await asyncio.to_thread(scrape, url))["millrace_events_total"] == 41
    with pytest.raises(OSError, match="refused"):
        urllib.request.urlopen(url, timeout=5)
    assert read_supervision(tmp_path).metrics is None


async def test_a_taken_metrics_port_is_told_and_the_workers_run_all_the_same(supervisor, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        supervisor._settings = Settings(home=tmp_path, metrics=MetricsSettings(port=taken.getsockname()[1]))
        async with at_work(supervisor):
            told = read_supervision(tmp_path)
    assert told.metrics is None
    assert "Address already in use. Set MILLRACE_METRICS_PORT" in told.metrics_error
