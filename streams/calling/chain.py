"""Whom to ask in turn for one text."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic

from processors.calls.splitting import choose
from streams.calling.calls import M


@dataclass(frozen=True, slots=True)
class Chain(Generic[M]):
    """Models in the order in which they are asked.

    Args:
        firsts: Asked first, each for its share of the keys; the same key always goes to the same.
        fallbacks: Asked in turn when the first cannot.
        last: Asked when nobody else can; it runs here and cannot fail.
    """

    firsts: Sequence[tuple[M, float]]
    fallbacks: Sequence[M]
    last: M

    def first(self, key: str) -> M:
        """Return who is asked first for a key."""
        # By place, not by name: a name changes with a prompt's version or an adapter, and keys would move.
        shares = {str(place): share for place, (_, share) in enumerate(self.firsts)}
        return self.firsts[int(choose(key, shares))][0]

    def route(self, key: str) -> tuple[M, ...]:
        """Return who is asked for a key, in turn, each once; nobody after the one who cannot fail."""
        route: list[M] = []
        for model in (self.first(key), *self.fallbacks, self.last):
            if model is self.last:
                break
            if not any(model is one for one in route):
                route.append(model)
        return (*route, self.last)
