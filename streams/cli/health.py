"""The health of every part, gathered from broker, stores and heartbeats."""

import socket
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import msgspec
import sqlalchemy as sa

from infra.errors import BrokerUnreachable, InfraError, TopicMissing
from infra.fences import Partition
from infra.heartbeats import alive, read_heartbeats, read_supervision
from infra.kafka.admin import Broker
from infra.kafka.reading import topic_ranges
from infra.settings import Settings
from infra.store_errors import StoreError, StoreMissing
from infra.stores import AgentStore
from infra.vectors.milvus import knock
from infra.vectors.milvus_errors import without_password
from infra.vectors.vector_store import VectorStoreError
from infra.watermarks import LogRange, Watermark, read_watermarks
from schemas.heartbeats import Heartbeat, Supervision
from schemas.tables import outbox, timers, work
from streams.cli.agent_runs import STATES, Run, State, agent_state, run_of
from streams.cli.stack import milvus_server
from streams.graph import AGENTS
from streams.places import store_place
from streams.topics import topic_name

CONNECT_S = 1.0


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """One part of the system; what does not apply to it, or cannot be known now, is null."""

    part: str
    state: State
    detail: str | None = None
    lag: int | None = None  # events the broker has and the state has not
    pending: int | None = None  # events in the state, but not yet in published results
    behind_s: float | None = None  # age of the newest event applied, while any is missing
    outbox: int | None = None
    work: int | None = None
    timers: int | None = None
    events: int | None = None  # since the start of the process
    events_per_s: float | None = None
    dead_letters: int | None = None
    writer_calls: int | None = None
    restarts: int | None = None
    last_exit: int | None = None  # of a process that died; negative = the signal that killed it
    last_error: str | None = None
    work_failing: int | None = None  # of the work: failed, and is tried again
    work_error: str | None = None  # why, of the one that should have been done first
    refusal: str | None = None  # why its process refuses to run
    left_alone: dict[str, str | None] | None = None  # endpoints of models that failed again and again, and how
    watermarks: dict[str, dict[str, int]] | None = None  # topic to partition to offset


@dataclass(frozen=True, slots=True)
class _Stored:
    """What an agent's store says."""

    marks: Mapping[Partition, Watermark]
    outbox: int
    work: int
    timers: int


def collect(settings: Settings, broker: Broker, now: float) -> list[Part]:
    """Look at every part, the worst first.

    Args:
        settings: Where everything is.
        broker: Asked for the ends of logs; a missing answer is a part that is down, not an error.
        now: Unix seconds.

    Raises:
        HeartbeatUnreadable: If a heartbeat file is damaged.
    """
    supervision = read_supervision(settings.home)
    beats = read_heartbeats(settings.home)
    broker_part = check_broker(settings, broker)
    parts = [broker_part, *_check_supervisor(supervision, now)]
    runs = {name: run_of(name, beats, supervision, now) for name in AGENTS}
    for name, spec in AGENTS.items():
        if any(run.seen for run in runs.values()) and not runs[name].seen and _read_never(settings, name):
            continue
        logs = _ranges(settings, broker, spec.inputs) if broker_part.state == "ok" else {}
        parts.append(check_agent(settings, name, runs[name], logs, now))
    if any(part.part == "index" for part in parts) or milvus_server(settings).folder.exists():
        parts.append(check_milvus(settings))
    return sorted(parts, key=lambda part: STATES.index(part.state))


def check_broker(settings: Settings, broker: Broker) -> Part:
    """Ask the broker who it is; an address nobody listens at is told at once, not after a timeout."""
    address = settings.kafka.address
    try:
        _connect(address)
        broker.cluster_id()
    except InfraError as error:
        return Part(part="broker", state="down", detail=address, last_error=error.message)
    return Part(part="broker", state="ok", detail=address)


def check_milvus(settings: Settings) -> Part:
    """Ask our own Milvus how it is; of somebody else's only whether anybody listens there."""
    if settings.milvus.uri is not None:
        uri = settings.milvus.uri.reveal()
        try:
            knock(uri)
        except VectorStoreError as error:
            return Part(part="milvus", state="down", detail=without_password(uri), last_error=error.message)
        return Part(part="milvus", state="ok", detail=without_password(uri))
    server = milvus_server(settings)
    state: State = "down" if not server.running else "ok" if server.well else "starting"
    return Part(part="milvus", state=state, detail=server.uri)


def check_agent(settings: Settings, name: str, run: Run, logs: Mapping[Partition, LogRange], now: float) -> Part:
    """Put together what store, broker and processes say of one agent."""
    try:
        stored, broken = _read_store(settings, name), None
    except StoreError as error:
        stored, broken = None, error.message
    lag, pending = _distances(logs, stored.marks if stored else {})
    newest = max((beat.newest_event_at for beat in run.beats if beat.newest_event_at is not None), default=None)
    behind = None if newest is None or lag is None else 0.0 if not lag and not pending else max(now - newest, 0.0)
    return Part(
        part=name,
        state="down" if broken else agent_state(run, behind, now),
        lag=lag,
        pending=pending,
        behind_s=behind,
        outbox=stored.outbox if stored else None,
        work=stored.work if stored else None,
        timers=stored.timers if stored else None,
        events=sum(beat.counters.events for beat in run.living),
        events_per_s=_rate(run.living),
        dead_letters=sum(beat.counters.dead_letters for beat in run.living),
        writer_calls=sum(beat.counters.writer_calls for beat in run.living),
        restarts=run.restarts,
        last_exit=run.last_exit,
        last_error=broken or next((beat.last_error for beat in run.beats if beat.last_error), None),
        work_failing=run.failing.work_failing if run.failing else 0,
        work_error=run.failing.work_error if run.failing else None,
        refusal=run.refusal,
        left_alone={one: beat.circuit_reasons.get(one) for beat in run.living for one in beat.circuits},
        watermarks=_by_topic(stored.marks) if stored else None,
    )


def _check_supervisor(supervision: Supervision | None, now: float) -> list[Part]:
    """Without a supervisor's file somebody may run workers by hand: nothing to tell then."""
    if supervision is None:
        return []
    if alive(supervision, now):
        detail = f"pid {supervision.pid}" + (f" · metrics {supervision.metrics}" if supervision.metrics else "")
        return [Part(part="supervisor", state="ok", detail=detail, last_error=supervision.metrics_error)]
    return [Part(part="supervisor", state="down")]


def _read_store(settings: Settings, agent: str) -> _Stored | None:
    try:
        with AgentStore(store_place(settings, agent)).transaction() as connection:
            tables = (outbox, work, timers)
            depths = [connection.scalar(sa.select(sa.func.count()).select_from(table)) or 0 for table in tables]
            return _Stored(read_watermarks(connection), *depths)
    except StoreMissing:
        return None


def _read_never(settings: Settings, agent: str) -> bool:
    """Tell whether an agent never ran here: somebody runs only some of them."""
    try:
        return _read_store(settings, agent) is None
    except StoreError:
        return False


def _ranges(settings: Settings, broker: Broker, topics: Iterable[str]) -> dict[Partition, LogRange]:
    try:
        return topic_ranges(broker, [topic_name(settings.kafka.prefix, topic) for topic in topics])
    except TopicMissing:  # nothing was ever produced, and the workers say that they wait for it
        return {}


def _distances(
    logs: Mapping[Partition, LogRange], marks: Mapping[Partition, Watermark]
) -> tuple[int, int] | tuple[None, None]:
    if not logs:
        return None, None
    lag = unfinished = 0
    for place, (start, end) in logs.items():
        mark = marks.get(place, Watermark(start, start, "fence"))
        lag += max(end - mark.fence, 0)
        unfinished += max(end - mark.offset, 0)
    return lag, unfinished - lag


def _rate(living: Sequence[Heartbeat]) -> float | None:
    spans = [(beat.counters.events, beat.at - beat.started_at) for beat in living]
    return sum(events / span for events, span in spans if span > 0) if spans else None


def _by_topic(marks: Mapping[Partition, Watermark]) -> dict[str, dict[str, int]]:
    told: dict[str, dict[str, int]] = {}
    for (topic, partition), mark in sorted(marks.items()):
        told.setdefault(topic, {})[str(partition)] = mark.offset
    return told


def _connect(addresses: str) -> None:
    why = "no address"
    for address in addresses.split(","):
        host, _, port = address.rpartition(":")
        try:
            with socket.create_connection((host, int(port)), timeout=CONNECT_S):
                return
        except OSError as error:
            why = str(error)
    raise BrokerUnreachable(addresses, why)
