"""Metrics of all workers on one port, made from their heartbeat files whenever Prometheus asks.

Counters belong to a worker and start at 0 with it. Depths and offsets belong to an agent: they come from
its living workers only, so that a dead one shows nothing stale. What is unknown is left out, never 0.

Errors:
    InfraError
    └── MetricsUnavailable   nothing can listen at the address
"""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar, get_args

from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily, Metric
from prometheus_client.registry import Collector

from infra.errors import InfraError
from infra.heartbeats import alive
from schemas.heartbeats import Child, Heartbeat, PartitionState, State, Supervision

Labels = tuple[str, ...]
Subject = TypeVar("Subject")
Labelled = Sequence[tuple[Labels, Subject]]
Family = CounterMetricFamily | GaugeMetricFamily

STATES = (*get_args(State), "down")


class MetricsUnavailable(InfraError):
    """Nothing can listen at the address: the port is taken, or the host is not ours.

    Args:
        address: ``host:port``.
        why: In the system's words.
    """

    def __init__(self, address: str, why: str) -> None:
        super().__init__(
            f"metrics cannot be served at {address}: {why}",
            "Set MILLRACE_METRICS_PORT to a free port, or to 0 for no metrics.",
        )


@dataclass(frozen=True, slots=True)
class _Worker:
    """One worker as its supervisor and its own heartbeat tell."""

    beat: Heartbeat | None  # the last that it, or the process before it, wrote
    state: str  # its own word while it is up; otherwise starting or down
    up: bool
    restarts: int | None  # none: another supervisor keeps it
    age_s: float | None
    resident_bytes: int | None


@dataclass(frozen=True, slots=True)
class _Measure:
    """One metric of a kind of subject: how to read it; None is left out."""

    name: str
    told: str
    read: Callable[[_Worker], float | None]


def _counter(name: str, field: str, told: str) -> _Measure:
    return _Measure(name, told, lambda worker: None if worker.beat is None else getattr(worker.beat.counters, field))


COUNTERS = (
    _counter("millrace_events", "events", "Records taken into state or dead letters"),
    _counter("millrace_replays", "replays", "Records below the fence, read again and dropped"),
    _counter("millrace_dead_letters", "dead_letters", "Records that became dead letters"),
    _counter("millrace_outputs", "outputs", "Records published and confirmed by the broker"),
    _counter("millrace_batches", "batches", "Runs of records handled, each in one transaction"),
    _counter("millrace_batch_seconds", "batch_seconds", "Time spent in those runs, seconds"),
    _counter("millrace_readings", "readings", "Points read for a product"),
    _counter("millrace_rebuilds", "rebuilds", "Products folded anew because a review of theirs was forgotten"),
    _counter("millrace_writer_calls", "writer_calls", "Calls of the writer"),
    _counter("millrace_writer_failures", "writer_failures", "Calls of the writer that failed"),
    _counter("millrace_refreshes", "refreshes", "Calls of the writer made only because a product fell quiet"),
    _counter("millrace_ledger_hits", "ledger_hits", "Texts found in the ledger instead of being written again"),
    _counter("millrace_writer_tokens_in", "writer_tokens_in", "Tokens read by models that write"),
    _counter("millrace_writer_tokens_out", "writer_tokens_out", "Tokens said by models that write"),
    _counter("millrace_writer_cost", "writer_cost", "Cost of these tokens, by the prices that are set"),
    _counter("millrace_writer_over_budget", "writer_over_budget", "Calls not made because a budget was spent"),
    _counter("millrace_writer_stand_ins", "writer_stand_ins", "Texts by another than was to be asked first"),
    _counter("millrace_circuits_opened", "circuits_opened", "Endpoints left alone after failures in a row"),
    _counter("millrace_chunks_embedded", "chunks_embedded", "Texts of chunks the model was asked for"),
    _counter("millrace_chunks_reused", "chunks_reused", "Chunks whose text was embedded before"),
    _counter("millrace_vectors_written", "vectors_written", "Rows the vector store has acknowledged"),
    _counter("millrace_vectors_removed", "vectors_removed", "Rows deleted from the vector store"),
    _counter("millrace_moved", "moved", "Decisions made again because another worker was first"),
    _Measure("millrace_worker_restarts", "Starts after the first", lambda worker: worker.restarts),
)
"""Of every worker, by agent and slot; on the wire each ends in ``_total``."""

GAUGES = (
    _Measure("millrace_worker_up", "1 while the process lives and its heart beats", lambda worker: worker.up),
    _Measure("millrace_heartbeat_age_seconds", "Age of the last heartbeat", lambda worker: worker.age_s),
    _Measure(
        "millrace_worker_start_time_seconds", "When the process started, unix time",
        lambda worker: None if worker.beat is None else worker.beat.started_at,
    ),
    _Measure(
        "millrace_newest_event_timestamp_seconds", "Kafka timestamp of the newest event applied, unix time",
        lambda worker: None if worker.beat is None else worker.beat.newest_event_at,
    ),
    _Measure("millrace_worker_resident_bytes", "Memory of the process", lambda worker: worker.resident_bytes),
)  # fmt: skip
"""Of every worker, by agent and slot."""

DEPTHS: tuple[tuple[str, str, Callable[[Heartbeat], float]], ...] = (
    ("millrace_outbox_rows", "Outputs that wait for the broker", lambda beat: beat.outbox_depth),
    ("millrace_work_rows", "Keys whose slow work waits or runs", lambda beat: beat.work_depth),
    ("millrace_work_failing_rows", "Keys whose slow work failed and is tried again", lambda beat: beat.work_failing),
    ("millrace_timer_rows", "Keys that are looked at later", lambda beat: beat.timer_depth),
)
"""Of every agent."""

OFFSETS: tuple[tuple[str, str, Callable[[PartitionState], float | None]], ...] = (
    ("millrace_fence_offset", "Next offset to apply", lambda place: place.fence),
    ("millrace_log_end_offset", "End of the log as last seen", lambda place: place.end),
    (
        "millrace_lag_records", "Records not yet applied",
        lambda place: None if place.end is None else max(place.end - place.fence, 0),
    ),
)  # fmt: skip
"""Of every input partition of every agent."""


def families(
    beats: Iterable[Heartbeat],
    supervision: Supervision,
    version: str,
    now: float,
    resident_bytes: Callable[[int], int | None],
) -> Iterator[Metric]:
    """Turn what workers and supervisor say into metrics.

    Args:
        beats: Of all workers that ever ran here; those nobody keeps and that do not live are left out.
        supervision: Which workers there should be.
        version: Of the program.
        now: Unix seconds.
        resident_bytes: Tells the memory of a process id, if it can.
    """
    yield InfoMetricFamily("millrace_supervisor", "The program that serves this", {"version": version})
    workers = _workers(beats, supervision, now, resident_bytes)
    rows = [((agent, str(slot)), worker) for (agent, slot), worker in sorted(workers.items())]
    for measure in COUNTERS:
        yield _filled(CounterMetricFamily(measure.name, measure.told, labels=("agent", "slot")), rows, measure.read)
    for measure in GAUGES:
        yield _filled(GaugeMetricFamily(measure.name, measure.told, labels=("agent", "slot")), rows, measure.read)
    yield _states(rows)
    living = [worker.beat for _, worker in rows if worker.up and worker.beat is not None]
    agents = [((beat.agent,), beat) for beat in _newest(living)]
    for name, told, depth in DEPTHS:
        yield _filled(GaugeMetricFamily(name, told, labels=("agent",)), agents, depth)
    places = _partitions(living)
    for name, told, offset in OFFSETS:
        yield _filled(GaugeMetricFamily(name, told, labels=("agent", "topic", "partition")), places, offset)


def _workers(
    beats: Iterable[Heartbeat], supervision: Supervision, now: float, resident_bytes: Callable[[int], int | None]
) -> Mapping[tuple[str, int], _Worker]:
    told = {(beat.agent, beat.slot): beat for beat in beats}
    children = {(child.agent, child.slot): child for child in supervision.children}
    workers = {key: _worker(told.get(key), children.get(key), now, resident_bytes) for key in told.keys() | children}
    return {key: worker for key, worker in workers.items() if worker.up or key in children}


def _worker(
    beat: Heartbeat | None, child: Child | None, now: float, resident_bytes: Callable[[int], int | None]
) -> _Worker:
    own = beat is not None and (child is None or child.pid == beat.pid)  # not of the process before
    up = beat is not None and own and alive(beat, now)
    state = "starting" if child is not None and child.pid is not None and not own else "down"
    return _Worker(
        beat=beat,
        state=beat.state if beat is not None and up else state,
        up=up,
        restarts=None if child is None else child.restarts,
        age_s=None if beat is None else max(now - beat.at, 0.0),
        resident_bytes=resident_bytes(beat.pid) if beat is not None and up else None,
    )


def _filled(family: Family, rows: Labelled[Subject], read: Callable[[Subject], float | None]) -> Family:
    for labels, subject in rows:
        value = read(subject)
        if value is not None:
            family.add_metric(labels, float(value))
    return family


def _states(rows: Labelled[_Worker]) -> Metric:
    family = GaugeMetricFamily(
        "millrace_worker_state", "1 for the state the worker is in", labels=("agent", "slot", "state")
    )
    for labels, worker in rows:
        for state in STATES:
            family.add_metric((*labels, state), float(state == worker.state))
    return family


def _newest(living: Iterable[Heartbeat]) -> list[Heartbeat]:
    """Keep one heartbeat an agent: its workers share a store, so all tell the same depths."""
    newest: dict[str, Heartbeat] = {}
    for beat in living:
        if beat.agent not in newest or beat.at > newest[beat.agent].at:
            newest[beat.agent] = beat
    return list(newest.values())


def _partitions(living: Iterable[Heartbeat]) -> Labelled[PartitionState]:
    """Keep one state a partition: while it changes hands, two workers may tell of it."""
    furthest: dict[Labels, PartitionState] = {}
    for beat in living:
        for place in beat.partitions:
            labels = (beat.agent, place.topic, str(place.partition))
            if labels not in furthest or place.fence > furthest[labels].fence:
                furthest[labels] = place
    return sorted(furthest.items())


class WorkerMetrics(Collector):
    """Asks for heartbeats whenever it is asked.

    Args:
        look: Returns the heartbeats, the supervision, and unix seconds.
        version: Of the program.
    """

    def __init__(self, look: Callable[[], tuple[Iterable[Heartbeat], Supervision, float]], version: str) -> None:
        self._look = look
        self._version = version

    def collect(self) -> Iterator[Metric]:
        """Make the metrics of this moment."""
        beats, supervision, now = self._look()
        return families(beats, supervision, self._version, now, resident_bytes)


class MetricsServer:
    """Answers scrapes in a thread of its own until it is closed.

    Args:
        collectors: Asked at every scrape.
        host: Address to listen at.
        port: Port to listen at; 0 takes a free one.

    Raises:
        MetricsUnavailable: If nothing can listen there.
    """

    def __init__(self, collectors: Iterable[Collector], host: str, port: int) -> None:
        registry = CollectorRegistry()
        for collector in collectors:
            registry.register(collector)
        try:
            self._server, self._thread = start_http_server(port, host, registry)
        except OSError as error:
            raise MetricsUnavailable(_address(host, port), error.strerror or str(error)) from error
        self.url = f"http://{_address(host, self._server.server_port)}/metrics"

    def close(self) -> None:
        """Stop answering and free the port."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def resident_bytes(pid: int) -> int | None:
    """Tell how much memory a process holds; none where the system does not say, or it is gone."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
    except (FileNotFoundError, ProcessLookupError):  # not Linux, or ended while we look
        return None
    return pages * os.sysconf("SC_PAGE_SIZE")


def _address(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
