"""Which reviews said something, exactly: one bit a review."""

from collections.abc import Iterable

import numpy as np


class Membership:
    """A growing set of small whole numbers, one bit each; adding one costs the same however many there are.

    Example:
        >>> said = Membership()
        >>> for ordinal in (0, 3, 3, 70):
        ...     said.add(ordinal)
        >>> said.bits.bit_count(), recent_count(said.bits, 60)
        (3, 1)
    """

    __slots__ = ("_bytes",)

    def __init__(self) -> None:
        self._bytes = bytearray()

    @classmethod
    def of(cls, ordinals: Iterable[int]) -> "Membership":
        """Build the set at once."""
        members = cls()
        chosen = np.fromiter(ordinals, np.int64)
        if len(chosen):
            flags = np.zeros(int(chosen.max()) + 1, np.bool_)
            flags[chosen] = True
            members._bytes = bytearray(np.packbits(flags, bitorder="little").tobytes())
        return members

    def add(self, ordinal: int) -> None:
        """Put one number in; it may be there already."""
        place = ordinal >> 3
        missing = place + 1 - len(self._bytes)
        if missing > 0:
            self._bytes.extend(bytes(missing))
        self._bytes[place] |= 1 << (ordinal & 7)

    def absorb(self, other: "Membership") -> None:
        """Put all of another set in."""
        merged = self.bits | other.bits
        self._bytes = bytearray(merged.to_bytes((merged.bit_length() + 7) // 8, "little"))

    @property
    def bits(self) -> int:
        """The set as one integer, number n at bit n: unite with ``|``, count with ``bit_count``."""
        return int.from_bytes(self._bytes, "little")

    def recent_count(self, since: int) -> int:
        """Count the numbers from ``since`` on, without touching the older ones."""
        first = since >> 3
        return (int.from_bytes(self._bytes[first:], "little") >> (since & 7)).bit_count()


def recent_count(bits: int, since: int) -> int:
    """Count the numbers of a united set from ``since`` on."""
    return (bits >> since).bit_count()
