"""A language model that says of each point it is told what the point says, and nothing else."""

import json
from collections.abc import Iterable, Mapping, Sequence

ASKS = "Points, one a line:"
"""In the turn of the shipped prompt that is followed by the points."""


def told_points(messages: Iterable[Mapping[str, str]]) -> list[dict]:
    """Return the points of the last turn that tells any.

    Args:
        messages: Of a request, each with its ``content``.
    """
    last = [message["content"] for message in messages if ASKS in message["content"]][-1]
    return [json.loads(line) for line in last.partition(ASKS)[2].splitlines() if line.startswith("{")]


def repeat(points: Sequence[Mapping[str, object]]) -> str:
    """Write a summary as the shipped prompt wants it.

    Example:
        >>> repeat([{"id": "P1", "says": "boils quickly"}])
        '{"sentences": [{"text": "Boils quickly.", "points": ["P1"]}]}'
    """
    sentences = [{"text": sentence(str(one["says"])), "points": [one["id"]]} for one in points[:8]]
    return json.dumps({"sentences": sentences}, ensure_ascii=False)


def sentence(says: str) -> str:
    """Make a sentence of what a point says.

    Example:
        >>> sentence("boils quickly"), sentence("Never again!")
        ('Boils quickly.', 'Never again!')
    """
    ended = says if says[-1] in ".!?\u2026" else f"{says}."
    return ended[0].upper() + ended[1:]


def answer(asked: Mapping[str, Sequence[Mapping[str, str]]]) -> str:
    """Answer a request to an OpenAI-compatible endpoint."""
    return repeat(told_points(asked["messages"]))
