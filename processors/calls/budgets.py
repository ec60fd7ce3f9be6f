"""What calls may cost in a day, all together and for one key."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Spent:
    """What was spent so far.

    Args:
        cost: In the unit of the prices.
        tokens: Read and said.
    """

    cost: float = 0.0
    tokens: int = 0

    def __add__(self, other: "Spent") -> "Spent":
        """Add up."""
        return Spent(self.cost + other.cost, self.tokens + other.tokens)


@dataclass(frozen=True, slots=True)
class Budgets:
    """Limits; None is no limit. A call is made as long as less than its limits is spent.

    Args:
        cost_day: Cost of all calls of a day.
        cost_key: Cost of one key's calls of a day.
        tokens_day: Tokens of all calls of a day.
        tokens_key: Tokens of one key's calls of a day.

    Example:
        >>> Budgets(cost_day=1.0).refusal(Spent(cost=1.02), Spent(), priced=True)
        'the budget of the day is spent (1.02 of 1.00)'
        >>> Budgets(cost_day=1.0).refusal(Spent(cost=1.02), Spent(), priced=False) is None
        True
        >>> Budgets(tokens_key=1000).refusal(Spent(tokens=2400), Spent(tokens=1200), priced=False)
        "the product's tokens of the day are spent (1,200 of 1,000)"
    """

    cost_day: float | None = None
    cost_key: float | None = None
    tokens_day: int | None = None
    tokens_key: int | None = None

    @property
    def limited(self) -> bool:
        """Whether there is any limit."""
        return self != Budgets()

    def refusal(self, day: Spent, key: Spent, *, priced: bool) -> str | None:
        """Tell why a call must not be made; None if it may.

        Args:
            day: Spent on all calls of the day.
            key: Spent on the key's calls of the day.
            priced: Whether the call costs anything: one that does not keeps to limits of tokens only.
        """
        if priced and _over(day.cost, self.cost_day):
            return f"the budget of the day is spent ({day.cost:.2f} of {self.cost_day:.2f})"
        if priced and _over(key.cost, self.cost_key):
            return f"the product's budget of the day is spent ({key.cost:.2f} of {self.cost_key:.2f})"
        if _over(day.tokens, self.tokens_day):
            return f"the tokens of the day are spent ({day.tokens:,} of {self.tokens_day:,})"
        if _over(key.tokens, self.tokens_key):
            return f"the product's tokens of the day are spent ({key.tokens:,} of {self.tokens_key:,})"
        return None


def _over(spent: float, limit: float | None) -> bool:
    return limit is not None and spent >= limit
