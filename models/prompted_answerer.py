"""Have a language model answer from passages; what it says is checked by whoever asked."""

import asyncio
from collections.abc import Sequence
from typing import Any

from models.ports import AnswerRequest, Completed, Completion, WriteFailure, Written
from models.prompted import Prompted
from processors.answers.stated import Stated
from schemas.answers import FEATURES_LABEL


class PromptedAnswerer(Prompted):
    """An ``Answerer`` that asks a language model.

    Its prompt takes some of ``question``, ``passages``, ``features`` and ``language``; see ``models.prompted`` for the
    rest.
    """

    async def answer(
        self, requests: Sequence[AnswerRequest], patience_s: float | None = None
    ) -> Sequence[Written | WriteFailure]:
        """Return one result a request, same order; an empty text abstains."""
        return await asyncio.gather(*(self._answer(request, patience_s) for request in requests))

    async def _answer(self, request: AnswerRequest, patience_s: float | None) -> Written | WriteFailure:
        passages = [
            {"number": number, "title": passage.hit.title, "text": passage.text}
            for number, passage in enumerate(request.passages, start=1)
        ]
        features = [] if request.stated is None else [told_to_models(request.stated)]
        messages = self._messages({"question": request.question, "passages": passages, "features": features})
        if isinstance(messages, WriteFailure):
            return messages
        completion = Completion(messages, self._decoding, self._prompt.schema, patience_s, request.request_id)
        result = await self._engine.complete(completion)
        if isinstance(result, Completed):
            return Written(result.text.strip(), result.tokens_in, result.tokens_out, model=result.model)
        return result


def told_to_models(stated: Stated) -> dict[str, Any]:
    """Return what features say as models read it: data, as the passages are."""
    return {"number": FEATURES_LABEL, "says": [one.text for one in stated.statements], "values": dict(stated.values)}
