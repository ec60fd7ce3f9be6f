"""How dead letters look in a terminal: a line each, or one in full."""

import base64
from collections.abc import Iterator, Sequence

from rich.text import Text

from schemas.dead_letters import DeadLetter
from streams.cli.render import QUIET, age, cut, pad, plural, printable

PAYLOAD_SHOWN_CHARACTERS = 1_000

_AGE_CELLS = 7


def table_lines(letters: Sequence[DeadLetter], now: float, width: int) -> Iterator[Text]:
    """Lay dead letters out, a line each, in the order given.

    Args:
        letters: As published; all their text is other people's.
        now: Unix seconds.
        width: Columns of the terminal, 60 or more.
    """
    reasons = max(len("reason"), *(len(letter.reason) for letter in letters))
    sources = min(max(len("source"), *(len(_source(letter)) for letter in letters)), max(width // 2 - 6, 20))
    rest = width - _AGE_CELLS - reasons - sources - 6
    yield Text(f"{'age':>{_AGE_CELLS}}  {pad('reason', reasons)}  {pad('source', sources)}  error", style="bold")
    for letter in letters:
        line = Text.assemble((f"{age(now - letter.failed_at.timestamp()):>{_AGE_CELLS}}", QUIET))
        line.append(f"  {pad(letter.reason, reasons)}  ")
        line.append(f"{pad(_source(letter), sources)}  {cut(_told(letter), rest)}")
        yield line


def letter_lines(letter: DeadLetter, now: float, width: int) -> Iterator[Text]:
    """Lay one dead letter out in full."""
    facts = (
        ("id", letter.dead_letter_id),
        ("agent", letter.agent),
        ("source", _source(letter)),
        ("failed", f"{letter.failed_at.isoformat()} ({age(now - letter.failed_at.timestamp())} ago)"),
        ("reason", letter.reason),
        ("field", letter.field),
        ("error", letter.error),
        ("key", _text(letter.key_base64)),
        ("payload", _size(letter)),
        ("sha256", letter.payload_sha256),
    )
    for name, value in facts:
        if value is not None:
            yield Text.assemble((f"{name:<9}", "bold"), printable(value))
    for header in letter.headers:
        value = _text(header.value_base64)
        value = "(null)" if value is None else value
        yield Text.assemble((f"{'header':<9}", "bold"), cut(f"{printable(header.key)} = {printable(value)}", width - 9))
    yield Text()
    yield from _payload(letter, width)


def _payload(letter: DeadLetter, width: int) -> Iterator[Text]:
    text = _text(letter.payload_base64)
    if text is None:
        yield Text("No payload: the event was a tombstone.", style=QUIET)
        return
    shown = printable(text[:PAYLOAD_SHOWN_CHARACTERS])
    while shown:
        line = cut(shown, width).removesuffix("…") or shown[:1]
        yield Text(line.rstrip())
        shown = shown[len(line) :].lstrip()
    if len(text) > PAYLOAD_SHOWN_CHARACTERS:
        yield Text(f"… {plural(len(text) - PAYLOAD_SHOWN_CHARACTERS, 'character')} more, with --json", style=QUIET)


def _source(letter: DeadLetter) -> str:
    return f"{letter.source.topic}:{letter.source.partition}:{letter.source.offset}"


def _told(letter: DeadLetter) -> str:
    error = printable(letter.error)
    field = printable(letter.field) if letter.field else ""
    return error if not field or error.startswith(field) else f"{field}: {error}"


def _size(letter: DeadLetter) -> str:
    return plural(letter.payload_bytes, "byte")


def _text(encoded: str | None) -> str | None:
    """Show bytes as text where they are, with what is not spelled out."""
    return None if encoded is None else base64.b64decode(encoded).decode("utf-8", errors="backslashreplace")
