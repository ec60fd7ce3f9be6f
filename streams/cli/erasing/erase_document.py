"""``millrace erase document``: forget one document everywhere, with a receipt of what was removed and what expires."""

import time
from contextlib import closing

import click

from infra.kafka.admin import Broker
from streams.cli.context import load_settings
from streams.cli.erasing.document_erasing import DocumentErasing, DocumentTarget, document_agents
from streams.cli.erasing.erase_view import document_json, document_lines, erased_document, say_document
from streams.cli.erasing.outcome import Outcome
from streams.cli.erasing.steps import prepare_steps
from streams.cli.erasing.telling import NOTHING, Telling, say_done
from streams.cli.errors import CommandError, Exit
from streams.cli.interrupts import interruptible
from streams.cli.waits.lateness import shown_line
from streams.vector_place import open_vectors


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
    settings, started = load_settings(), time.monotonic()
    telling = Telling(settings, timeout_s, as_json)
    with (
        interruptible(),
        Broker(settings.kafka) as broker,
        closing(open_vectors(settings)) as vectors,
        shown_line(as_json) as show,
    ):
        steps = prepare_steps(settings, broker, "documents", document_agents, started + timeout_s, show)
        outcome = run(DocumentErasing(steps, vectors), telling, document_id, tenant, unseen=unseen)
    waited_s, postgres = time.monotonic() - started, settings.sql.url is not None
    lines = document_lines(outcome, waited_s, time.time(), postgres=postgres)
    telling.end("document", outcome.left, document_json(outcome, waited_s), lines)


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


def run(
    erasing: DocumentErasing, telling: Telling, document_id: str, tenant: str | None, *, unseen: bool
) -> Outcome[DocumentTarget]:
    """Go through the steps; what is half done at an end that was not wanted is told.

    Raises:
        CommandError: If it cannot be finished.
    """
    erased = erased_document(document_id, tenant, None)
    with telling.told(NOTHING, erased, None):
        target = erasing.find(document_id, tenant, unseen=unseen)
        before, what = erasing.look(target), say_document(target)
    with telling.told(say_done(what, target.was, None), erased, None):
        receipt = erasing.delete(target)
    with telling.told(say_done(what, target.was, receipt), erased, receipt):
        erasing.steps.await_gone(receipt)
        return erasing.finish(target, before, receipt)
