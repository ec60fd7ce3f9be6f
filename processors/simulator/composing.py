"""One review's text from what its buyer thinks: openings, opinions joined as people join them, a verdict."""

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from processors.simulator.buyers import Buyer
from processors.simulator.catalogue import Speech
from processors.simulator.truth import Mention, Opinion, Side

MOODS = ("bad", "bad", "mixed", "good", "good")
"""By rating, 1 to 5."""

TURNS: dict[Side, Sequence[str]] = {
    "negative": (
        "The only downside: ",
        "My one complaint: ",
        "That said, ",
        "One small thing: ",
        "Sadly, ",
        "However, ",
    ),
    "positive": ("On the plus side, ", "To be fair, ", "At least ", "I will say this: ", "The one good thing: "),
}
"""What leads over to the first opinion of the other side."""

JOINED_STARTS = ("The ", "It ", "They ", "I ", "My ")
KEEPS_CAPITAL = frozenset({"I", "I'm", "I've", "I'd", "I'll", "Bluetooth", "Christmas"})
LONG_CLAUSE = 75
"""Characters beyond which a clause is not joined to another."""

LEAD_SHARE = 0.14
TAIL_SHARE = 0.09
LONG_FOR_TAIL = 70
"""Characters beyond which nothing is added to an opinion."""


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
        flags: Remarks of kinds ``safety`` and ``severe``; none but in English.
        random: Chance of this review.
    """
    buyer, speech = voice.buyer, voice.speech
    sentences, mentions = _body(voice, opinions, random)
    remarks = [speech.english.flags[flag] for flag in flags] if speech.english else []
    sentences[:0] = [buyer.voice(remark.write(random), random) for remark in remarks]
    sentences[:0] = _opening(voice, bool(sentences), random)
    if not sentences or random.random() < 0.36:
        sentences.append(buyer.voice(speech.verdicts[voice.mood].write(random), random))
    text = " ".join(sentence + buyer.end_mark(random) for sentence in sentences)
    emoji = buyer.emoji(voice.mood, random)
    return Composed(f"{text} {emoji}" if emoji else text, _title(voice, random), tuple(mentions))


def _opening(voice: Voice, opinionated: bool, random: Random) -> list[str]:
    if voice.speech.english and random.random() < 0.28 * voice.buyer.talk:
        return [voice.buyer.voice(voice.speech.english.narratives.write(random), random)]
    if opinionated and random.random() < 0.28:
        return [voice.buyer.voice(voice.speech.verdicts[voice.mood].write(random), random)]
    return []


def _title(voice: Voice, random: Random) -> str | None:
    if random.random() < 0.25:
        return None
    title = voice.speech.titles[voice.mood].write(random)
    return voice.buyer.voice(title, random)


def _body(voice: Voice, opinions: Sequence[Opinion], random: Random) -> tuple[list[str], list[Mention]]:
    sentences: list[str] = []
    mentions: list[Mention] = []
    for opinion in opinions:
        text = voice.buyer.voice(_worded(voice.speech, opinion, random), random)
        before = mentions[-1] if mentions else None
        joint, lead = _link(before, opinion, text, voice, random)
        text = _lowered(text) if joint or lead else text
        mentions.append(Mention(opinion, text))
        if joint:
            sentences[-1] += joint + text
        else:
            sentences.append((lead.lower() if voice.buyer.lower_case else lead) + text)
    return sentences, mentions


def _worded(speech: Speech, opinion: Opinion, random: Random) -> str:
    text = speech.opinions[opinion].write(random)
    if speech.english and "," not in text and len(text) <= LONG_FOR_TAIL and random.random() < TAIL_SHARE:
        text += speech.english.tails[opinion.side].write(random)
    return text


def _link(before: Mention | None, opinion: Opinion, text: str, voice: Voice, random: Random) -> tuple[str, str]:
    """Return what joins a clause to the sentence before, or else what opens a sentence of its own; or nothing."""
    if voice.speech.english is None:
        return "", ""
    short = before and max(len(before.text), len(text)) <= LONG_CLAUSE and "," not in before.text
    drawn = random.random()
    if before and before.opinion.side != opinion.side:
        if short and drawn < 0.3:
            return ", but ", ""
        return "", TURNS[opinion.side][int(random.random() * len(TURNS[opinion.side]))]
    if short and text.startswith(JOINED_STARTS) and drawn < 0.2:
        return ", and ", ""
    if drawn < LEAD_SHARE:
        kind = "any" if before and drawn < LEAD_SHARE / 2 else opinion.side
        return "", voice.speech.english.leads[kind].write(random) + " "
    return "", ""


def _lowered(text: str) -> str:
    first = text.split(" ", 1)[0]
    return text if first in KEEPS_CAPITAL else text[:1].lower() + text[1:]
