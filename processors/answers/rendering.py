"""How a checked sentence is shown."""

from collections.abc import Mapping, Sequence

from processors.answers.parts import Part, Quoted, Said, Sentence, take_apart
from processors.answers.visible import folded, neutral, visible


def rendered(sentence: Sentence, numbers: Mapping[int, Sequence[int]]) -> str:
    """Return a sentence with its new markers, as text that nothing acts on.

    Args:
        sentence: A checked one.
        numbers: What each marker became, by its place; a marker that became nothing disappears.

    Example:
        >>> from processors.answers.parts import take_apart
        >>> sentence, = take_apart('It says \u201ccall <b>f[0]</b>, see [9]\u201d [4].')
        >>> rendered(sentence, {3: [1]})
        'It says "call \u2039b>f[0]\u2039/b>, see (9)" [1].'
    """
    shown = _joined(sentence.parts, numbers)
    meant = [number for place, _ in sentence.markers for number in dict.fromkeys(numbers[place])]
    if [number for part in take_apart(shown) for _, number in part.markers] == meant:
        return shown
    bare = tuple(_without_brackets(part) for part in sentence.parts)  # pieces that would join to a marker
    return _joined(bare, numbers)


def _joined(parts: Sequence[Part], numbers: Mapping[int, Sequence[int]]) -> str:
    return visible("".join(_shown(part, numbers.get(place, ())) for place, part in enumerate(parts)))


def _shown(part: Part, numbers: Sequence[int]) -> str:
    if isinstance(part, Said):
        return neutral(part.text)
    if isinstance(part, Quoted):
        return f'"{neutral(folded(part.text))}"'
    return "".join(f"[{number}]" for number in dict.fromkeys(numbers))


def _without_brackets(part: Part) -> Part:
    if isinstance(part, Said | Quoted):
        return type(part)(part.text.replace("[", "(").replace("]", ")"))
    return part
