"""``millrace erase document``: forget one document everywhere, with a receipt of what was removed and what expires."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass

import click
import msgspec

from infra.errors import InfraError
from infra.kafka.admin import Broker
from infra.kafka.producer import Receipt
from infra.scrubbing import scrub
from infra.settings import Settings
from infra.stores import AgentStore
from infra.vectors.vector_store import VectorStore
from streams.cli.context import load_settings
from streams.cli.erasing.document_erase_view import erased_json, receipt_json, receipt_lines
from streams.cli.erasing.document_erasing import DocumentErasing, DocumentOutcome, DocumentTarget
from streams.cli.erasing.retained import BrokerLogs
from streams.cli.errors import CommandError, Exit
from streams.cli.interrupts import interruptible
from streams.cli.render import make_console, print_lines, printable
from streams.cli.sending.kinds import KINDS
from streams.cli.sending.one_record import produce_one
from streams.cli.waits.lateness import find_staleness, gap_rows, lacking, progress_line, shown_line
from streams.cli.waits.receipts import Origins
from streams.cli.waits.standing import Agent, Gap, NotStanding, Wait, upstream
from streams.cli.waits.surroundings import LocalSurroundings
from streams.graph import AGENTS
from streams.places import store_place
from streams.vector_place import open_vectors

SCAN_S = 10.0
"""How long the topics may be read at least, however long the wait has taken."""

AGAIN = "Then run the same command again: that is safe, and brings the receipt."


@dataclass(frozen=True, slots=True)
class Asked:
    """What a person asked for."""

    document_id: str
    tenant: str | None
    unseen: bool
    timeout_s: float
    as_json: bool


@click.command("document")
@click.argument("document_id", metavar="ID")
@click.option("--tenant", metavar="TENANT", help="Whose it is, where documents have tenants.")
@click.option("--unseen", is_flag=True, help="Also a document nobody has heard of yet: it gets a tombstone.")
@click.option("--timeout", "timeout_s", default=60.0, show_default=True, type=click.FloatRange(min=0), help="Seconds.")
@click.option("--json", "as_json", is_flag=True, help="Print the receipt as one JSON object.")
def erase_document(document_id: str, tenant: str | None, unseen: bool, timeout_s: float, as_json: bool) -> None:
    """Forget one document: its text, chunks, words and vectors, and every answer that cites it.

    A deletion is sent like any other record; once all results stand without the document, the stores and the
    vector store are searched for what is left of it, and the topics for the records that hold it until they
    expire. Exit 1: something is left. Exit 4: not finished in time. Exit 5: there is no such document.

    \b
    Example:
      millrace erase document handbook/leave.md
      millrace erase document handbook/leave.md --tenant acme --json
    """
    check_readable(document_id, tenant)
    asked, settings = Asked(document_id, tenant, unseen, timeout_s, as_json), load_settings()
    started = time.monotonic()
    with (
        interruptible(),
        Broker(settings.kafka) as broker,
        closing(open_vectors(settings)) as vectors,
        shown_line(as_json) as show,
    ):
        outcome = run(prepare(settings, broker, vectors, started + timeout_s, show), settings, asked)
    waited_s = time.monotonic() - started
    if as_json:
        click.echo(msgspec.json.encode(receipt_json(outcome, waited_s)))
    else:
        postgres = settings.sql.url is not None
        print_lines(make_console(), receipt_lines(outcome, waited_s, time.time(), postgres=postgres))
    if outcome.left:
        left = ", ".join(sorted({f"{where} of {agent}" for agent, where in outcome.left}))
        raise CommandError(f"something of the document is left: {left}", "The receipt says why.")


def check_readable(*names: str | None) -> None:
    """Refuse names whose bytes are no UTF-8: no record can have them.

    Raises:
        CommandError: If one is not.
    """
    for name in names:
        try:
            (name or "").encode()
        except UnicodeEncodeError as error:
            told = (name or "").encode(errors="replace").decode()
            raise CommandError(f"{told!r} is no UTF-8", "No record can have this name.", Exit.USAGE) from error


def prepare(
    settings: Settings, broker: Broker, vectors: VectorStore, deadline: float, show: Callable[[str], None]
) -> DocumentErasing:
    """Bring together what erasing needs.

    Args:
        settings: All of them.
        broker: Asked for topics and their ends.
        vectors: Asked for the rows of the document.
        deadline: Of the wait, on the monotonic clock.
        show: Told in words how far it is.
    """
    around = LocalSurroundings(settings, broker)

    def progress(gaps: Sequence[Gap]) -> None:
        show(progress_line(gaps))

    def wait(agents: Sequence[Agent], origins: Origins, applied: bool) -> None:
        Wait(agents, around, deadline, progress, applied=applied).run(origins)

    everyone: list[Agent] = list(AGENTS.values())
    wanted = ["index", "answer"] if around.takes_part("answer") else ["index"]
    return DocumentErasing(
        agents=upstream(everyone, wanted),
        around=around,
        wait=wait,
        open_store=lambda agent, mode: AgentStore(store_place(settings, agent), mode),
        vectors=vectors,
        logs=BrokerLogs(settings.kafka, broker, max(deadline, time.monotonic() + SCAN_S), show, time.monotonic),
        produce=lambda document: produce_one(settings.kafka, broker, KINDS["documents"], document),
        scrub=lambda agent: scrub(store_place(settings, agent)),
        now=time.time,
    )


def run(erasing: DocumentErasing, settings: Settings, asked: Asked) -> DocumentOutcome:
    """Go through the steps; what is half done at an end that was not wanted is told.

    Raises:
        CommandError: If it cannot be finished.
    """
    with _told("nothing is erased yet", None, settings, asked):
        target = erasing.find(asked.document_id, asked.tenant, unseen=asked.unseen)
        before = erasing.look(target)
    with _told(_done(target, None), None, settings, asked):
        receipt = erasing.delete(target)
    with _told(_done(target, receipt), receipt, settings, asked):
        erasing.await_gone(receipt)
        return erasing.finish(target, before, receipt)


@contextmanager
def _told(done: str, receipt: Receipt | None, settings: Settings, asked: Asked) -> Iterator[None]:
    """Tell how far it came, should the rest fail."""
    try:
        yield
    except NotStanding as late:
        raise _late(done, receipt, late, settings, asked) from late
    except CommandError:
        raise
    except InfraError as error:
        raise CommandError(f"{done}, but {error.message}", f"{error.remedy} {AGAIN}") from error
    except KeyboardInterrupt:
        click.echo(f"{done}, but not all results were seen to stand without it. {AGAIN}", err=True)
        raise


def _done(target: DocumentTarget, receipt: Receipt | None) -> str:
    what = f"document {printable(target.document_id)}"
    if receipt is not None:
        return f"the deletion of {what} is recorded at {receipt}"
    return f"{what} was deleted before" if target.was == "deleted" else f"the deletion of {what} may be recorded"


def _late(done: str, receipt: Receipt | None, late: NotStanding, settings: Settings, asked: Asked) -> CommandError:
    stale = find_staleness(settings, late.gaps, time.time())
    if asked.as_json:
        told = {
            "erased": erased_json(asked.document_id, asked.tenant, None),
            "standing": False,
            "receipt": None if receipt is None else str(receipt),
            "waited_s": asked.timeout_s,
            "gaps": gap_rows(late.gaps, stale),
        }
        click.echo(msgspec.json.encode(told))
    what = f"{done}, but {lacking(late.gaps, stale)} after {asked.timeout_s:g} s"
    return CommandError(what, "The same command again is safe; give it longer with --timeout.", Exit.TIMED_OUT)
