"""Choose the answerer a setting names.

Errors:
    UnknownAnswererError: the setting names no writer of this version
"""

from models.extractive_answers import ExtractiveAnswerer
from models.ports import Answerer, Embedder


class UnknownAnswererError(ValueError):
    """A writer setting that this version cannot answer with."""


def choose_answerer(setting: str, embedder: Embedder) -> Answerer:
    """Return the answerer named by ``extractive``, ``openai:MODEL`` or ``local:PATH``.

    Args:
        setting: The value of ``MILLRACE_WRITER``.
        embedder: Used by the extractive answerer.

    Raises:
        UnknownAnswererError: If the setting names another writer, or one that a later version brings.

    Example:
        >>> choose_answerer("openai:a-model", None)
        Traceback (most recent call last):
        ...
        models.answerers.UnknownAnswererError: writer openai:a-model: a later version brings it; use "extractive" now
    """
    kind, _, name = setting.partition(":")
    if setting == "extractive":
        return ExtractiveAnswerer(embedder)
    if kind in {"openai", "local"} and name:
        raise UnknownAnswererError(f'writer {setting}: a later version brings it; use "extractive" now')
    raise UnknownAnswererError(f'writer {setting!r}: unknown; use "extractive" (later also openai:MODEL, local:PATH)')
