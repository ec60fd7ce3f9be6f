"""What whoever writes with a language model and a prompt has: a name for every call, and the prompt filled in."""

from collections.abc import Mapping
from typing import Any

from models.ports import Decoding, Engine, Message, WriteFailure
from models.prompting.prompts import Prompt, PromptError


class Prompted:
    """A language model with its prompt.

    Args:
        engine: The model.
        prompt: See ``models.prompting.prompts``.
        decoding: How it chooses its words.
        language: Of the texts, as the prompt is told it; empty follows what they are written from.
    """

    def __init__(self, engine: Engine, prompt: Prompt, decoding: Decoding, language: str = "") -> None:
        self._engine = engine
        self._prompt = prompt
        self._decoding = decoding
        self._language = language
        self.engine = engine.engine
        self.endpoint = engine.endpoint
        self.prompt_version = prompt.identity
        self.parameters = decoding.canonical + (f"/{language}" if language else "")

    @property
    def model(self) -> str:
        """See ``models.ports``: an adapter may be exchanged while it runs, and is another model then."""
        return self._engine.model

    def _messages(self, inputs: Mapping[str, Any]) -> tuple[Message, ...] | WriteFailure:
        """Fill the prompt in with those of the inputs, and of the language, that it declares."""
        given = {**inputs, "language": self._language}
        try:
            return self._prompt.render({name: given[name] for name in self._prompt.inputs})
        except PromptError as error:  # a fault of the file: nobody is asked, and no worker ends
            cause = error.__cause__  # its words may be those of what was to be filled in
            why = (
                f"prompt {self._prompt.name}: cannot be filled in ({type(cause).__name__}); try `millrace prompts test`"
            )
            return WriteFailure(why if cause else str(error), retryable=False, asked=False)
