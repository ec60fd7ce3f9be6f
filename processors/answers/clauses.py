"""The questions that one question is made of."""

import re
from typing import Final

_VERB: Final = "can|could|may|do|does|did|is|are|was|were|will|would|should|has|have|had"
_ASKING: Final = f"where|when|what|which|who|why|how|{_VERB}"
_BORDER: Final = re.compile(
    rf"[.!?;]+\s+(?:and\s+)?|(?:\s*,)?\s+(?:and|or|but|also|plus)\s+(?:also\s+)?(?=(?:{_ASKING})\b)"
    rf"|\s*,\s+(?=(?:{_VERB})\s+(?:i|you|we|it|he|she|they|there|my|our|your|the)\b)",
    re.IGNORECASE,
)


def clauses(question: str) -> list[str]:
    """Take a question apart where another one begins.

    Args:
        question: Visible.

    Example:
        >>> clauses("Where is my order, can I return it, and who pays? What does it cost?")
        ['Where is my order', 'can I return it', 'who pays', 'What does it cost']
        >>> clauses("Do socks, which I own, and shirts run small?")
        ['Do socks, which I own, and shirts run small']
    """
    parts = (part.strip(" .!?;,") for part in _BORDER.split(question))
    return [part for part in parts if part]
