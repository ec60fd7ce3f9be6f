"""Choose the writer a setting names.

Errors:
    UnknownWriterError: the setting names no writer of this version
"""

from models.extractive import ExtractiveWriter
from models.ports import Encoder, Writer


class UnknownWriterError(ValueError):
    """A writer setting that this version cannot serve."""


def choose_writer(setting: str, encoder: Encoder, encoder_version: str) -> Writer:
    """Return the writer named by ``extractive``, ``openai:MODEL`` or ``local:PATH``.

    Args:
        setting: The value of ``MILLRACE_WRITER``.
        encoder: Used by the extractive writer.
        encoder_version: Becomes its model name.

    Raises:
        UnknownWriterError: If the setting names another writer, or one that a later version brings.

    Example:
        >>> choose_writer("openai:a-model", None, "")
        Traceback (most recent call last):
        ...
        models.writers.UnknownWriterError: writer openai:a-model: a later version brings it; use "extractive" now
    """
    kind, _, name = setting.partition(":")
    if setting == "extractive":
        return ExtractiveWriter(encoder, encoder_version)
    if kind in {"openai", "local"} and name:
        raise UnknownWriterError(f'writer {setting}: a later version brings it; use "extractive" now')
    raise UnknownWriterError(f'writer {setting!r}: unknown; use "extractive" (later also openai:MODEL, local:PATH)')
