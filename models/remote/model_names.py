"""Whether an endpoint answered with the model it was asked for: what is written is filed under that name."""

import re
from typing import Final

_DATED: Final = re.compile(
    r"(?:[-@:](?:20\d\d-\d\d-\d\d|20\d{6}|2\d{5}|(?:0\d|1[0-2]|2\d)\d\d|00\d|latest|main|free))+\Z"
)
"""``-2024-08-06``, ``-20240806``, ``-0613``, ``-001``, ``@20240806``, ``:latest``, ``@main``."""


def same_model(asked: str, answered: str) -> bool:
    """Say whether a name in an answer is the name that was asked for, dated or prefixed.

    Args:
        asked: As in the settings.
        answered: As in the answer.

    Example:
        >>> same_model("gpt-4o", "gpt-4o-2024-08-06"), same_model("gpt-4o", "openai/gpt-4o")
        (True, True)
        >>> same_model("gpt-4o", "gpt-4o-mini"), same_model("gpt-4o-2024-05-13", "gpt-4o-2024-08-06")
        (False, False)
    """
    first, second = asked.strip().lower().split("/"), answered.strip().lower().split("/")
    shared = min(len(first), len(second))
    if first[-shared:-1] != second[-shared:-1]:
        return False
    return _same_name(first[-1], second[-1])


def _same_name(asked: str, answered: str) -> bool:
    """Compare names without prefixes: both may not name different dates."""
    if asked == answered:
        return True
    if _DATED.search(asked) and _DATED.search(answered) and not asked.endswith("latest"):
        return answered.startswith(asked) and _DATED.fullmatch(answered[len(asked) :]) is not None
    return _DATED.sub("", asked) == _DATED.sub("", answered)
