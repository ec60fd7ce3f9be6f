"""``millrace erase``: forget one record everywhere, with a receipt of what was removed and where it still expires."""

import click

from streams.cli.erasing.erase_document import erase_document
from streams.cli.erasing.erase_review import erase_review


@click.group("erase")
def command() -> None:
    """Forget a record: it is deleted, and nothing that stands rests on it any more.

    \b
    Example:
      millrace erase review B000HD1278/r-1041
      millrace erase document handbook/leave.md
    """


command.add_command(erase_review)
command.add_command(erase_document)
