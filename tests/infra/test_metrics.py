"""Metrics as Prometheus reads them: parsed by its own library, compared with what heartbeats say."""

import os
import socket
import subprocess
import urllib.request
from typing import get_args

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from infra.metrics import MetricsServer, MetricsUnavailable, WorkerMetrics, resident_bytes
from schemas.heartbeats import Child, Counters, Heartbeat, PartitionState, State, Supervision

NOW = 1_000.0
REVIEWS, POINTS = "millrace.reviews.v1", "millrace.points.v1"
ORDER = ("agent", "slot", "state", "topic", "partition", "version")
COUNTS = {
    "millrace_events_total": 1, "millrace_replays_total": 2, "millrace_batches_total": 3,
    "millrace_batch_seconds_total": 4.5, "millrace_dead_letters_total": 5, "millrace_outputs_total": 6,
    "millrace_readings_total": 7, "millrace_writer_calls_total": 8, "millrace_writer_failures_total": 9,
    "millrace_refreshes_total": 10, "millrace_ledger_hits_total": 11, "millrace_moved_total": 12,
    "millrace_rebuilds_total": 13, "millrace_chunks_embedded_total": 14, "millrace_chunks_reused_total": 15,
    "millrace_vectors_written_total": 16, "millrace_vectors_removed_total": 17,
    "millrace_writer_tokens_in_total": 18, "millrace_writer_tokens_out_total": 19, "millrace_writer_cost_total": 20.5,
    "millrace_writer_over_budget_total": 21, "millrace_writer_stand_ins_total": 22,
    "millrace_circuits_opened_total": 23,
}  # fmt: skip


def place(partition: int, fence: int, end: int | None, topic: str = REVIEWS) -> PartitionState:
    return PartitionState(topic=topic, partition=partition, fence=fence, end=end)


def beat(agent: str = "digest", slot: int = 0, *, pid: int | None = None, at: float = NOW, **changed) -> Heartbeat:
    counted = {name.removeprefix("millrace_").removesuffix("_total"): value for name, value in COUNTS.items()}
    values = {
        "state": "running", "started_at": 900.0, "batch_started_at": None, "partitions": [],
        "counters": Counters(**counted), "outbox_depth": 0, "work_depth": 0, "timer_depth": 0,
        "newest_event_at": None, "last_error": None,
    }  # fmt: skip
    return Heartbeat(agent=agent, slot=slot, pid=os.getpid() if pid is None else pid, at=at, **(values | changed))


def kept(*children: tuple[str, int, int | None], restarts: int = 0) -> Supervision:
    """A supervisor of (agent, slot, pid)."""
    told = [Child(agent=agent, slot=slot, pid=pid, restarts=restarts, last_exit=None) for agent, slot, pid in children]
    return Supervision(pid=os.getpid(), at=NOW, children=told)


def mine(*workers: tuple[str, int], restarts: int = 0) -> Supervision:
    return kept(*((agent, slot, os.getpid()) for agent, slot in workers), restarts=restarts)


def collector(beats, supervision) -> WorkerMetrics:
    return WorkerMetrics(lambda: (beats, supervision, NOW), "1.2.3")


def scraped(beats, supervision) -> dict[str, dict[tuple[str, ...], float]]:
    """Sample name to label values to value; a repeated sample is an error, as for Prometheus."""
    registry = CollectorRegistry()
    registry.register(collector(beats, supervision))
    found: dict[str, dict[tuple[str, ...], float]] = {}
    for family in parse_text(generate_latest(registry).decode()):
        for sample in family.samples:
            labels = tuple(sample.labels[name] for name in ORDER if name in sample.labels)
            assert labels not in found.setdefault(sample.name, {}), (sample.name, labels)
            found[sample.name][labels] = sample.value
    return found


def test_every_counter_of_a_worker_is_told_with_its_agent_and_slot():
    found = scraped([beat(slot=1)], mine(("digest", 1), restarts=4))
    assert {name: found[name] for name in COUNTS} == {name: {("digest", "1"): value} for name, value in COUNTS.items()}
    assert found["millrace_worker_restarts_total"] == {("digest", "1"): 4}
    counted = {f"millrace_{name}_total" for name in Counters.__struct_fields__}
    assert counted == set(COUNTS)  # a new counter of the heartbeat must be served, too


def test_two_slots_of_one_agent_are_never_added_up():
    beats = [beat(counters=Counters(events=5)), beat(slot=1, counters=Counters(events=7))]
    found = scraped(beats, mine(("digest", 0), ("digest", 1)))
    assert found["millrace_events_total"] == {("digest", "0"): 5, ("digest", "1"): 7}


def test_what_belongs_to_an_agent_is_told_once_by_its_newest_living_worker():
    old = beat(at=NOW - 2, outbox_depth=1, work_depth=2, timer_depth=3, work_failing=1)
    new = beat(slot=1, at=NOW - 1, outbox_depth=4, work_depth=5, timer_depth=6, work_failing=2)
    found = scraped([old, new, beat("summarize", outbox_depth=9)], mine(("digest", 0), ("digest", 1), ("summarize", 0)))
    assert found["millrace_outbox_rows"] == {("digest",): 4, ("summarize",): 9}
    assert found["millrace_work_rows"] == {("digest",): 5, ("summarize",): 0}
    assert found["millrace_work_failing_rows"] == {("digest",): 2, ("summarize",): 0}
    assert found["millrace_timer_rows"] == {("digest",): 6, ("summarize",): 0}


def test_a_partition_that_changes_hands_is_told_once_and_an_unknown_end_not_at_all():
    beats = [
        beat(partitions=[place(0, 10, 25), place(1, 3, None)]),
        beat(slot=1, partitions=[place(0, 12, 26), place(2, 9, 8)]),
        beat("summarize", partitions=[place(0, 1, 1, POINTS)]),
    ]
    found = scraped(beats, mine(("digest", 0), ("digest", 1), ("summarize", 0)))
    first, second, third = (("digest", REVIEWS, str(number)) for number in range(3))
    points = ("summarize", POINTS, "0")
    assert found["millrace_fence_offset"] == {first: 12, second: 3, third: 9, points: 1}
    assert found["millrace_log_end_offset"] == {first: 26, third: 8, points: 1}
    assert found["millrace_lag_records"] == {first: 14, third: 0, points: 0}


def test_a_worker_is_up_while_its_own_heart_beats():
    gone = subprocess.Popen(["true"])
    gone.wait()
    beats = [
        beat(slot=0),
        beat(slot=1, at=NOW - 15),
        beat(slot=2, pid=gone.pid),
        beat(slot=3, pid=1),
        beat(slot=4, state="waiting_for_broker"),
    ]
    children = [("digest", slot, os.getpid()) for slot in (0, 1, 3, 4)]
    found = scraped(beats, kept(*children, ("digest", 2, gone.pid), ("digest", 5, None)))
    assert found["millrace_worker_up"] == {("digest", str(slot)): float(slot in (0, 4)) for slot in range(6)}
    states = {labels for labels, value in found["millrace_worker_state"].items() if value}
    told = ["running", "down", "down", "starting", "waiting_for_broker", "down"]  # 3 is the beat of an earlier process
    assert states == {("digest", str(slot), state) for slot, state in enumerate(told)}
    assert len(found["millrace_worker_state"]) == 6 * len(("down", *get_args(State)))
    assert found["millrace_heartbeat_age_seconds"]["digest", "1"] == 15
    assert ("digest", "5") not in found["millrace_heartbeat_age_seconds"]


def test_a_dead_worker_keeps_its_counters_but_tells_nothing_stale():
    dead = beat(at=NOW - 60, partitions=[place(0, 1, 1)], outbox_depth=3)
    found = scraped([dead], mine(("digest", 0)))
    assert found["millrace_events_total"] == {("digest", "0"): 1}
    for name in ("millrace_lag_records", "millrace_fence_offset", "millrace_outbox_rows"):
        assert name not in found
    assert "millrace_worker_resident_bytes" not in found


def test_a_heartbeat_nobody_keeps_counts_only_while_its_worker_lives():
    found = scraped([beat(slot=7, at=NOW - 60), beat("summarize")], mine(("digest", 0)))
    assert set(found["millrace_worker_up"]) == {("digest", "0"), ("summarize", "0")}
    assert "millrace_worker_restarts_total" in found
    assert ("summarize", "0") not in found["millrace_worker_restarts_total"]


def test_times_are_unix_seconds_and_what_is_unknown_is_left_out():
    found = scraped([beat(newest_event_at=950.25), beat("summarize")], mine(("digest", 0), ("summarize", 0)))
    assert found["millrace_newest_event_timestamp_seconds"] == {("digest", "0"): 950.25}
    assert found["millrace_worker_start_time_seconds"]["digest", "0"] == 900
    assert found["millrace_worker_resident_bytes"]["digest", "0"] > 1_000_000
    assert found["millrace_supervisor_info"] == {("1.2.3",): 1}


def test_the_memory_of_nobody_is_unknown():
    gone = subprocess.Popen(["true"])
    gone.wait()
    assert resident_bytes(gone.pid) is None


def test_the_server_answers_scrapes_in_both_formats_until_it_is_closed():
    server = MetricsServer([collector([beat()], mine(("digest", 0)))], "127.0.0.1", 0)
    try:
        assert server.url.startswith("http://127.0.0.1:")
        text = urllib.request.urlopen(server.url, timeout=5).read().decode()
        asked = urllib.request.Request(server.url, headers={"Accept": "application/openmetrics-text; version=1.0.0"})
        openmetrics = urllib.request.urlopen(asked, timeout=5).read().decode()
    finally:
        server.close()
    assert openmetrics.endswith("# EOF\n")
    for families in (parse_text(text), parse_openmetrics(openmetrics)):
        samples = {sample.name: sample for family in families for sample in family.samples}
        assert samples["millrace_events_total"].labels == {"agent": "digest", "slot": "0"}
        assert samples["millrace_events_total"].value == 1
    with pytest.raises(OSError, match="refused"):
        urllib.request.urlopen(server.url, timeout=5)


def test_a_taken_port_is_told_with_the_remedy():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(MetricsUnavailable, match=rf"127\.0\.0\.1:{port}: Address already in use.*METRICS_PORT"):
            MetricsServer([collector([], mine())], "127.0.0.1", port)


def test_a_host_that_is_not_ours_is_told():
    with pytest.raises(MetricsUnavailable, match=r"192\.0\.2\.1:0: Cannot assign"):
        MetricsServer([collector([], mine())], "192.0.2.1", 0)
