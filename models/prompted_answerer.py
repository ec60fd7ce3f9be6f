"""Have a language model answer from passages; what it says is checked by whoever asked."""

import asyncio
from collections.abc import Sequence

from models.ports import AnswerRequest, Completed, Completion, Decoding, Engine, WriteFailure, Written
from models.prompting.prompts import Prompt


class PromptedAnswerer:
    """An ``Answerer`` that asks a language model.

    Args:
        engine: The model.
        prompt: See ``models.prompting.prompts``; its inputs are some of ``question``, ``passages``, ``language``.
        decoding: How it chooses its words.
        language: Of the answers, as the prompt is told it; empty leaves it to the model.
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

    async def answer(self, requests: Sequence[AnswerRequest]) -> Sequence[Written | WriteFailure]:
        """Return one result a request, same order; an empty text abstains."""
        return await asyncio.gather(*(self._answer(request) for request in requests))

    async def _answer(self, request: AnswerRequest) -> Written | WriteFailure:
        passages = [
            {"number": number, "title": passage.hit.title, "text": passage.text}
            for number, passage in enumerate(request.passages, start=1)
        ]
        inputs = {"question": request.question, "passages": passages, "language": self._language}
        completion = Completion(
            self._prompt.render(inputs), self._decoding, self._prompt.schema, key=request.request_id
        )
        result = await self._engine.complete(completion)
        if isinstance(result, Completed):
            return Written(result.text.strip(), result.tokens_in, result.tokens_out)
        return result
