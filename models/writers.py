"""Choose the writer a setting names.

Errors:
    ValueError
    └── UnknownWriterError   the setting names nobody who could write; see ``models.naming``
"""

from models.engines import Engines, prompt_of
from models.extractive import ExtractiveWriter
from models.naming import ModelName, UnknownWriterError
from models.ports import Encoder, Writer

__all__ = ["UnknownWriterError", "choose_writer"]

INPUTS = ("material", "language")
"""What a summary's prompt can be filled in with."""


def choose_writer(setting: str, encoder: Encoder, encoder_version: str, engines: Engines, prompt: str) -> Writer:
    """Return the writer named by ``extractive``, ``openai:MODEL`` or ``local:FOLDER#ADAPTER``.

    Args:
        setting: The name.
        encoder: Used by the extractive writer.
        encoder_version: Becomes its model name.
        engines: Language models.
        prompt: Name or path of their prompt.

    Raises:
        UnknownWriterError: If there is no such writer, or it cannot be had.
    """
    name = ModelName.parse(setting)
    if name.kind == "extractive":
        return ExtractiveWriter(encoder, encoder_version)
    from models.prompted_writer import PromptedWriter  # here: the extractive writer needs none of it

    loaded, manner = prompt_of(prompt, INPUTS), engines.manner
    return PromptedWriter(engines.get(name), loaded, manner.decoding, manner.language)
