"""Have a language model answer from passages; what it says is checked by whoever asked."""

import asyncio
from collections.abc import Sequence

from models.ports import AnswerRequest, Completed, Completion, WriteFailure, Written
from models.prompted import Prompted


class PromptedAnswerer(Prompted):
    """An ``Answerer`` that asks a language model.

    Its prompt takes some of ``question``, ``passages`` and ``language``; see ``models.prompted`` for the rest.
    """

    async def answer(self, requests: Sequence[AnswerRequest]) -> Sequence[Written | WriteFailure]:
        """Return one result a request, same order; an empty text abstains."""
        return await asyncio.gather(*(self._answer(request) for request in requests))

    async def _answer(self, request: AnswerRequest) -> Written | WriteFailure:
        passages = [
            {"number": number, "title": passage.hit.title, "text": passage.text}
            for number, passage in enumerate(request.passages, start=1)
        ]
        messages = self._messages({"question": request.question, "passages": passages})
        if isinstance(messages, WriteFailure):
            return messages
        completion = Completion(messages, self._decoding, self._prompt.schema, key=request.request_id)
        result = await self._engine.complete(completion)
        if isinstance(result, Completed):
            return Written(result.text.strip(), result.tokens_in, result.tokens_out)
        return result
