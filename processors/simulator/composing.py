"""One review's text from what its buyer thinks: openings, opinions joined as people join them, a verdict."""

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from processors.simulator.buyers import Buyer
from processors.simulator.catalogue import Speech
from processors.simulator.truth import Mention, Opinion

MOODS = ("bad", "bad", "mixed", "good", "good")
"""By rating, 1 to 5."""

TURNS = {
    "negative": ["The only downside: ", "My one complaint: ", "That said, ", "One small thing: ", "Sadly, ", "However, "],
    "positive": ["On the plus side, ", "To be fair, ", "At least ", "I will say this: ", "The one good thing: "],
}
"""What leads over to an opinion of the other side."""

ADDITIONS = ["Also, ", "Plus, ", "And ", "On top of that, ", "Another thing: "]
EMPHASES = ["Honestly, ", "I have to say, ", "In my experience ", "For me, ", "Believe me, ", "So far ", "I find that "]
_GLUED_STARTS = ("The ", "It ", "They ", "I ", "My ")
_KEEPS_CAPITAL = frozenset({"I", "I'm", "I've", "I'd", "I'll", "Bluetooth", "Christmas"})
LONG_CLAUSE = 75
"""Characters beyond which a clause is not joined to another."""


@dataclass(frozen=True, slots=True)
class Voice:
    """Who speaks, about what, in which mood."""

    buyer: Buyer
    speech: Speech
    mood: str


@dataclass(frozen=True, slots=True)
class Composed:
    """A finished text and the opinions in it."""

    text: str
    title: str | None
    mentions: tuple[Mention, ...]


def compose(voice: Voice, opinions: Sequence[Opinion], flags: Sequence[str], random: Random) -> Composed:
    """Write one review.

    Args:
        voice: Who speaks.
        opinions: What is mentioned, in this order.
        flags: Remarks of kinds ``safety`` and ``severe``.
        random: Chance of this review.
    """
    sentences = _opening(voice, bool(opinions), random)
    body, mentions = _body(voice, opinions, random)
    sentences += body
    for flag in flags if voice.speech.flags else ():
        sentences.insert(len(sentences) - len(body) // 2, voice.buyer.voice(voice.speech.flags[flag].write(random), random))
    if not sentences or random.random() < 0.36:
        sentences.append(voice.buyer.voice(voice.speech.verdicts[voice.mood].write(random), random))
    text = " ".join(sentence + voice.buyer.end_mark(random) for sentence in sentences)
    emoji = voice.buyer.emoji(voice.mood, random)
    text = f"{text} {emoji}" if emoji else text
    return Composed(text, _title(voice, random), tuple(mentions))


def _opening(voice: Voice, opinionated: bool, random: Random) -> list[str]:
    opening = []
    if voice.speech.narratives and random.random() < 0.28 * voice.buyer.talk:
        opening.append(voice.speech.narratives.write(random))
    if opinionated and not opening and random.random() < 0.28:
        opening.append(voice.speech.verdicts[voice.mood].write(random))
    return [voice.buyer.voice(sentence, random) for sentence in opening]


def _title(voice: Voice, random: Random) -> str | None:
    if random.random() < 0.25:
        return None
    title = voice.speech.titles[voice.mood].write(random)
    return voice.buyer.voice(title, random)


def _body(voice: Voice, opinions: Sequence[Opinion], random: Random) -> tuple[list[str], list[Mention]]:
    sentences: list[str] = []
    mentions: list[Mention] = []
    for opinion in opinions:
        text = voice.buyer.voice(voice.speech.opinions[opinion].write(random), random)
        before = mentions[-1] if mentions else None
        glue = _glue(before, opinion, text, random) if voice.speech.narratives else ""
        lead = "" if glue or not voice.speech.narratives else _lead(before, opinion, random)
        lead = lead.lower() if voice.buyer.lower_case else lead
        text = _lowered(text) if glue or lead else text
        mentions.append(Mention(opinion, text))
        if glue:
            sentences[-1] += glue + text
        else:
            sentences.append(lead + text)
    return sentences, mentions


def _glue(before: Mention | None, opinion: Opinion, text: str, random: Random) -> str:
    """Return what joins this clause to the sentence before, or nothing."""
    if before is None or max(len(before.text), len(text)) > LONG_CLAUSE or "," in before.text:
        return ""
    if before.opinion.side != opinion.side:
        return ", but " if random.random() < 0.35 else ""
    return ", and " if text.startswith(_GLUED_STARTS) and random.random() < 0.18 else ""


def _lead(before: Mention | None, opinion: Opinion, random: Random) -> str:
    """Return what opens a sentence, or nothing."""
    drawn = random.random()
    if before is not None and before.opinion.side != opinion.side:
        return _pick(TURNS[opinion.side], random) if drawn < 0.6 else ""
    if before is not None and drawn < 0.12:
        return _pick(ADDITIONS, random)
    return _pick(EMPHASES, random) if drawn > 0.94 else ""


def _pick(choices: Sequence[str], random: Random) -> str:
    return choices[int(random.random() * len(choices))]


def _lowered(text: str) -> str:
    first = text.split(" ", 1)[0]
    return text if first in _KEEPS_CAPITAL else text[:1].lower() + text[1:]
