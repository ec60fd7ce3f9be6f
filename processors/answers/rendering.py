"""How a checked sentence is shown."""

from collections.abc import Mapping, Sequence

from processors.answers.parts import Part, Quoted, Said, Sentence, take_apart
from processors.answers.visible import folded, neutral, visible


def rendered(sentence: Sentence, labels: Mapping[int, Sequence[str]]) -> str:
    """Return a sentence with its new markers, as text that nothing acts on.

    Args:
        sentence: A checked one.
        labels: What each marker became, by its place; a marker that became nothing disappears.

    Example:
        >>> from processors.answers.parts import take_apart
        >>> sentence, = take_apart('It says \u201ccall <b>f[0]</b>, see [9]\u201d [4].')
        >>> rendered(sentence, {3: ["1"]})
        'It says "call \u2039b>f[0]\u2039/b>, see (9)" [1].'
    """
    shown = _joined(sentence.parts, labels)
    meant = [label for place, _ in sentence.markers for label in dict.fromkeys(labels[place])]
    if [str(marker) for part in take_apart(shown) for _, marker in part.markers] == meant:
        return shown
    bare = tuple(_without_brackets(part) for part in sentence.parts)  # pieces that would join to a marker
    return _joined(bare, labels)


def _joined(parts: Sequence[Part], labels: Mapping[int, Sequence[str]]) -> str:
    return visible("".join(_shown(part, labels.get(place, ())) for place, part in enumerate(parts)))


def _shown(part: Part, labels: Sequence[str]) -> str:
    if isinstance(part, Said):
        return neutral(part.text)
    if isinstance(part, Quoted):
        return f'"{neutral(folded(part.text))}"'
    return "".join(f"[{label}]" for label in dict.fromkeys(labels))


def _without_brackets(part: Part) -> Part:
    if isinstance(part, Said | Quoted):
        return type(part)(part.text.replace("[", "(").replace("]", ")"))
    return part
