"""Share keys out among a few names, each always to the same one."""

import hashlib
import math
from collections.abc import Mapping

_STEPS = 1 << 53


def choose(key: str, shares: Mapping[str, float]) -> str:
    """Return the name a key belongs to: weighted rendezvous hashing.

    Each name draws a number for the key, better the larger its share, and the best draw wins. So keys are spread as
    the shares say, a key keeps its name as long as the shares stand, and when one share changes, keys only move
    from or to that name. Thaler and Ravishankar, "Using name-based mappings to increase hit rates" (1998); weights as
    in Schindelhauer and Schomaker, "Weighted distributed hash tables" (2005).

    Args:
        key: What is shared out: a product.
        shares: Names with their weights, 0 or more; a name without weight is never chosen.

    Raises:
        ValueError: If no name has any weight.

    Example:
        >>> choose("B001", {"a": 0.9, "b": 0.1}), choose("B001", {"a": 0.0, "b": 0.1})
        ('a', 'b')
    """
    draws = {name: _draw(key, name) / share for name, share in shares.items() if share > 0}
    if not draws:
        raise ValueError("nobody has a share above 0")
    return min(draws, key=lambda name: (draws[name], name))


def _draw(key: str, name: str) -> float:
    """Draw from the exponential distribution: the smallest of several falls to each by its rate."""
    digest = hashlib.sha256(f"{len(name)}:{name}:{key}".encode("utf-8", "surrogatepass")).digest()
    uniform = (int.from_bytes(digest[:8]) % _STEPS + 1) / (_STEPS + 1)  # in (0, 1): neither end has a logarithm
    return -math.log(uniform)
