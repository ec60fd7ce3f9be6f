"""Which requests go together in one padded batch."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate


@dataclass(frozen=True, slots=True)
class Length:
    """How long one request is.

    Args:
        prompt: Tokens to read, at least 1.
        said: Tokens that may be said, at least 1.

    Example:
        >>> Length(prompt=100, said=20).tokens
        120
    """

    prompt: int
    said: int

    @property
    def tokens(self) -> int:
        """What it costs alone."""
        return self.prompt + self.said


def padded(lengths: Sequence[Length]) -> int:
    """Return the tokens of a batch: every row as long as the longest prompt and the longest text.

    Example:
        >>> padded([Length(100, 20), Length(10, 50)])
        300
        >>> padded([])
        0
    """
    if not lengths:
        return 0
    return len(lengths) * (max(each.prompt for each in lengths) + max(each.said for each in lengths))


def pack(lengths: Sequence[Length], batch_tokens: int, batch_cost_tokens: int) -> list[int]:
    """Choose what goes with the first request: the most tokens for what the batch costs.

    The cost of a batch is ``batch_cost_tokens`` plus its padded tokens, so short requests do not wait for long ones
    unless that fills a batch that would be small. Exact: no other choice with the first in it has a better ratio
    (of equal ratios the larger batch). All pairs of a longest prompt and a longest text are tried, and for each the
    longest requests that fit: O(P S N) for P and S different lengths of prompts and texts among N requests.

    Args:
        lengths: The first one goes in any case, the others if they pay.
        batch_tokens: Padded tokens of a batch at most; a first request above it goes alone.
        batch_cost_tokens: What a batch costs however small, in tokens; at least 1.

    Returns:
        Positions in ``lengths``, ascending, 0 among them.

    Example:
        >>> pack([Length(10, 10), Length(90, 10), Length(12, 8)], 100, 50)
        [0, 2]
        >>> pack([Length(10, 10), Length(11, 10), Length(90, 10)], 1000, 500)
        [0, 1, 2]
    """
    if len(lengths) <= 1:
        return list(range(len(lengths)))
    first = lengths[0]
    order = sorted(range(1, len(lengths)), key=lambda place: (-lengths[place].tokens, place))
    best, chosen = (first.tokens, batch_cost_tokens + first.tokens), [0]
    for prompt in sorted({each.prompt for each in lengths if each.prompt >= first.prompt}):
        for said in sorted({each.said for each in lengths if each.said >= first.said}):
            room = batch_tokens // (prompt + said) - 1
            fitting = [place for place in order if lengths[place].prompt <= prompt and lengths[place].said <= said]
            useful = accumulate((lengths[place].tokens for place in fitting[: max(0, room)]), initial=first.tokens)
            for others, tokens in enumerate(useful):
                cost = batch_cost_tokens + (others + 1) * (prompt + said)
                if (tokens * best[1], others + 1) > (best[0] * cost, len(chosen)):
                    best, chosen = (tokens, cost), [0, *fitting[:others]]
    return sorted(chosen)
