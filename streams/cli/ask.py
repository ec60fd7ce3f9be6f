"""``millrace ask``: produce one request, wait for its answer, and print it with its sources."""

import secrets
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import click
import msgspec
import sqlalchemy as sa

from infra.kafka.admin import Broker
from infra.settings import Settings
from infra.store_errors import StoreMissing
from infra.stores import AgentStore
from schemas.answer_tables import answers, requests
from schemas.answers import Answer
from schemas.records import Unreadable, decode
from schemas.requests import FEATURES_OPTION, Request
from schemas.tables import work
from streams.cli.answer_view import answer_lines
from streams.cli.context import load_settings
from streams.cli.errors import CommandError, Exit
from streams.cli.render import make_console, print_lines, printable
from streams.cli.sending.kinds import KINDS
from streams.cli.sending.one_record import produce_one
from streams.cli.waits.lateness import shown_line
from streams.cli.waits.surroundings import LocalSurroundings
from streams.places import store_place

AGENT = "answer"
GRACE_S = 10.0
"""How long after the deadline the answer, or the word that it is too late, may still come."""

POLL_S = 0.03
LOOK_S = 1.0
"""How often to see whether anybody works."""


@click.command("ask")
@click.argument("words", nargs=-1, required=True, metavar="QUESTION...")
@click.option("--as", "principals", multiple=True, metavar="PRINCIPAL", help="Who asks; repeatable. [default: public]")
@click.option("--tenant", help="Ask this tenant's documents.  [default: those of none]")
@click.option(
    "--entity",
    "entities",
    multiple=True,
    metavar="NAME=ID",
    help="What it is about: product_id=ID asks that product's reviews, others find features. Repeatable.",
)
@click.option("--features", "spec", metavar="SPEC", help="Feature spec to answer from.  [default: answer.features]")
@click.option(
    "--deadline", "deadline_s", type=click.FloatRange(min=0.001), metavar="S", help="Seconds until it is too late."
)
@click.option("--json", "as_json", is_flag=True, help="Print the answer exactly as published.")
def command(
    words: tuple[str, ...],
    principals: tuple[str, ...],
    tenant: str | None,
    entities: tuple[str, ...],
    spec: str | None,
    deadline_s: float | None,
    as_json: bool,
) -> None:
    """Ask the documents QUESTION, or with --entity product_id=ID that product's reviews.

    Only what PRINCIPAL may see is read. The answer quotes its sources; where they do not answer, it says why. What
    is known of the entities, as features, is told beside them: [F1].
    Exit 4 when no answer comes, telling where the request is.

    \b
    Example:
      millrace ask how do I reset the broker
      millrace ask "what did we decide about pricing?" --as group:finance --deadline 5
      millrace ask "does it run small?" --entity product_id=B000HD1278 --json
      millrace ask "where is my order, and can I return it?" --entity order=o7 --features order_status
    """
    settings = load_settings()
    wait_ms = settings.answer.deadline_ms if deadline_s is None else max(1, round(deadline_s * 1000))
    request = make_request(" ".join(words), principals, tenant, entities, wait_ms, spec)
    with Broker(settings.kafka) as broker, shown_line(as_json) as show:
        around = LocalSurroundings(settings, broker)
        around.check_running(AGENT)
        produce_one(settings.kafka, broker, KINDS["requests"], request)
        waiting = Waiting(settings, request.request_id, lambda: around.check_running(AGENT), show)
        record = waiting.run(wait_ms / 1000 + GRACE_S)
    if as_json:
        sys.stdout.buffer.write(record + b"\n")
        sys.stdout.flush()
    else:
        console = make_console()
        print_lines(console, answer_lines(msgspec.json.decode(record, type=Answer), console.width))


def make_request(
    question: str,
    principals: Sequence[str],
    tenant: str | None,
    entities: Sequence[str],
    deadline_ms: int,
    spec: str | None = None,
) -> Request:
    """Make the record of a question.

    Raises:
        click.UsageError: If it is none that anybody would take.
    """
    fields: dict[str, Any] = {"request_id": f"ask-{secrets.token_hex(8)}", "question": question}
    fields |= {"deadline_ms": deadline_ms, "entities": dict(map(_entity, entities))}
    fields |= {"principals": list(principals)} if principals else {}
    fields |= {} if tenant is None else {"tenant": tenant}
    fields |= {} if spec is None else {"options": {FEATURES_OPTION: spec}}
    try:
        return decode(msgspec.json.encode(fields), Request)
    except (Unreadable, UnicodeEncodeError) as problem:  # the latter of bytes that are no text
        raise click.UsageError(f"this cannot be asked: {problem}") from problem


def _entity(told: str) -> tuple[str, str]:
    name, equals, value = told.partition("=")
    if not (name and equals and value):
        raise click.BadParameter(f"{told!r} is no NAME=ID", param_hint="--entity")
    return name, value


@dataclass(frozen=True, slots=True)
class Place:
    """Where a request is."""

    record: bytes | None  # its answer
    told: str


@dataclass(frozen=True, slots=True)
class Waiting:
    """The wait for one answer.

    Args:
        settings: Where the agent's store is.
        request_id: Whose answer.
        check_running: Raises when nobody works.
        show: Told where the request is.
        clock: Seconds, monotonic.
        sleep: Waits that many seconds.
    """

    settings: Settings
    request_id: str
    check_running: Callable[[], None]
    show: Callable[[str], None]
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep

    def run(self, timeout_s: float) -> bytes:
        """Wait for the answer and return it as published.

        Raises:
            CommandError: If it does not come in time.
            NobodyWorks: If the worker has gone.
        """
        looked_at = started = self.clock()
        while True:
            place = self.look()
            if place.record is not None:
                return place.record
            now = self.clock()
            if now - started > timeout_s:
                what = f"no answer to {self.request_id} after {timeout_s:g} s: {place.told}"
                raise CommandError(what, "See `millrace status` for what is behind.", Exit.TIMED_OUT)
            if now - looked_at > LOOK_S:
                looked_at = now
                self.check_running()
                self.show(place.told)
            self.sleep(POLL_S)

    def look(self) -> Place:
        """See where the request is."""
        try:
            store = AgentStore(store_place(self.settings, AGENT))
            with store.transaction() as connection:
                return _find(connection, self.request_id)
        except StoreMissing:  # it starts for the first time
            return Place(None, "the worker of answer is still starting")


def _find(connection: sa.Connection, request_id: str) -> Place:
    record = connection.scalar(sa.select(answers.c.record).where(answers.c.request_id == request_id))
    if record is not None:
        return Place(bytes(record), "answered")
    row = connection.execute(sa.select(work).where(work.c.kind == AGENT, work.c.key == request_id)).first()
    if row is not None and row.last_error:
        return Place(None, f"it is tried again, because {printable(row.last_error)}")
    if row is not None:
        return Place(None, "it is being answered" if row.lease_owner else "others are answered first")
    known = connection.scalar(sa.select(requests.c.request_id).where(requests.c.request_id == request_id))
    return Place(None, "answer has not read the request yet" if known is None else "it was read")
