"""How an answer looks in a terminal: what is said, on which documents and features it rests, and how sure that is."""

from collections.abc import Iterable, Iterator

from rich.text import Text

from schemas.answers import FEATURES_LABEL, Answer, Citation
from schemas.features import FeatureValue
from streams.cli.render import QUIET, age, cut, percent, printable, wrapped

WIDEST = 80
"""Columns an answer takes at most."""

_INDENT = "  "
_NUMBER = 4
"""Columns before a source's title."""
_LABEL = 5
"""Columns before the name of a feature spec."""


def answer_lines(answer: Answer, width: int) -> Iterator[Text]:
    """Lay an answer out: its text, its numbered sources, how sure it is.

    Args:
        answer: As published; all its text is other people's.
        width: Columns of the terminal, 40 or more.
    """
    width = min(width, WIDEST)
    if answer.text is None:
        yield from _paragraph(f"{_silent(answer)} {printable(answer.reason or 'no reason is told')}.", width)
    else:
        yield from _paragraph(printable(answer.text), width)
        for number, citation in enumerate(answer.citations, 1):
            yield Text()
            yield from _source(number, citation, width)
    if f"[{FEATURES_LABEL}]" in (answer.text or ""):
        yield Text()
        yield from _features(answer, width)
    yield Text()
    yield from _footer(answer, width)


def confidence_words(confidence: float) -> str:
    """Say in words and as a number how sure an answer is.

    Example:
        >>> confidence_words(0.87), confidence_words(0.6), confidence_words(0.2)
        ('very likely right (87 %)', 'probably right (60 %)', 'uncertain (20 %)')
    """
    words = "very likely right" if confidence >= 0.8 else "probably right" if confidence >= 0.5 else "uncertain"
    return f"{words} ({percent(confidence)})"


def _silent(answer: Answer) -> str:
    if answer.revision > 1 or (answer.reason or "").startswith("too late"):
        return "There is no answer:"
    return "The documents do not answer this:"


def _paragraph(text: str, width: int) -> Iterator[Text]:
    for line in wrapped(text, width - len(_INDENT)):
        yield Text(f"{_INDENT}{line}")


def _source(number: int, citation: Citation, width: int) -> Iterator[Text]:
    room = width - _NUMBER - len(_INDENT)
    named = "Review" if citation.kind == "review" else citation.document_id
    title = cut(printable(citation.title or named), room)
    yield Text.assemble(_INDENT, (f"{f'[{number}]':<{_NUMBER}}", QUIET), (title, "bold"))
    for line in wrapped(f'"{printable(citation.quote)}"', room):
        yield Text(f"{'':{_NUMBER + len(_INDENT)}}{line}")
    told = [printable(citation.document_id), *([printable(citation.uri)] if citation.uri else [])]
    told = [f"product {printable(citation.product_id)}", *told] if citation.product_id else told
    yield Text(f"{'':{_NUMBER + len(_INDENT)}}{cut(' · '.join(dict.fromkeys(told)), room)}", style=QUIET)


def _features(answer: Answer, width: int) -> Iterator[Text]:
    """Show the features an answer cites, row by row, and how old they are; of an unknown key, that it is."""
    room, indent = width - _LABEL - len(_INDENT), f"{'':{_LABEL + len(_INDENT)}}"
    spec = cut(printable(answer.feature_spec or ""), room)
    yield Text.assemble(_INDENT, (f"{f'[{FEATURES_LABEL}]':<{_LABEL}}", QUIET), (spec, "bold"))
    left = dict.fromkeys(answer.features)
    for name in (name for source in answer.feature_sources for name in source.features):
        left.pop(name, None)
    yield from (Text(f"{indent}{line}") for line in _values(answer, left, room))
    shown = set(left)
    for source in answer.feature_sources:
        names = [] if source.missing else [name for name in source.features if name not in shown]
        shown.update(source.features)
        yield from (Text(f"{indent}{line}") for line in _values(answer, names, room))
        known = "nothing is known" if source.age_s is None else f"{age(source.age_s)} ago"
        where = f"{printable(source.table)} {printable(source.key or '-')} · {known}"
        yield Text(f"{indent}{cut(where, room)}", style=QUIET)


def _values(answer: Answer, names: Iterable[str], room: int) -> Iterator[str]:
    told = [(name, answer.features.get(name)) for name in names]
    shown = [f"{printable(name)} {_value(value)}" for name, value in told if value is not None]
    return wrapped(" · ".join(shown), room) if shown else iter(())


def _value(value: FeatureValue) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float) and value.is_integer():
        return f"{value:,.0f}"
    return f"{value:,}" if isinstance(value, int | float) else printable(str(value))


def _footer(answer: Answer, width: int) -> Iterator[Text]:
    told = []
    if answer.confidence is not None and answer.text is not None:  # a reason tells its own
        told.append(confidence_words(answer.confidence))
    if "total" in answer.timings_ms:
        told.append(f"{answer.timings_ms['total']:,.0f} ms")
    if answer.writer is not None:
        told.append(printable(answer.writer.engine))
    if answer.text is not None and answer.reason:
        told.append(printable(answer.reason))
    if answer.features_reason:
        told.append(f"without features: {printable(answer.features_reason)}")
    for line in wrapped(" · ".join(told), width - len(_INDENT)):
        yield Text(f"{_INDENT}{line}", style=QUIET)
