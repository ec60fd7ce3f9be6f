"""One source of chance: every number comes from a name, so any part can be made again alone."""

from random import Random


def seeded(seed: int, purpose: str, number: int) -> Random:
    """Return the generator of one thing: a review, a buyer, a product.

    Args:
        seed: Of the whole simulation.
        purpose: What kind of thing.
        number: Which one, from 0.

    Example:
        >>> seeded(7, "review", 3).random() == seeded(7, "review", 3).random()
        True
    """
    return Random(f"{seed}/{purpose}/{number}")  # noqa: S311 - plays buyers, guards nothing
