"""What a worker process says about itself, twice a second, in ``MILLRACE_HOME/run/AGENT-SLOT.json``."""

from typing import Literal

import msgspec

REFUSED = 78
"""Exit status of a worker that cannot run as it is set up, or on what it found: starting it again does not help."""

State = Literal["starting", "waiting_for_database", "waiting_for_broker", "running", "stopping"]


class PartitionState(msgspec.Struct, frozen=True, kw_only=True):
    """One assigned partition."""

    topic: str
    partition: int
    fence: int  # next offset to apply
    end: int | None  # the log's end as last seen


class Counters(msgspec.Struct, kw_only=True):
    """Counts since the process started."""

    events: int = 0  # records taken into state or dead letters
    replays: int = 0  # records below the fence, dropped
    batches: int = 0
    batch_seconds: float = 0.0
    dead_letters: int = 0
    outputs: int = 0  # records the broker confirmed
    readings: int = 0  # points read
    rebuilds: int = 0  # products folded anew after a deletion or an edit
    writer_calls: int = 0
    writer_failures: int = 0
    refreshes: int = 0  # calls made only because a product fell quiet
    ledger_hits: int = 0
    writer_tokens_in: int = 0
    writer_tokens_out: int = 0
    writer_cost: float = 0.0  # by the prices that are set
    writer_over_budget: int = 0  # calls not made because a budget was spent
    writer_stand_ins: int = 0  # texts written by another than was to be asked first
    circuits_opened: int = 0  # endpoints left alone after failures in a row
    chunks_embedded: int = 0  # texts the model was asked for
    chunks_reused: int = 0  # rows whose text was embedded before
    vectors_written: int = 0  # rows the vector store has acknowledged
    vectors_removed: int = 0
    moved: int = 0  # decisions made again because another worker was first


class Heartbeat(msgspec.Struct, frozen=True, kw_only=True):
    """The health of one worker process."""

    agent: str
    slot: int
    pid: int
    at: float  # unix seconds
    started_at: float
    state: State
    batch_started_at: float | None  # unix seconds; none between batches and while waiting for broker or SQL
    partitions: list[PartitionState]
    counters: Counters
    outbox_depth: int
    work_depth: int
    timer_depth: int
    newest_event_at: float | None  # Kafka timestamp of the newest event applied
    last_error: str | None
    circuits: dict[str, float] = {}  # endpoints that are left alone, until when (unix seconds) at least
    circuit_reasons: dict[str, str] = {}  # why, in the words of the failure that opened it
    work_failing: int = 0  # keys whose work failed and is tried again; of the whole agent, as the depths are
    work_error: str | None = None  # why, of the one that should have been done first
    work_due_at: float | None = None  # when that one should have been done (unix seconds)


class Child(msgspec.Struct, frozen=True, kw_only=True):
    """One worker process as its supervisor sees it."""

    agent: str
    slot: int
    pid: int | None  # none between a death and the restart
    restarts: int
    last_exit: int | None  # exit status; negative = the signal that killed it
    refusal: str | None = None  # why it refused to run, until one runs in its place


class SettingsPrint(msgspec.Struct, frozen=True, kw_only=True):
    """What tells settings apart without telling them."""

    salt: str  # of these digests alone
    sections: dict[str, str]  # name to digest


class Supervision(msgspec.Struct, frozen=True, kw_only=True):
    """What the supervisor says in ``MILLRACE_HOME/run/supervisor.json``, as often as its workers."""

    pid: int
    at: float  # unix seconds
    children: list[Child]
    metrics: str | None = None  # where they are served
    metrics_error: str | None = None  # why they are not, though they should be
    settings: SettingsPrint | None = None  # its own, and its workers'
