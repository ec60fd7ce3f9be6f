"""Have texts written that can wait: down the chain when a model never will, later when it may."""

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Generic

from infra.ledger import Entry
from models.ports import WriteFailure
from streams.calling.asks import Ask, Request, name_of
from streams.calling.calls import Calls, M, Made
from streams.calling.chain import Chain
from streams.work import Failed


@dataclass(frozen=True, slots=True)
class Text:
    """A text, and who stood in for whom.

    Args:
        entry: The call that brought it.
        failures: Calls before it that brought nothing and never will.
        instead_of: Who should have written it; none when they did.
        because: Why they did not.
        over_budget: Whether a budget kept the first of them from being asked.
    """

    entry: Entry
    failures: tuple[Entry, ...] = ()
    instead_of: str | None = None
    because: str | None = None
    over_budget: bool = False


@dataclass(frozen=True, slots=True)
class Unwritten:
    """No text yet.

    Args:
        failed: Why, and when to try again.
        failures: Calls that brought nothing and never will.
    """

    failed: Failed
    failures: tuple[Entry, ...] = ()


@dataclass(slots=True)
class _Walk(Generic[M, Request]):
    """How far down its chain one text is."""

    ask: Ask[Request]
    route: tuple[M, ...]
    place: int = 0
    reasons: list[str] = field(default_factory=list)
    failures: list[Entry] = field(default_factory=list)
    passing: list[WriteFailure] = field(default_factory=list)
    over_budget: bool = False
    end: Text | Unwritten | None = None

    @property
    def model(self) -> M:
        return self.route[self.place]

    def take(self, made: Made) -> None:
        if isinstance(made, WriteFailure):
            self.reasons.append(made.error)
            self.over_budget |= made.over_budget and self.place == 0
            if made.retryable or self.model is self.route[-1]:
                self.passing.append(made)
        elif made.failure is not None:
            self.reasons.append(made.failure)
            self.failures.append(made)
        else:
            first = name_of(self.route[0]) if self.place else None
            self.end = Text(made, tuple(self.failures), first, told(self.reasons), self.over_budget)
            return
        self.place += 1
        self._look_ahead()

    def _look_ahead(self) -> None:
        """Wait rather than have the last one write, while anybody before may still be able to."""
        left = len(self.route) - self.place
        if left > 1 or (left == 1 and not self.passing):
            return
        waits = [one.retry_after_s for one in self.passing]
        known = [one for one in waits if one is not None]
        error = self.passing[0].error if self.passing else self.reasons[-1]
        wait_s = min(known) if known and len(known) == len(waits) else None
        asked = not self.passing or any(one.asked for one in self.passing)
        self.end = Unwritten(Failed(error, wait_s, asked=asked), tuple(self.failures))


async def write_all(calls: Calls[M, Request], chain: Chain[M], asks: Sequence[Ask[Request]]) -> list[Text | Unwritten]:
    """Have texts written; same length and order.

    Those that are to be asked of the same model go there together.

    Args:
        calls: Makes the calls.
        chain: Whom to ask.
        asks: For what.
    """
    walks = [_Walk(ask, chain.route(ask.key)) for ask in asks]
    while under_way := [walk for walk in walks if walk.end is None]:
        groups: dict[int, list[_Walk[M, Request]]] = defaultdict(list)
        for walk in under_way:
            groups[id(walk.model)].append(walk)
        await asyncio.gather(*(_step(calls, group) for group in groups.values()))
    return [walk.end for walk in walks if walk.end is not None]


async def _step(calls: Calls[M, Request], group: Sequence[_Walk[M, Request]]) -> None:
    for walk, made in zip(group, await calls.ask(group[0].model, [walk.ask for walk in group]), strict=True):
        walk.take(made)


def told(reasons: Sequence[str]) -> str | None:
    """Put reasons into one line, each once.

    Example:
        >>> told(["503", "refused", "503"]), told([])
        ('503; refused', None)
    """
    return "; ".join(dict.fromkeys(reasons)) or None
