"""Who writes: each buyer has habits that show in every review."""

import re
from dataclasses import dataclass
from functools import lru_cache
from random import Random

from processors.simulator.randomness import seeded

BUYERS = 20_000
"""Buyers in the world; some review more than once."""

MISSPELLINGS = {
    "definitely": "definately",
    "comfortable": "comfertable",
    "really": "realy",
    "received": "recieved",
    "beautiful": "beautifull",
    "disappointed": "dissapointed",
    "instructions": "instuctions",
    "quality": "qualty",
    "their": "thier",
    "because": "becuase",
    "doesn't": "doesnt",
    "don't": "dont",
    "can't": "cant",
    "it's": "its",
    "a lot": "alot",
    "than": "then",
    "too": "to",
    "lose": "loose",
}
_MISSPELT = re.compile(r"\b(" + "|".join(MISSPELLINGS) + r")\b")
_LONG_WORD = re.compile(r"\b[a-z]{5,}\b")
_EMOJI = {"good": ["👍", "😊", "❤️", "🎉", "😍"], "mixed": ["🤷", "😐"], "bad": ["😡", "👎", "😞", "🙄"]}


@dataclass(frozen=True, slots=True)
class Buyer:
    """Habits of one buyer.

    Args:
        author_id: Of the buyer.
        talk: How much is said, 1.0 = average.
        lower_case: Never uses the shift key.
        clipped: Drops the leading article: "Battery lasts all day".
        typo_rate: Typing errors a sentence.
        exclaiming: Share of sentences that end with an exclamation mark.
        emoji_rate: Share of reviews with one.
    """

    author_id: str
    talk: float
    lower_case: bool
    clipped: bool
    typo_rate: float
    exclaiming: float
    emoji_rate: float

    def voice(self, text: str, random: Random) -> str:
        """Return one clause the way this buyer would type it."""
        if self.clipped and text.startswith("The ") and random.random() < 0.6:
            text = text[4:5].upper() + text[5:]
        if random.random() < self.typo_rate:
            text = _mistype(text, random)
        return text.lower() if self.lower_case else text

    def end_mark(self, random: Random) -> str:
        """Return what closes a sentence."""
        if random.random() < self.exclaiming:
            return "!!" if random.random() < 0.2 else "!"
        return "." if random.random() > 0.01 else "..."

    def emoji(self, mood: str, random: Random) -> str | None:
        """Return an emoji for a review of this mood, if one is set."""
        if random.random() >= self.emoji_rate:
            return None
        choices = _EMOJI[mood]
        return choices[int(random.random() * len(choices))] * (2 if random.random() < 0.2 else 1)


@lru_cache(maxsize=BUYERS)
def buyer(seed: int, number: int) -> Buyer:
    """Return one buyer of a simulation."""
    random = seeded(seed, "buyer", number)
    style = random.random()
    terse, chatty = style < 0.3, style > 0.75
    return Buyer(
        author_id=f"buyer-{number:05d}",
        talk=0.55 if terse else 1.6 if chatty else 1.0,
        lower_case=random.random() < 0.08,
        clipped=terse and random.random() < 0.5,
        typo_rate=random.choice((0.0, 0.0, 0.0, 0.03, 0.15)),
        exclaiming=random.choice((0.0, 0.0, 0.02, 0.1, 0.4)),
        emoji_rate=random.choice((0.0, 0.0, 0.0, 0.0, 0.3)),
    )


def _mistype(text: str, random: Random) -> str:
    """Misspell one word as people do, or swap two letters inside a longer one."""
    known = list(_MISSPELT.finditer(text))
    if known:
        match = known[int(random.random() * len(known))]
        return text[: match.start()] + MISSPELLINGS[match.group(1)] + text[match.end() :]
    words = list(_LONG_WORD.finditer(text))
    if not words:
        return text
    match = words[int(random.random() * len(words))]
    at = match.start() + 1 + int(random.random() * (len(match.group()) - 2))
    return text[:at] + text[at + 1] + text[at] + text[at + 2 :]
