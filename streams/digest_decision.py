"""What some reviews, timers or rebuilds make of their products: everything that one transaction writes."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from sqlalchemy import Connection

from infra import leases, outbox, timers
from infra.leases import Task
from infra.outbox import Cause, Output
from infra.rows import product_rows, review_rows
from infra.rows.product_rows import ProductChange
from infra.rows.review_rows import ReviewKey, ReviewRow, Tombstone
from infra.timers import Timer, Waiter
from streams.events import Rejection
from streams.shadows import Forget

READING = "reading"
"""The kind of timer that reads a product's points later."""

REBUILD = "rebuild"
"""The kind of work that folds a product anew after a deletion or an edit."""


@dataclass(frozen=True, slots=True)
class Delays:
    """When changes are read that are not read at once.

    Args:
        unread_s: Longest time a change stays unread, seconds.
        quiet_s: A product without news for so long is read, seconds.
    """

    unread_s: float
    quiet_s: float


@dataclass(slots=True)
class DigestDecision:
    """See ``streams.events.Decision``."""

    now: float  # unix seconds
    delays: Delays
    follow: Callable[[Sequence[Forget]], None]  # told of what was forgotten, once that is durable
    rejections: list[Rejection] = field(default_factory=list)
    outputs: list[tuple[Output, Cause]] = field(default_factory=list)
    products: list[ProductChange] = field(default_factory=list)
    reviews: dict[ReviewKey, ReviewRow | Tombstone] = field(default_factory=dict)
    risen: set[ReviewKey] = field(default_factory=set)
    forgets: list[Forget] = field(default_factory=list)
    newest: dict[str, Output] = field(default_factory=dict)  # points of products that have forgotten something
    waiting: list[Waiter] = field(default_factory=list)  # products to be read later
    joining: list[Waiter] = field(default_factory=list)  # no-ops: what stands of their product may be unread yet
    tasks: list[Task] = field(default_factory=list)
    read: list[str] = field(default_factory=list)
    served: Sequence[Timer] = ()

    def write(self, connection: Connection) -> None:
        """Write products first: their versions are what is compared."""
        product_rows.write_products(connection, self.products)
        review_rows.write_reviews(connection, self.reviews, self.risen)
        for timer in self.served:
            timers.take(connection, timer)
        timers.cancel(connection, READING, sorted(self.read))
        later = {"due_at": self.now + self.delays.quiet_s, "deadline": self.now + self.delays.unread_s}
        timers.schedule(connection, READING, sorted(self.waiting, key=_key), **later)
        timers.join(connection, READING, sorted(self.joining, key=_key))
        leases.record(connection, sorted(self.tasks, key=_key))
        for output in self.newest.values():  # what waits unpublished still quotes what is forgotten
            outbox.supersede(connection, output.topic, output.key or b"", output)

    def committed(self) -> None:
        """Let the shadows follow."""
        self.follow(self.forgets)

    def rebuild(self, product_id: str, forgotten: int, cause: Cause, trace: Mapping[str, bytes]) -> None:
        """Have a product folded anew soon."""
        due, deadline = self.now + self.delays.quiet_s, self.now + self.delays.unread_s
        self.tasks.append(Task(REBUILD, product_id, forgotten, "reviews forgotten", cause, due, deadline, trace))


def _key(one: Waiter | Task) -> str:
    return one.key
