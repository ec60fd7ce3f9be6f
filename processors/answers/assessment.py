"""What is known about a question and its passages before anybody writes."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Assessment:
    """How well passages answer a question.

    Args:
        confidence: Probability that they do, 0 to 1.
        reason: Why there is nothing to answer from, in words; None where there is something.
        missing: Words of the question that no passage has.
        facts: Statements counted from the passages ("4 of 9 reviews that mention the size say it runs small"):
            a writer may repeat one as it stands, and say nothing else that counts.
        scores: Probability that a sentence answers the question, by passage (0 is the first) and sentence.
        stated: What features say to it; the rest of this is of what they leave to the passages.
        asks_passages: Whether anything is left to them.
    """

    confidence: float
    reason: str | None = None
    missing: tuple[str, ...] = ()
    facts: tuple[str, ...] = ()
    scores: Mapping[tuple[int, str], float] = field(default_factory=dict)
    stated: tuple[str, ...] = ()
    asks_passages: bool = True

    def refusal(self, threshold: float) -> str | None:
        """Return why nothing should be answered, in words, or None if the confidence is enough.

        Args:
            threshold: Least probability, 0 to 1.

        Example:
            >>> Assessment(0.12, missing=("warranty",)).refusal(0.3)
            'what was found probably does not answer this (probability 0.12, wanted 0.30); nothing mentions "warranty"'
            >>> Assessment(0.4).refusal(0.3) is None
            True
        """
        if self.reason is not None or self.confidence >= threshold:
            return self.reason
        why = (
            f"what was found probably does not answer this (probability {self.confidence:.2f}, wanted {threshold:.2f})"
        )
        listed = ", ".join(f'"{word[:40]}"' for word in self.missing[:3])
        return f"{why}; nothing mentions {listed}" if listed else why
