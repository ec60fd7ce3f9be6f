"""Choose the answerer a setting names.

Errors:
    ValueError
    └── UnknownWriterError   the setting names nobody who could answer; see ``models.naming``
"""

from models.engines import Engines, prompt_of
from models.naming import ModelName
from models.ports import Answerer

INPUTS = ("question", "passages", "features", "language")
"""What an answer's prompt can be filled in with."""


def choose_answerer(setting: str, extractive: Answerer, engines: Engines, prompt: str) -> Answerer:
    """Return the answerer named by ``extractive``, ``openai:MODEL`` or ``local:FOLDER#ADAPTER``.

    Args:
        setting: The name.
        extractive: The answerer of that name.
        engines: Language models.
        prompt: Name or path of their prompt.

    Raises:
        UnknownWriterError: If there is no such answerer, or it cannot be had.
    """
    name = ModelName.parse(setting)
    if name.kind == "extractive":
        return extractive
    from models.prompted_answerer import PromptedAnswerer  # here: the extractive answerer needs none of it

    loaded, manner = prompt_of(prompt, INPUTS), engines.manner
    return PromptedAnswerer(engines.get(name), loaded, manner.decoding, manner.language)
