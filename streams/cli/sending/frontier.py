"""Up to which row everything is settled: confirmed by the broker, or rejected."""

from dataclasses import dataclass, field

from infra.kafka.producer import Receipt


@dataclass(slots=True)
class Settled:
    """What has been settled without a gap since it was last asked.

    Args:
        rows: Every row below this one is settled, from 0 over all files.
        rejected: How many were rejected.
        receipts: Lines for the file of receipts, in the order of the rows.
        rejects: Lines for the file of rejects, in the same order.
    """

    rows: int
    rejected: int = 0
    receipts: list[str] = field(default_factory=list)
    rejects: list[str] = field(default_factory=list)


class Frontier:
    """Follows rows from hand to broker; the broker confirms in whatever order it likes.

    Args:
        rows: How many were settled by a run before this one.

    Example:
        >>> frontier = Frontier()
        >>> frontier.sent(), frontier.rejected("row 2 has no text"), frontier.sent()
        (None, None, None)
        >>> frontier.confirmed(1, Receipt("reviews", 0, 8))  # the second record, of the third row
        >>> frontier.take().rows
        0
        >>> frontier.confirmed(0, Receipt("reviews", 1, 3))
        >>> frontier.take()
        Settled(rows=3, rejected=1, receipts=['reviews:1:3', 'reviews:0:8'], rejects=['row 2 has no text'])
    """

    def __init__(self, rows: int = 0) -> None:
        self._row = rows  # the next one to be handled
        self._sent = 0  # records of this run
        self._waiting: dict[int, int] = {}  # number of a record to its row
        self._early: dict[int, Receipt | str] = {}  # settled rows above one that is not
        self._settled = Settled(rows)

    def sent(self) -> None:
        """Say that the next row is handed over as the next record."""
        self._waiting[self._sent] = self._row
        self._sent += 1
        self._row += 1

    def rejected(self, line: str) -> None:
        """Say that the next row is not taken; ``line`` is kept of it."""
        self._settle(self._row, line)
        self._row += 1

    def confirmed(self, number: int, receipt: Receipt) -> None:
        """Say where the record of this number, from 0, stands."""
        self._settle(self._waiting.pop(number), receipt)

    def take(self) -> Settled:
        """Return what was settled since the last time."""
        taken, self._settled = self._settled, Settled(self._settled.rows)
        return taken

    def _settle(self, row: int, fate: Receipt | str) -> None:
        self._early[row] = fate
        settled = self._settled
        while settled.rows in self._early:
            found = self._early.pop(settled.rows)
            settled.rows += 1
            if isinstance(found, Receipt):
                settled.receipts.append(str(found))
            else:
                settled.rejected += 1
                settled.rejects.append(found)
