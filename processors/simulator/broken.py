"""Lines that cannot be read, to show what becomes of them."""

from collections.abc import Callable, Iterable, Iterator
from random import Random

import msgspec

from processors.simulator.randomness import seeded
from schemas.records import TEXT_LIMIT
from schemas.reviews import Review

Fields = dict[str, object]


def with_broken_lines(reviews: Iterable[Review], share: float, seed: int) -> Iterator[bytes]:
    """Yield reviews as JSON, one a line without its end, with broken lines of many kinds in between.

    Broken lines are additional: every review stays as it was, so its truth still holds.

    Args:
        reviews: To write out.
        share: Of broken lines among all lines, 0 or more and below 1.
        seed: Decides where they stand and what is wrong with them.

    Raises:
        ValueError: If the share is out of range.
    """
    if not 0 <= share < 1:
        raise ValueError(f"share: {share} of the lines cannot be broken, give 0 or more and below 1")
    for number, review in enumerate(reviews):
        random = seeded(seed, "broken", number)
        line = msgspec.json.encode(review)
        while random.random() < share:
            yield break_line(line, random)
        yield line


def break_line(line: bytes, random: Random) -> bytes:
    """Return a review's line with one thing wrong with it."""
    return _FAULTS[int(random.random() * len(_FAULTS))](line)


def _cut_off(line: bytes) -> bytes:
    return line[: len(line) // 2]


def _undecodable(line: bytes) -> bytes:
    return line.replace(b'"text":"', b'"text":"\xff\xfe', 1)


def _not_json(line: bytes) -> bytes:
    return b"ERROR upstream timed out after 30000 ms"


def _without(name: str) -> Callable[[bytes], bytes]:
    def fault(line: bytes) -> bytes:
        fields = msgspec.json.decode(line, type=Fields)
        del fields[name]
        return msgspec.json.encode(fields)

    return fault


def _with(**changes: object) -> Callable[[bytes], bytes]:
    def fault(line: bytes) -> bytes:
        return msgspec.json.encode(msgspec.json.decode(line, type=Fields) | changes)

    return fault


_FAULTS: tuple[Callable[[bytes], bytes], ...] = (
    _cut_off,
    _undecodable,
    _not_json,
    _without("product_id"),
    _without("text"),
    _with(rating=7),
    _with(rating="five"),
    _with(text=["not", "a", "text"]),
    _with(text="very " * (TEXT_LIMIT // 5) + "long"),
    _with(created_at="yesterday"),
    _with(created_at="1815-06-18T12:00:00Z"),
    _with(review_id="line\nbreak"),
)
