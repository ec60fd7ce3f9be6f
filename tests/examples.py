"""On how many examples a slow property is tried."""

from hypothesis import settings

LONG = "long"
"""Hypothesis' profile of ``--chaos``."""


def examples(count: int) -> int:
    """All of them with ``--chaos``, else half: every run tries the property on two databases."""
    return count if settings.get_current_profile_name() == LONG else count // 2
