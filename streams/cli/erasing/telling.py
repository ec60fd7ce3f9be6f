"""How a command that erases tells of its end: the receipt, or how far it came when something stops it."""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import click
import msgspec
from rich.text import Text

from infra.errors import InfraError
from infra.kafka.producer import Receipt
from infra.settings import Settings
from streams.cli.erasing.outcome import Left
from streams.cli.errors import CommandError, Exit
from streams.cli.render import make_console, print_lines
from streams.cli.waits.lateness import find_staleness, gap_rows, lacking
from streams.cli.waits.standing import NotStanding

NOTHING = "nothing is erased yet"
AGAIN = "Then run the same command again: that is safe, and brings the receipt."


@dataclass(frozen=True, slots=True)
class Telling:
    """Tells a person or a machine.

    Args:
        settings: Where the broker and the stores are.
        timeout_s: Seconds that could be waited.
        as_json: Whether one JSON object is printed.
    """

    settings: Settings
    timeout_s: float
    as_json: bool

    @contextmanager
    def told(self, done: str, erased: Mapping[str, object] | None, receipt: Receipt | None) -> Iterator[None]:
        """Tell how far it came, should the rest fail.

        Args:
            done: What is done by now; see ``say_done``.
            erased: What is erased, for machines.
            receipt: Where the deletion stands, once it is confirmed.

        Raises:
            CommandError: Instead of what the rest could not do.
        """
        try:
            yield
        except NotStanding as late:
            raise self.late(done, erased, receipt, late) from late
        except CommandError:
            raise
        except InfraError as error:
            raise CommandError(f"{done}, but {error.message}", f"{error.remedy} {AGAIN}") from error
        except KeyboardInterrupt:
            click.echo(f"{done}, but not all results were seen to stand without it. {AGAIN}", err=True)
            raise

    def late(
        self, done: str, erased: Mapping[str, object] | None, receipt: Receipt | None, late: NotStanding
    ) -> CommandError:
        """Tell that the time is over; see ``told``."""
        stale = find_staleness(self.settings, late.gaps, time.time())
        if self.as_json:
            told = {
                "erased": erased,
                "standing": False,
                "receipt": None if receipt is None else str(receipt),
                "waited_s": self.timeout_s,
                "gaps": gap_rows(late.gaps, stale),
            }
            click.echo(msgspec.json.encode(told))
        what = f"{done}, but {lacking(late.gaps, stale)} after {self.timeout_s:g} s"
        return CommandError(what, "The same command again is safe; give it longer with --timeout.", Exit.TIMED_OUT)

    def end(self, kind: str, left: Sequence[Left], receipt: Mapping[str, object], lines: Iterator[Text]) -> None:
        """Print a receipt.

        Args:
            kind: What was erased.
            left: What is still there.
            receipt: For machines.
            lines: For people.

        Raises:
            CommandError: If something is left.
        """
        if self.as_json:
            click.echo(msgspec.json.encode(receipt))
        else:
            print_lines(make_console(), lines)
        if left:
            places = ", ".join(sorted({f"{one.where} of {one.agent}" for one in left}))
            raise CommandError(f"something of the {kind} is left: {places}", "The receipt says why.")


def say_done(what: str, was: str, receipt: Receipt | None) -> str:
    """Say how far it came with something, by how it was found and where its deletion stands, if it is confirmed.

    Example:
        >>> say_done("document guide.md", "deleted", None)
        'document guide.md was deleted before'
    """
    if receipt is not None:
        return f"the deletion of {what} is recorded at {receipt}"
    return f"{what} was deleted before" if was == "deleted" else f"the deletion of {what} may be recorded"
