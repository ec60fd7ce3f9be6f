"""What a review says about value for money."""

from typing import Final, Literal

from processors.language.patterns import phrase_pattern

Value = Literal["good", "poor", "unclear"]

_MENTION: Final = phrase_pattern("value", "mention")
_POOR: Final = phrase_pattern("value", "poor")
_GOOD: Final = phrase_pattern("value", "good")


def judge_value(text: str) -> tuple[Value, int, int] | None:
    """Find what a text says about its price.

    Args:
        text: Cleaned and in lower case.

    Returns:
        The verdict and where it stands (start, end), or None when price is no topic.

    Example:
        >>> judge_value("a great price for this.")
        ('good', 2, 13)
        >>> judge_value("not worth the money.")[0], judge_value("it cost me 20 bucks.")[0], judge_value("nice.")
        ('poor', 'unclear', None)
    """
    mention = _MENTION.search(text)
    if mention is None:
        return None
    poor = _POOR.search(text)
    if poor is not None:
        return "poor", poor.start(), poor.end()
    good = _GOOD.search(text)
    if good is not None:
        return "good", good.start(), good.end()
    return "unclear", mention.start(), mention.end()
