import os
import socket
import time
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner

from infra.heartbeats import write_heartbeat, write_supervision
from infra.kafka.admin import Broker
from infra.settings import KafkaSettings, Settings
from schemas.heartbeats import Child, Counters, Heartbeat, Supervision
from schemas.tables import fences, timer_inputs
from streams.cli.agent_runs import run_of
from streams.cli.health import Part, check_agent, collect
from streams.cli.status import command
from streams.cli.status_view import part_lines, status_lines
from streams.graph import AGENTS
from tests.streams.cli.samples import fill_store

TOPIC = "millrace.reviews.v1"
NOW = 1_000.0


def beat(state: str = "running", *, pid: int | None = None, at: float = NOW, **changed: object) -> Heartbeat:
    values = {"agent": "digest", "slot": 0, "pid": pid or os.getpid(), "at": at, "started_at": at - 10}
    values |= {"batch_started_at": None, "partitions": [], "counters": Counters(events=50), "outbox_depth": 0}
    values |= {"work_depth": 0, "timer_depth": 0, "newest_event_at": at - 5, "last_error": None}
    return Heartbeat(state=state, **(values | changed))


def kept(restarts: int = 0, last_exit: int | None = None, refusal: str | None = None) -> Supervision:
    child = Child(agent="digest", slot=0, pid=1, restarts=restarts, last_exit=last_exit, refusal=refusal)
    return Supervision(pid=os.getpid(), at=NOW, children=[child])


def digest(home: Path, beats: list[Heartbeat], supervision: Supervision | None = None, end: int = 100) -> Part:
    logs = {(TOPIC, 0): (0, end)}
    return check_agent(Settings(home=home), "digest", run_of("digest", beats, supervision, NOW), logs, NOW)


@pytest.mark.parametrize(
    ("beats", "supervision", "state"),
    [
        ([], None, "down"),
        ([beat()], None, "ok"),
        ([beat(newest_event_at=NOW - 61)], None, "late"),
        ([beat("starting")], None, "starting"),
        ([beat("waiting_for_broker")], None, "waiting"),
        ([beat(batch_started_at=NOW - 46)], None, "stuck"),
        ([beat(at=NOW - 16)], None, "down"),
        ([beat("stopping", at=NOW - 16)], None, "stopped"),
        ([], kept(), "starting"),
        ([], kept(restarts=2, last_exit=-9), "restarting"),
        ([beat()], kept(restarts=2), "ok"),
        ([beat("starting")], kept(restarts=2, last_exit=78, refusal="no model"), "restarting"),
    ],
)
def test_an_agent_is_as_well_as_its_processes(tmp_path, beats, supervision, state) -> None:
    assert digest(tmp_path, beats, supervision).state == state


def failing(keys: int, depth: int, *, due_in_s: float = 30.0, at: float = NOW, **changed: object) -> Heartbeat:
    why = {"work_error": "HTTP 401", "work_due_at": NOW + due_in_s} if keys else {}
    return beat(at=at, work_depth=depth, work_failing=keys, **(why | changed))


OPEN = {"circuits": {"https://models.example": NOW + 30}}


@pytest.mark.parametrize(
    ("beats", "state"),
    [
        ([failing(0, 9, **OPEN)], "ok"),  # a fallback writes
        ([failing(4, 9)], "ok"),  # retries are everyday
        ([failing(4, 9, due_in_s=-1.0)], "late"),
        ([failing(5, 9)], "waiting"),
        ([failing(5, 9, due_in_s=-1.0)], "waiting"),
        ([failing(5, 9, **OPEN)], "stuck"),
        ([failing(4, 9, **OPEN)], "ok"),
        ([failing(9, 9, at=NOW - 2), failing(0, 9, slot=1)], "ok"),  # the newer word counts
        ([failing(9, 9, at=NOW - 2, **OPEN), failing(9, 9, slot=1)], "stuck"),
        ([failing(9, 9, at=NOW - 16, **OPEN)], "down"),
    ],
)
def test_an_agent_whose_work_fails_is_not_simply_ok(tmp_path, beats, state) -> None:
    assert digest(tmp_path, beats).state == state


def test_why_work_fails_and_why_a_worker_refuses_is_told_in_full_and_fits(tmp_path: Path) -> None:
    remedy = "HTTP 401 Unauthorized: the endpoint refuses the key; set writer.api_key"
    why = f"https://models.example/v1 failed again and again and is left alone: {remedy}"
    part = digest(tmp_path, [failing(5, 9, work_error=f"\x1b[2J{why}")], kept(refusal="no model. Install one."))
    assert (part.work_failing, part.refusal) == (5, "no model. Install one.")
    for width in (80, 120):
        lines = [line.plain for line in part_lines([part], width)]
        assert max(map(len, lines)) <= width
        told = " ".join(" ".join(lines).split())
        assert f"5 of 5 in work failed and are tried again: {why}" in told  # there is no store to count the rest in
        assert "refuses to run: no model. Install one." in told


def test_an_endpoint_that_is_left_alone_while_others_write_is_told_all_the_same(tmp_path: Path) -> None:
    why = {"circuit_reasons": {"https://models.example": "HTTP 401: set the key"}}
    part = digest(tmp_path, [failing(0, 0, **OPEN, **why)])
    assert (part.state, part.left_alone) == ("ok", why["circuit_reasons"])
    _, _, note = (line.plain for line in part_lines([part], 80))
    assert note.strip() == "leaves alone https://models.example: HTTP 401: set the key"
    told = [line.plain for line in part_lines([digest(tmp_path, [failing(1, 1, **OPEN, **why)])], 80)]
    assert not any("leaves alone" in line for line in told)  # why the work fails says it


def test_a_refusal_is_not_told_a_second_time_as_the_last_error(tmp_path: Path) -> None:
    part = digest(tmp_path, [beat("starting", last_error="no model")], kept(refusal="no model"))
    assert sum("no model" in line.plain for line in part_lines([part], 80)) == 1


def test_lag_is_what_is_not_read_and_pending_what_is_not_published(tmp_path: Path) -> None:
    fence = {"topic": TOPIC, "partition": 0, "next_offset": 90, "cluster_id": "c", "topic_id": "t"}
    held = {"kind": "read", "key": "p", "topic": TOPIC, "partition": 0, "oldest_offset": 70}
    fill_store(tmp_path, "digest", {fences: [fence], timer_inputs: [held]})
    part = digest(tmp_path, [beat()])
    assert (part.lag, part.pending, part.behind_s) == (10, 20, 5.0)
    assert part.watermarks == {TOPIC: {"0": 70}}
    assert part.events_per_s == 5.0


def test_an_agent_that_has_everything_is_current_however_old_the_newest_event(tmp_path: Path) -> None:
    fence = {"topic": TOPIC, "partition": 0, "next_offset": 100, "cluster_id": "c", "topic_id": "t"}
    fill_store(tmp_path, "digest", {fences: [fence]})
    part = digest(tmp_path, [beat(newest_event_at=NOW - 5_000)])
    assert (part.state, part.behind_s) == ("ok", 0.0)


def test_a_broken_store_is_a_part_that_is_down(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "digest.db").write_bytes(b"nothing of the sort" * 99)
    part = digest(tmp_path, [beat()])
    assert part.state == "down"
    assert "not a database" in part.last_error


def test_an_address_nobody_listens_at_is_told_at_once_and_first(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    settings = Settings(home=tmp_path, kafka=KafkaSettings(bootstrap=f"127.0.0.1:{port}"))
    write_heartbeat(tmp_path, beat())
    write_supervision(tmp_path, kept())
    began = time.monotonic()
    with Broker(settings.kafka) as broker:
        parts = collect(settings, broker, NOW)
    assert time.monotonic() - began < 2.0
    told = [(part.part, part.state) for part in parts]
    assert told == [("broker", "down"), ("supervisor", "ok"), ("digest", "ok")]  # the others never ran here


def test_where_nobody_ever_ran_every_agent_is_down(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, kafka=KafkaSettings(bootstrap="127.0.0.1:1"))
    with Broker(settings.kafka) as broker:
        parts = {part.part: part.state for part in collect(settings, broker, NOW)}
    assert {name: parts[name] for name in AGENTS} == dict.fromkeys(AGENTS, "down")


def test_the_supervisor_tells_where_metrics_are_or_why_they_are_not(tmp_path: Path) -> None:
    def told(**metrics: str) -> list[str]:
        write_supervision(tmp_path, msgspec.structs.replace(kept(), **metrics))
        settings = Settings(home=tmp_path, kafka=KafkaSettings(bootstrap="127.0.0.1:1"))
        with Broker(settings.kafka) as broker:
            parts = [part for part in collect(settings, broker, NOW) if part.part == "supervisor"]
        return [line.plain for line in part_lines(parts, 80)][1:]

    assert told()[0].split() == ["supervisor", "ok", "pid", str(os.getpid())]
    (line,) = told(metrics="http://127.0.0.1:9464/metrics")
    assert line.endswith("metrics http://127.0.0.1:9464/metrics")
    _, note = told(metrics_error="metrics cannot be served")
    assert note.endswith("last error: metrics cannot be served")


def test_status_where_nothing_runs_says_how_to_start_and_fails(tmp_path: Path) -> None:
    told = CliRunner().invoke(command, [], env={"MILLRACE_HOME": str(tmp_path), "MILLRACE_KAFKA": "127.0.0.1:1"})
    assert told.exit_code == 1
    assert told.output == f"Nothing runs here ({tmp_path}). Start it: millrace up\n"


def test_a_screen_of_status_has_a_word_for_every_colour_and_fits() -> None:
    parts = [
        Part(part="summarize", state="restarting", lag=7, outbox=0, restarts=3, last_exit=70, last_error="long " * 40),
        Part(part="broker", state="ok", detail="127.0.0.1:9092"),
        Part(
            part="digest", state="late", lag=12_345_678, pending=9_999, behind_s=7_300.0, outbox=4_000, work=0, timers=9
        ),
    ]
    lines = [line.plain for line in status_lines(parts, "millrace · here", 80)]
    assert max(map(len, lines)) <= 80
    assert lines[0].endswith("failing: summarize")
    assert [line.split()[1] for line in lines if line.startswith(("summ", "brok", "dig"))] == [
        "restarting",
        "ok",
        "late",
    ]
    assert "restarted 3 times, last after exit 70" in lines[4]
    assert sum(line.count("long") for line in lines) == 40  # what to do stands at the end
    assert lines[-1].split() == ["digest", "late", "12,345,678", "9,999", "2", "h", "4,000", "0", "9", "-"]
