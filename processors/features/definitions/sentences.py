"""Sentences of a spec: what an answer may say of its values."""

from dataclasses import dataclass
from string import Formatter

AGE = "age"


class WrongSentence(ValueError):
    """A sentence that cannot be filled in.

    Args:
        what: Is wrong.
        remedy: What to do.
    """

    def __init__(self, what: str, remedy: str) -> None:
        super().__init__(what)
        self.what = what
        self.remedy = remedy


@dataclass(frozen=True, slots=True)
class Piece:
    """Text, and the value that follows it.

    Args:
        text: As it stands.
        name: Of the value; None at the end.
        age: Whether its age is told instead.
    """

    text: str
    name: str | None
    age: bool = False


@dataclass(frozen=True, slots=True)
class Sentence:
    """One sentence, taken apart.

    Example:
        >>> Sentence.parse("Your order left {last_city} {last_city.age} ago.").names
        ('last_city',)
    """

    pieces: tuple[Piece, ...]

    @classmethod
    def parse(cls, text: str) -> "Sentence":
        """Take a format string apart.

        Raises:
            WrongSentence: If it is none, or asks for more than values and ages.
        """
        try:
            parts = list(Formatter().parse(text))
        except (TypeError, ValueError) as error:
            remedy = 'Write "Your order left {last_city} {last_city.age} ago."; a brace is written twice: {{.'
            raise WrongSentence(f"{text!r} cannot be read ({error})", remedy) from error
        return cls(tuple(_piece(text, *part) for part in parts))

    @property
    def names(self) -> tuple[str, ...]:
        """What it tells of."""
        return tuple(dict.fromkeys(one.name for one in self.pieces if one.name is not None))

    @property
    def aged(self) -> tuple[str, ...]:
        """Whose age it tells."""
        return tuple(dict.fromkeys(one.name for one in self.pieces if one.name is not None and one.age))


def _piece(sentence: str, text: str, field: str | None, form: str | None, conversion: str | None) -> Piece:
    if field is None:
        return Piece(text, None)
    if form or conversion:
        raise WrongSentence(f"{sentence!r}: {{{field}}} has a format", "Round or write it in a function; name that.")
    name, dot, attribute = field.partition(".")
    if not name or (dot and attribute != AGE):
        raise WrongSentence(f"{sentence!r}: {{{field}}} is no value", "Write {NAME} or {NAME.age}.")
    return Piece(text, name, bool(dot))
