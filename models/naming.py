"""Read from a setting who is to write: ``extractive``, ``openai:MODEL``, ``local:FOLDER``, ``local:FOLDER#ADAPTER``.

Errors:
    ValueError
    └── UnknownWriterError   a setting that names nobody who could write, with what to do about it
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Self

Kind = Literal["extractive", "openai", "local"]

KNOWN = "Use extractive, openai:MODEL, local:FOLDER or local:FOLDER#ADAPTER."


class UnknownWriterError(ValueError):
    """A setting that names nobody who could write.

    Args:
        message: What is wrong, one line.
        remedy: What to do, one line.
    """

    def __init__(self, message: str, remedy: str = KNOWN) -> None:
        super().__init__(f"{message}. {remedy}")
        self.message = message
        self.remedy = remedy


@dataclass(frozen=True, slots=True)
class ModelName:
    """Who writes, as a setting says.

    Args:
        kind: What runs it.
        model: Its name at the endpoint, or its folder; empty for ``extractive``.
        adapter: Of a local model; none is the model itself.

    Example:
        >>> ModelName.parse("local:/models/small#polite")
        ModelName(kind='local', model='/models/small', adapter='polite')
        >>> ModelName.parse("openai:org/large:free#2").model
        'org/large:free#2'
        >>> ModelName.parse("openai:")
        Traceback (most recent call last):
        ...
        models.naming.UnknownWriterError: writer 'openai:' names no model. Use extractive, openai:MODEL, \
local:FOLDER or local:FOLDER#ADAPTER.
    """

    kind: Kind
    model: str = ""
    adapter: str | None = None

    @classmethod
    def parse(cls, setting: str) -> Self:
        """Read one name.

        Raises:
            UnknownWriterError: If it is none.
        """
        kind, colon, model = setting.strip().partition(":")
        if kind == "extractive" and not colon:
            return cls("extractive")
        if kind not in ("openai", "local") or not colon:
            raise UnknownWriterError(f"writer {setting!r} is unknown")
        if kind == "openai":
            return cls("openai", _named(model, setting))
        folder, hash_, adapter = model.rpartition("#") if "#" in model else (model, "", "")
        return cls("local", _named(folder, setting), _named(adapter, setting) if hash_ else None)

    @classmethod
    def parse_all(cls, setting: str | None) -> list[Self]:
        """Read several names, with commas between them.

        Raises:
            UnknownWriterError: If one of them is none.

        Example:
            >>> [one.kind for one in ModelName.parse_all("openai:a, extractive")]
            ['openai', 'extractive']
        """
        return [cls.parse(one) for one in (setting or "").split(",") if one.strip()]


def check_names(names: Sequence[ModelName], url: str | None) -> None:
    """See whether models could be there at all, before anything is loaded.

    Args:
        names: Of models.
        url: Of the OpenAI-compatible endpoint, if there is one.

    Raises:
        UnknownWriterError: If one cannot.
    """
    for name in names:
        if name.kind == "openai" and not url:
            told = f"writer openai:{name.model} needs an endpoint"
            raise UnknownWriterError(told, "Set MILLRACE_WRITER_URL=https://HOST/v1.")
        if name.kind == "local" and not (Path(name.model) / "config.json").is_file():
            told = f"writer local:{name.model}: there is no model in this folder (config.json is missing)"
            raise UnknownWriterError(told, "Name the folder of a model as transformers saves it.")


def _named(part: str, setting: str) -> str:
    if not part.strip():
        raise UnknownWriterError(f"writer {setting!r} names no model")
    return part.strip()
