"""Hold every sentence of a model's summary against the points it names.

Strict on purpose: a word that carries content stands in the points, or it is talk about reviews, or it is one of the
few words that may stand for one that is there. What is refused wrongly costs a second try, and in the end the buyers'
own words are shown; what is let through wrongly is a lie that nobody told.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from processors.answers.visible import visible
from processors.texts.guarding.counts import wrong_number
from processors.texts.guarding.points import Points
from processors.texts.guarding.sentences import SaidSentence, Sentences
from processors.texts.told import Told

_MARKUP: Final = re.compile(r"https?://|www\.|[<>{}|]|\*\*|```|\]\(|\\")
_SHOWN: Final = 60


@dataclass(frozen=True, slots=True)
class Guarded:
    """What is borne out.

    Args:
        text: The sentences that are, joined.
        reasons: Why the others are not, one line each with their first words; empty when all are.
        faults: The same in general: none of their words.
    """

    text: str
    reasons: list[str]
    faults: list[str]


def check_sentences(said: Sentences, material: Sequence[Told], language: str = "") -> Guarded:
    """Keep the sentences that say nothing their points do not say.

    Args:
        said: What the model wrote.
        material: What it was told.
        language: It was asked to write in; of a text in another language than the points' only ids, numbers, names
            and markup can be checked. Empty is the points' own.

    Example:
        >>> told = [Told(id="P1", band="positive", says="so quiet you forget it", label="quiet", reviews=3,
        ...              of=9, percent=33, quotes=["So quiet you forget it is on."])]
        >>> def check(text):
        ...     guarded = check_sentences(Sentences(sentences=[SaidSentence(text=text, points=["P1"])]), told)
        ...     return guarded.text or guarded.reasons[0]
        >>> check("It is so quiet that 3 of 9 buyers forget it.")
        'It is so quiet that 3 of 9 buyers forget it.'
        >>> check("It is quiet, say 4 buyers.")
        '"It is quiet, say 4 buyers." says 4, which its points do not'
        >>> check("It is quiet and cheap.")
        '"It is quiet and cheap." says "cheap", which its points do not'
        >>> check("It is not quiet.")
        '"It is not quiet." denies what its points do not deny'
    """
    known = {one.id: one for one in material}
    kept, reasons, faults = [], [], list[str]()
    for sentence in said.sentences:
        text = visible(sentence.text)
        reason = _wrong(text, sentence, known, strict=not language)
        if reason is None:
            kept.append(text if text[-1] in ".!?\u2026" else f"{text}.")
        else:
            reasons.append(f'"{text[:_SHOWN]}" {reason.told}')
            faults.append(reason.fault)
    return Guarded(" ".join(kept), reasons, faults)


@dataclass(frozen=True, slots=True)
class _Wrong:
    """Why a sentence is refused: to the model, with its words, and to everybody, without."""

    told: str
    fault: str


def _wrong(text: str, sentence: SaidSentence, known: dict[str, Told], *, strict: bool) -> _Wrong | None:
    strange = [name for name in sentence.points if name not in known]
    if strange:
        return _Wrong(f"rests on {strange[0][:20]!r}, which is no point", "rests on what is no point")
    if not text or _MARKUP.search(text):
        return _Wrong(*["has markup or an address, or nothing, in it"] * 2)
    told = [known[name] for name in sentence.points]
    number = wrong_number(text, told)
    if number is not None:
        return _Wrong(f"says {number}, which its points do not", "says a number that its points do not")
    points = Points([(one.band, part) for one in told for part in (one.says, one.label, *one.quotes)])
    word = points.unsaid(text) if strict else points.strange_name(text)
    if word is not None:
        return _Wrong(f'says "{word}", which its points do not', "says a word that its points do not")
    turned = points.turned(text) if strict else None
    return None if turned is None else _Wrong(turned, turned)
