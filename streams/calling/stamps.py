"""Say who wrote a text."""

from infra.ledger import Entry
from schemas.summaries import WriterStamp


def stamp(entry: Entry, instead_of: str | None = None, because: str | None = None) -> WriterStamp:
    """Make the stamp of a text.

    Args:
        entry: The call that brought it.
        instead_of: Who should have written it; none when they did.
        because: Why they did not.
    """
    return WriterStamp(
        engine=entry.engine,
        model=entry.model,
        prompt_version=entry.prompt_version,
        ledger_key=entry.ledger_key,
        instead_of=instead_of,
        because=because,
    )
