"""Which words of which passage stand behind each marker of a sentence."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from processors.answers.parts import Sentence, Stray
from processors.answers.sources import Source
from processors.answers.support import CITED_SHARE, Facts, claimed, unsupported
from processors.answers.words import content


@dataclass(frozen=True, slots=True)
class Cited:
    """One quote of one passage."""

    passage: int  # 0 is the first
    quote: str


@dataclass(frozen=True, slots=True)
class Cut:
    """Why a sentence goes."""

    reason: str


Citing = dict[int, list[Cited]]
"""What stands behind each marker, by the marker's place in its sentence."""


class Citer:
    """Finds what stands behind markers.

    Args:
        sources: The passages, in order.
        facts: Statements that may be repeated without being quoted.
        best: Returns the sentence of a passage to show for a fact.

    Example:
        >>> from processors.answers.parts import take_apart
        >>> citer = Citer([Source("The port is 9042. It is open.")], Facts([]), lambda passage: "")
        >>> [citer.cite(sentence) for sentence in take_apart("The port is 9042 [1]. The port is closed [1].")]
        [{1: [Cited(passage=0, quote='The port is 9042.')]}, Cut(reason='says more than what it cites')]
    """

    def __init__(self, sources: Sequence[Source], facts: Facts, best: Callable[[int], str]) -> None:
        self._sources = sources
        self._facts = facts
        self._best = best

    def cite(self, sentence: Sentence) -> Citing | Cut:
        """Return what the markers of a sentence point to, or why it cannot stay."""
        wrong = [number for _, number in sentence.markers if not 1 <= number <= len(self._sources)]
        if wrong:
            return Cut(f"points to [{wrong[0]}], which is no passage")
        if not sentence.markers:
            return Cut("points to no passage")
        if any(isinstance(part, Stray) for part in sentence.parts):
            return Cut("has a quotation mark without its other half")
        citing = self._quotes(sentence)
        return citing if isinstance(citing, Cut) else self._claims(sentence, citing)

    def _quotes(self, sentence: Sentence) -> Citing | Cut:
        """Find every quote behind the markers that follow it, else behind any marker of the sentence."""
        citing: Citing = {place: [] for place, _ in sentence.markers}
        for place, quote in sentence.quotes:
            following = [marker for marker in sentence.markers if marker[0] in _after(sentence, place)]
            found = self._standing(quote, following) or self._standing(quote, sentence.markers)
            if not found:
                return Cut("quotes what does not stand in what it cites")
            for marker, cited in found.items():
                citing[marker].append(cited)
        return citing

    def _standing(self, quote: str, markers: Sequence[tuple[int, int]]) -> dict[int, Cited]:
        found = {}
        for place, number in markers:
            shown = self._sources[number - 1].quote(quote)
            if shown:
                found[place] = Cited(number - 1, shown)
        return found

    def _claims(self, sentence: Sentence, citing: Citing) -> Citing | Cut:
        """Find a sentence for every marker that has no quote, and hold the sentence's own words against them all."""
        said, fact = sentence.said, sentence.said in self._facts
        if not fact and not claimed(said) and not any(content(quote) for _, quote in sentence.quotes):
            return Cut("says nothing")
        for place, number in sentence.markers:
            shown = "" if citing[place] else self._shown(said, number - 1, fact)
            if shown:
                citing[place].append(Cited(number - 1, shown))
        shown_passages = {cited.passage for found in citing.values() for cited in found}
        passages = shown_passages or {number - 1 for _, number in sentence.markers}
        reason = None if fact else unsupported(said, [self._sources[passage] for passage in sorted(passages)])
        if not (reason or shown_passages):
            reason = "says what no sentence it cites says"
        return Cut(reason) if reason else citing

    def _shown(self, said: str, passage: int, fact: bool) -> str:
        if fact:
            return self._best(passage)
        sentence, share = self._sources[passage].nearest(said)
        return sentence if share >= CITED_SHARE else ""


def _after(sentence: Sentence, quote: int) -> range:
    """Return the places between a quote and the next one."""
    return range(quote, min((place for place, _ in sentence.quotes if place > quote), default=len(sentence.parts)))
