"""Which words of which passage stand behind each marker of a sentence."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from processors.answers.parts import Marker, Sentence, Stray
from processors.answers.sources import Source
from processors.answers.support import CITED_SHARE, Facts, claimed, unsupported
from processors.answers.words import content


@dataclass(frozen=True, slots=True)
class Cited:
    """One quote of one passage, or of features."""

    passage: int | None  # 0 is the first; None is the features
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
        stated: What features say; None where none were given.

    Example:
        >>> from processors.answers.parts import take_apart
        >>> citer = Citer([Source("The port is 9042. It is open.")], Facts([]), lambda passage: "")
        >>> [citer.cite(sentence) for sentence in take_apart("The port is 9042 [1]. The port is closed [1].")]
        [{1: [Cited(passage=0, quote='The port is 9042.')]}, Cut(reason='says more than what it cites')]
    """

    def __init__(
        self, sources: Sequence[Source], facts: Facts, best: Callable[[int], str], stated: Source | None = None
    ) -> None:
        self._sources = sources
        self._facts = facts
        self._best = best
        self._stated = stated

    def cite(self, sentence: Sentence) -> Citing | Cut:
        """Return what the markers of a sentence point to, or why it cannot stay."""
        wrong = [marker for _, marker in sentence.markers if not self._given(marker)]
        if wrong:
            what = "no features that were given" if wrong[0].features else "no passage"
            return Cut(f"points to [{wrong[0]}], which is {what}")
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

    def _given(self, marker: Marker) -> bool:
        if marker.features:
            return self._stated is not None and marker.number == 1
        return 1 <= marker.number <= len(self._sources)

    def _source(self, passage: int | None) -> Source:
        if passage is not None:
            return self._sources[passage]
        if self._stated is None:
            raise LookupError("no features were given")
        return self._stated

    def _standing(self, quote: str, markers: Sequence[tuple[int, Marker]]) -> dict[int, Cited]:
        found = {}
        for place, marker in markers:
            shown = self._source(_passage(marker)).quote(quote)
            if shown:
                found[place] = Cited(_passage(marker), shown)
        return found

    def _claims(self, sentence: Sentence, citing: Citing) -> Citing | Cut:
        """Find a sentence for every marker that has no quote, and hold the sentence's own words against them all."""
        said, fact = sentence.said, sentence.said in self._facts
        if not fact and not claimed(said) and not any(content(quote) for _, quote in sentence.quotes):
            return Cut("says nothing")
        for place, marker in sentence.markers:
            shown = "" if citing[place] else self._shown(said, _passage(marker), fact)
            if shown:
                citing[place].append(Cited(_passage(marker), shown))
        shown_passages = dict.fromkeys(cited.passage for found in citing.values() for cited in found)
        passages = shown_passages or dict.fromkeys(_passage(marker) for _, marker in sentence.markers)
        reason = None if fact else unsupported(said, [self._source(passage) for passage in passages])
        if not (reason or shown_passages):
            reason = "says what no sentence it cites says"
        return Cut(reason) if reason else citing

    def _shown(self, said: str, passage: int | None, fact: bool) -> str:
        if fact:  # counted from passages
            return "" if passage is None else self._best(passage)
        sentence, share = self._source(passage).nearest(said)
        return sentence if share >= CITED_SHARE else ""


def _passage(marker: Marker) -> int | None:
    return None if marker.features else marker.number - 1


def _after(sentence: Sentence, quote: int) -> range:
    """Return the places between a quote and the next one."""
    return range(quote, min((place for place, _ in sentence.quotes if place > quote), default=len(sentence.parts)))
