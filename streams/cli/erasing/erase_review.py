"""``millrace erase review``: forget one review everywhere, with a receipt of what was removed and what expires when."""

import time

import click

from infra.kafka.admin import Broker
from streams.cli.context import load_settings
from streams.cli.erasing.erase_view import erased_review, review_json, review_lines, say_review
from streams.cli.erasing.outcome import Outcome
from streams.cli.erasing.review_erasing import ReviewErasing, review_agents
from streams.cli.erasing.steps import prepare_steps
from streams.cli.erasing.targets import Target
from streams.cli.erasing.telling import NOTHING, Telling, say_done
from streams.cli.interrupts import interruptible
from streams.cli.waits.lateness import shown_line
from streams.cli.waits.standing import NotStanding


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
    settings, started = load_settings(), time.monotonic()
    telling = Telling(settings, timeout_s, as_json)
    with interruptible(), Broker(settings.kafka) as broker, shown_line(as_json) as show:
        steps = prepare_steps(settings, broker, "reviews", review_agents, started + timeout_s, show)
        outcome = run(ReviewErasing(steps), telling, named, product_id, unseen=unseen)
    waited_s, postgres = time.monotonic() - started, settings.sql.url is not None
    lines = review_lines(outcome, waited_s, time.time(), postgres=postgres)
    telling.end("review", outcome.left, review_json(outcome, waited_s), lines)


def run(
    erasing: ReviewErasing, telling: Telling, named: str, product_id: str | None, *, unseen: bool
) -> Outcome[Target]:
    """Go through the steps; what is half done at an end that was not wanted is told.

    Raises:
        CommandError: If it cannot be finished.
        InfraError: If it cannot be begun.
    """
    try:
        target = erasing.find(named, product_id, unseen=unseen)
    except NotStanding as late:
        raise telling.late(NOTHING, None, None, late) from late
    before, what, erased = erasing.look(target), say_review(target), erased_review(target, None)
    with telling.told(say_done(what, target.was, None), erased, None):
        receipt = erasing.delete(target)
    with telling.told(say_done(what, target.was, receipt), erased, receipt):
        erasing.steps.await_gone(receipt)
        return erasing.finish(target, before, receipt)
