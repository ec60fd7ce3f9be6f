"""``millrace erase review``: forget one review everywhere, with a receipt of what was removed and what expires when."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import click
import msgspec

from infra.errors import InfraError
from infra.kafka.admin import Broker
from infra.kafka.producer import Receipt
from infra.scrubbing import scrub
from infra.settings import Settings
from infra.stores import AgentStore
from streams.cli.context import load_settings
from streams.cli.erasing.retained import BrokerLogs
from streams.cli.erasing.review_erase_view import erased_json, receipt_json, receipt_lines
from streams.cli.erasing.review_erasing import Erasing, Outcome
from streams.cli.erasing.targets import Target
from streams.cli.errors import CommandError, Exit
from streams.cli.interrupts import interruptible
from streams.cli.render import make_console, print_lines, printable
from streams.cli.sending.kinds import KINDS
from streams.cli.sending.one_record import produce_one
from streams.cli.waits.lateness import find_staleness, gap_rows, lacking, progress_line, shown_line
from streams.cli.waits.receipts import Origins
from streams.cli.waits.standing import Agent, Gap, NotStanding, Wait
from streams.cli.waits.surroundings import LocalSurroundings
from streams.graph import AGENTS
from streams.places import store_place

SCAN_S = 10.0
"""How long the topics may be read at least, however long the wait has taken."""

AGAIN = "Then run the same command again: that is safe, and brings the receipt."


@dataclass(frozen=True, slots=True)
class Asked:
    """What a person asked for."""

    named: str
    product_id: str | None
    unseen: bool
    timeout_s: float
    as_json: bool


@click.command("review")
@click.argument("named", metavar="ID")
@click.option("--product", "product_id", metavar="PRODUCT", help="Its product; ID is then the review's id alone.")
@click.option("--unseen", is_flag=True, help="Also a review that nobody has heard of yet: it will never count.")
@click.option("--timeout", "timeout_s", default=60.0, show_default=True, type=click.FloatRange(min=0), help="Seconds.")
@click.option("--json", "as_json", is_flag=True, help="Print the receipt as one JSON object.")
def erase_review(named: str, product_id: str | None, unseen: bool, timeout_s: float, as_json: bool) -> None:
    """Forget one review: its text, its quotes, its counts, and every text that cites it.

    ID is PRODUCT/REVIEW, or the review's id where it has only one product. A deletion is sent like any
    other record; once all results stand without the review, the stores are searched for what is left of
    it, and the topics for the records that hold it until they expire. Exit 1: something is left. Exit 4:
    not finished in time. Exit 5: there is no such review.

    \b
    Example:
      millrace erase review B000HD1278/r-1041
      millrace erase review r-1041 --product B000HD1278 --json
    """
    asked, settings, started = Asked(named, product_id, unseen, timeout_s, as_json), load_settings(), time.monotonic()
    with interruptible(), Broker(settings.kafka) as broker, shown_line(as_json) as show:
        erasing = prepare(settings, broker, started + timeout_s, show)
        outcome = run(erasing, settings, asked)
    waited_s = time.monotonic() - started
    if as_json:
        click.echo(msgspec.json.encode(receipt_json(outcome, waited_s)))
    else:
        postgres = settings.sql.url is not None
        print_lines(make_console(), receipt_lines(outcome, waited_s, time.time(), postgres=postgres))
    if outcome.left:
        left = ", ".join(sorted({f"{one.where} of {one.agent}" for one in outcome.left}))
        raise CommandError(f"something of the review is left: {left}", "The receipt says why.")


def prepare(settings: Settings, broker: Broker, deadline: float, show: Callable[[str], None]) -> Erasing:
    """Bring together what erasing needs.

    Args:
        settings: All of them.
        broker: Asked for topics and their ends.
        deadline: Of the wait, on the monotonic clock.
        show: Told in words how far it is.
    """
    around = LocalSurroundings(settings, broker)

    def progress(gaps: Sequence[Gap]) -> None:
        show(progress_line(gaps))

    def wait(agents: Sequence[Agent], origins: Origins, applied: bool) -> None:
        Wait(agents, around, deadline, progress, applied=applied).run(origins)

    return Erasing(
        agents=[agent for agent in AGENTS.values() if around.takes_part(agent.name)] or list(AGENTS.values()),
        around=around,
        wait=wait,
        open_store=lambda agent, mode: AgentStore(store_place(settings, agent), mode),
        logs=BrokerLogs(settings.kafka, broker, max(deadline, time.monotonic() + SCAN_S), show, time.monotonic),
        produce=lambda review: produce_one(settings.kafka, broker, KINDS["reviews"], review),
        scrub=lambda agent: scrub(store_place(settings, agent)),
        now=time.time,
    )


def run(erasing: Erasing, settings: Settings, asked: Asked) -> Outcome:
    """Go through the steps; what is half done at an end that was not wanted is told.

    Raises:
        CommandError: If it cannot be finished.
    """
    try:
        target = erasing.find(asked.named, asked.product_id, unseen=asked.unseen)
    except NotStanding as late:
        raise _late("nothing is erased yet", None, late, settings, asked) from late
    before = erasing.look(target)
    with _told(target, None, settings, asked):
        receipt = erasing.delete(target)
    with _told(target, receipt, settings, asked):
        erasing.await_gone(receipt)
        return erasing.finish(target, before, receipt)


@contextmanager
def _told(target: Target, receipt: Receipt | None, settings: Settings, asked: Asked) -> Iterator[None]:
    """Tell how far it came, should the rest fail."""
    done = _done(target, receipt)
    try:
        yield
    except NotStanding as late:
        raise _late(done, (target, receipt), late, settings, asked) from late
    except CommandError:
        raise
    except InfraError as error:
        raise CommandError(f"{done}, but {error.message}", f"{error.remedy} {AGAIN}") from error
    except KeyboardInterrupt:
        click.echo(f"{done}, but not all results were seen to stand without it. {AGAIN}", err=True)
        raise


def _done(target: Target, receipt: Receipt | None) -> str:
    what = f"review {printable(target.review_id)} of {printable(target.product_id)}"
    if receipt is not None:
        return f"the deletion of {what} is recorded at {receipt}"
    return f"{what} was deleted before" if target.was == "deleted" else f"the deletion of {what} may be recorded"


def _late(
    done: str, half: tuple[Target, Receipt | None] | None, late: NotStanding, settings: Settings, asked: Asked
) -> CommandError:
    stale = find_staleness(settings, late.gaps, time.time())
    if asked.as_json:
        target, receipt = half or (None, None)
        told = {
            "erased": None if target is None else erased_json(target.product_id, target.review_id, None),
            "standing": False,
            "receipt": None if receipt is None else str(receipt),
            "waited_s": asked.timeout_s,
            "gaps": gap_rows(late.gaps, stale),
        }
        click.echo(msgspec.json.encode(told))
    what = f"{done}, but {lacking(late.gaps, stale)} after {asked.timeout_s:g} s"
    return CommandError(what, "The same command again is safe; give it longer with --timeout.", Exit.TIMED_OUT)
