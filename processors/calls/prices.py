"""What tokens cost, by model.

Errors:
    ValueError
    └── WrongPrices   a list of prices cannot be read
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self

PER = 1_000_000
"""Tokens a price is for."""


class WrongPrices(ValueError):
    """A list of prices that cannot be read."""


@dataclass(frozen=True, slots=True)
class Prices:
    """Prices per million tokens, what is read and what is said; other models cost nothing.

    Args:
        by_model: Model -> price in, price out.

    Example:
        >>> prices = Prices.parse("small=0.15/0.60, org/large=1/2")
        >>> prices.cost("small", 2_000_000, 1_000_000)
        0.9
        >>> prices.cost("org/large#polite", 1_000_000, 0), prices.priced("other")  # as its model
        (1.0, False)
    """

    by_model: Mapping[str, tuple[float, float]] = field(default_factory=dict)

    @classmethod
    def parse(cls, told: str | None) -> Self:
        """Read ``MODEL=IN/OUT, MODEL=IN/OUT``.

        Args:
            told: The list; none is empty.

        Raises:
            WrongPrices: If it cannot be read.
        """
        return cls(dict(_price(part.strip()) for part in (told or "").split(",") if part.strip()))

    def priced(self, model: str) -> bool:
        """Tell whether its tokens cost anything."""
        return any(self._of(model))

    def knows(self, model: str) -> bool:
        """Tell whether its price was told, be it nothing."""
        return self._told(model) is not None

    def cost(self, model: str, tokens_in: int, tokens_out: int) -> float:
        """Return what a call costs."""
        read, said = self._of(model)
        return (read * tokens_in + said * tokens_out) / PER

    def _of(self, model: str) -> tuple[float, float]:
        return self._told(model) or (0.0, 0.0)

    def _told(self, model: str) -> tuple[float, float] | None:
        """Find the price of a model, with its adapter and hash or without: ``NAME@HASH#ADAPTER@HASH``."""
        bare = model.partition("#")[0]
        names = (model, bare, bare.partition("@")[0])
        return next((self.by_model[name] for name in names if name in self.by_model), None)


def _price(part: str) -> tuple[str, tuple[float, float]]:
    model, _, price = part.rpartition("=")
    read, _, said = price.partition("/")
    try:
        found = float(read), float(said)
    except ValueError:
        found = (math.nan, math.nan)
    if not model.strip() or not all(0 <= one < math.inf for one in found):
        raise WrongPrices(f"{part!r} is no price; write MODEL=0.15/0.60: per million tokens, in and out")
    return model.strip(), found
