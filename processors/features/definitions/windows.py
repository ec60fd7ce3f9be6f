"""Spans of event time that aggregations look back over."""

import re
from dataclasses import dataclass

from processors.features.definitions.faults import WrongDefinition

SECOND_US = 1_000_000
MINUTE_US = 60 * SECOND_US
HOUR_US = 60 * MINUTE_US
DAY_US = 24 * HOUR_US

ALL = "all"
"""Of all time."""

SHORTEST_US, LONGEST_US = MINUTE_US, 90 * DAY_US

_UNITS = {"s": SECOND_US, "m": MINUTE_US, "h": HOUR_US, "d": DAY_US}
_HOPS = (
    *(SECOND_US * one for one in (1, 5, 10, 30)),
    *(MINUTE_US * one for one in (1, 5, 10, 15, 30)),
    *(HOUR_US * one for one in (1, 3, 6, 12)),
    DAY_US,
)


@dataclass(frozen=True, slots=True)
class Window:
    """How far back an aggregation looks.

    A window begins at a multiple of its hop: it is up to one sixtieth longer than it says, never shorter.

    Args:
        name: As written, ``1h``; ``all`` for all time.
        width_us: Microseconds; none for all time.
        hop_us: Width of the tiles it is put together from, microseconds.

    Example:
        >>> window = Window.parse("1h")
        >>> window.width_us == HOUR_US, window.hop_us == MINUTE_US
        (True, True)
        >>> window.begin(at_us=90 * MINUTE_US + 17) == 30 * MINUTE_US
        True
        >>> Window.parse("all").begin(at_us=0) is None
        True
    """

    name: str
    width_us: int | None
    hop_us: int

    @classmethod
    def parse(cls, name: str) -> "Window":
        """Read ``30s``, ``5m``, ``1h``, ``7d`` or ``all``.

        Raises:
            WrongDefinition: If it is none of these, shorter than a minute or longer than 90 days.
        """
        if name == ALL:
            return cls(ALL, None, DAY_US)
        width_us = span_us(name, "window")
        if not SHORTEST_US <= width_us <= LONGEST_US:
            raise WrongDefinition(f"window {name!r} is not between 1m and 90d", "Use 1m to 90d, or all.")
        return cls(name, width_us, max(hop for hop in _HOPS if hop * 60 <= width_us))

    def begin(self, at_us: int) -> int | None:
        """Return when it begins for somebody who reads it at a moment: microseconds, included; none is never.

        Args:
            at_us: Microseconds since 1970.
        """
        return None if self.width_us is None else (at_us - self.width_us) // self.hop_us * self.hop_us


def span_us(name: str, what: str) -> int:
    """Read a span of time as microseconds.

    Args:
        name: As ``90s``, ``5m``, ``1h`` or ``7d``.
        what: It is for, in errors.

    Raises:
        WrongDefinition: If it cannot be read.

    Example:
        >>> span_us("2m", "half_life")
        120000000
    """
    found = re.fullmatch(r"([1-9]\d{0,8})([smhd])", name) if isinstance(name, str) else None
    if found is None:
        raise WrongDefinition(
            f"{what} {name!r} is no span of time", "Write a number and s, m, h or d: 90s, 5m, 1h, 7d."
        )
    return int(found[1]) * _UNITS[found[2]]
