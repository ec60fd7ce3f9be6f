"""requests, indexed -> answers: have questions answered, and take back what rests on something that is gone.

Why no answer that cites something deleted, edited away or hidden can stay. The index commits such a change
first and tells of it on ``indexed`` afterwards, whether the vector store is there or not. An answer is
written, and a withdrawal looks for answers, in transactions that pass the same gate, one at a time, and both
read the index after they have passed it:

- the answer is first: the withdrawal sees its basis and the change, and takes it back;
- the withdrawal is first: the change was committed before it, so the answer's own look at the index, later,
  sees it, and nothing is written;
- the change is committed only after the answer's look: its ``indexed`` event comes later still, and so does
  its withdrawal. That is the first case.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

import msgspec
from sqlalchemy import Connection

from infra import leases, ledger, outbox
from infra.database import Store
from infra.leases import Task
from infra.outbox import Cause, Output
from infra.rows import answer_rows
from infra.rows.answer_rows import BasisRow, RequestRow
from infra.timers import Waiter
from schemas.documents import document_key, review_key
from schemas.indexed import Indexed
from schemas.records import Sources, Unreadable
from schemas.requests import Request
from streams.answer_records import Asker, Registry, answer_of, asker_of, make_row, publishable, request_of, withdraw
from streams.events import Event, Rejection, logical

ANSWERING = "answer"
"""The kind of work that answers a request."""

LONGEST_S = 86_400.0
"""A deadline further away counts as this: nobody waits longer, and no number is too large."""


@dataclass(slots=True)
class RequestsDecision:
    """New questions, and repeats that wait for the answer to the first."""

    rows: list[RequestRow] = field(default_factory=list)
    tasks: list[Task] = field(default_factory=list)
    joining: list[Waiter] = field(default_factory=list)
    rejections: list[Rejection] = field(default_factory=list)
    outputs: Sequence[tuple[Output, Cause]] = ()

    def write(self, connection: Connection) -> None:
        """Write questions and work; see ``streams.events.Decision``."""
        for row in sorted(self.rows, key=lambda row: row.request_id):
            answer_rows.put_request(connection, row)
        leases.record(connection, self.tasks)
        leases.join(connection, ANSWERING, self.joining)

    def committed(self) -> None:
        """Do nothing: nothing is cached."""


class RequestsHandler:
    """Has each question answered once, by its deadline; see ``streams.events.Handler``.

    A request_id is one question for ever: the same one again changes nothing, another one is a dead letter.
    Of the entities ``product_id`` chooses what is searched; all are what features are looked up by.

    Args:
        store: The agent's store.
        deadline_ms: For requests that name none, milliseconds after Kafka's timestamp.
        now: Unix seconds.
    """

    records: ClassVar[Mapping[str, type[Request]]] = {"requests": Request}

    def __init__(self, store: Store, *, deadline_ms: int, now: Callable[[], float]) -> None:
        self._store = store
        self._deadline_ms = deadline_ms
        self._now = now

    def forget(self) -> None:
        """Do nothing: nothing is cached."""

    def decide(self, events: Sequence[Event[Request]], following: int) -> RequestsDecision:
        """Take the first of each request_id; see ``streams.events.Handler``."""
        decision = RequestsDecision()
        with self._store.read() as connection:
            rows = answer_rows.load_requests(connection, sorted({event.record.request_id for event in events}))
        known = {request_id: request_of(row) for request_id, row in rows.items()}
        for event in events:
            request = event.record
            first = known.setdefault(request.request_id, request)
            if first is request:
                self._ask(event, decision)
            elif _same(first, request):
                decision.joining.append(Waiter(request.request_id, event.cause))
            else:
                decision.rejections.append(Rejection(event.raw, _taken(request.request_id)))
        return decision

    def _ask(self, event: Event[Request], decision: RequestsDecision) -> None:
        request, at = event.record, event.at.timestamp()
        wait_ms = request.deadline_ms or self._deadline_ms
        deadline = at + min(wait_ms, LONGEST_S * 1000) / 1000
        sources: Sources = {logical(event.cause.topic): {str(event.cause.partition): event.cause.offset + 1}}
        encoded = msgspec.json.encode(request), msgspec.json.encode(sources)
        decision.rows.append(RequestRow(request.request_id, encoded[0], at, deadline, encoded[1]))
        task = Task(ANSWERING, request.request_id, 1, "asked", event.cause, self._now(), deadline, event.trace)
        decision.tasks.append(task)


def _same(one: Request, other: Request) -> bool:
    replace, principals = msgspec.structs.replace, list[str]()
    return asker_of(one) == asker_of(other) and replace(one, principals=principals) == replace(
        other, principals=principals
    )


def _taken(request_id: str) -> Unreadable:
    what = (
        f"request_id: {request_id!r} was asked before with other contents, which stand; give this one an id of its own"
    )
    return Unreadable("duplicate_request", what, "request_id")


@dataclass(slots=True)
class Withdrawal:
    """Takes back answers that cite what some events took away.

    Which they are is only known behind the gate, so it is found in the transaction itself.

    Args:
        news: The first event of each document or review, by its key.
        following: The offset after the last event.
        registry: The index.
        topic: Physical name of the answers topic.
        now: Unix seconds.
    """

    news: Mapping[str, Event[Indexed]]
    following: int
    registry: Registry
    topic: str
    now: Callable[[], float]
    outputs: list[tuple[Output, Cause]] = field(default_factory=list)
    rejections: Sequence[Rejection] = ()

    def write(self, connection: Connection) -> None:
        """Withdraw; see ``streams.events.Decision``."""
        answer_rows.pass_gate(connection)
        gone = self._gone(connection, answer_rows.basis_on(connection, self.news))
        if not gone:
            return
        touched = sorted({row.request_id for row in gone})
        citing = sorted({row.request_id for row in gone if row.cited})
        ledger.forget(connection, touched)  # what a writer said may hold words of what it did not cite
        self._withdraw(connection, citing, gone)
        answer_rows.drop_basis(connection, citing, cited=True)
        answer_rows.drop_basis(connection, touched, cited=False)

    def committed(self) -> None:
        """Do nothing: nothing is cached."""

    def _gone(self, connection: Connection, rows: Sequence[BasisRow]) -> list[BasisRow]:
        """Return what does not stand any more as it was read, or not for who asked."""
        requests = answer_rows.load_requests(connection, sorted({row.request_id for row in rows}))
        askers = {request_id: asker_of(request_of(row)) for request_id, row in requests.items()}
        by_asker: dict[Asker, list[BasisRow]] = defaultdict(list)
        for row in rows:
            by_asker[askers[row.request_id]].append(row)
        gone: list[BasisRow] = []
        for asker, read in by_asker.items():
            standing = self.registry.standing({row.place for row in read}, asker.principals, asker.tenant)
            gone += [row for row in read if row.place not in standing]
        return gone

    def _withdraw(self, connection: Connection, request_ids: Sequence[str], gone: Iterable[BasisRow]) -> None:
        causes: dict[str, Event[Indexed]] = {}
        for row in gone:
            event = self.news[row.source_key]
            if row.cited and event.cause.offset <= causes.get(row.request_id, event).cause.offset:
                causes[row.request_id] = event
        for request_id, standing in sorted(answer_rows.load_answers(connection, request_ids).items()):
            event = causes[request_id]
            sources = {logical(event.cause.topic): {str(event.cause.partition): self.following}}
            taken_back = make_row(withdraw(answer_of(standing), sources), self.now(), withdrawn=True)
            answer_rows.put_answer(connection, taken_back)
            output = publishable(self.topic, taken_back, event.trace)
            outbox.supersede(connection, output.topic, request_id.encode(), output)
            self.outputs.append((output, event.cause))


class IndexedHandler:
    """Withdraws answers that cite what is gone; see ``streams.events.Handler`` and this module's own words.

    Args:
        registry: The index.
        topic: Physical name of the answers topic.
        now: Unix seconds.
    """

    records: ClassVar[Mapping[str, type[Indexed]]] = {"indexed": Indexed}

    def __init__(self, registry: Registry, *, topic: str, now: Callable[[], float]) -> None:
        self._registry = registry
        self._topic = topic
        self._now = now

    def forget(self) -> None:
        """Do nothing: nothing is cached."""

    def decide(self, events: Sequence[Event[Indexed]], following: int) -> Withdrawal:
        """Gather what has changed; see ``streams.events.Handler``."""
        news: dict[str, Event[Indexed]] = {}
        for event in events:
            news.setdefault(source_key(event.record), event)
        return Withdrawal(news, following, self._registry, self._topic, self._now)


def source_key(changed: Indexed) -> str:
    """Name what has changed as the basis of answers does."""
    if changed.kind == "review":
        return review_key(changed.product_id or "", changed.document_id)
    return document_key(changed.tenant, changed.document_id)
