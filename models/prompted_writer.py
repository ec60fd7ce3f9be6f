"""Have a language model write a summary, and hold every sentence against the points it names."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace

import msgspec

from models.ports import Completed, Completion, Message, WriteFailure, WriteRequest, Written
from models.prompted import Prompted
from processors.texts.guarding.guard import check_sentences
from processors.texts.guarding.sentences import Sentences
from processors.texts.told import tell

_AGAIN = (
    "Some of this is not in the points: {reasons}. Write all sentences again, JSON only, and leave out what the points "
    "do not say."
)
_TOLD_REASONS = 5


@dataclass(slots=True)
class _Spent:
    """What all tries of one text cost."""

    tokens_in: int = 0
    tokens_out: int = 0
    asked: bool = False

    def add(self, one: Completed | WriteFailure) -> None:
        self.tokens_in += one.tokens_in
        self.tokens_out += one.tokens_out
        self.asked |= isinstance(one, Completed) or one.asked


class PromptedWriter(Prompted):
    """A ``Writer`` that asks a language model, twice if what it says is not borne out by the points.

    Its prompt takes some of ``material`` and ``language``; see ``models.prompted`` for the rest.
    """

    refreshes = False

    async def write(self, requests: Sequence[WriteRequest]) -> Sequence[Written | WriteFailure]:
        """Return one result a request, same order; an empty text where there is nothing to write about."""
        return await asyncio.gather(*(self._write(request) for request in requests))

    async def _write(self, request: WriteRequest) -> Written | WriteFailure:
        material, spent = tell(request.reading), _Spent()
        if not material:
            return Written("")
        messages = self._messages({"material": msgspec.to_builtins(material)})
        if isinstance(messages, WriteFailure):
            return messages
        faults: list[str] = []
        for _ in range(2):
            completed = await self._ask(messages, request.product_id, spent)
            if isinstance(completed, WriteFailure):
                return completed
            said = completed.text
            sentences = _read(said)
            guarded = None if isinstance(sentences, str) else check_sentences(sentences, material, self._language)
            if guarded is not None and not guarded.reasons:
                return Written(guarded.text, spent.tokens_in, spent.tokens_out, said, completed.model)
            reasons = [str(sentences)] if guarded is None else guarded.reasons
            faults = ["it was not the JSON that was asked for"] if guarded is None else guarded.faults
            told = _AGAIN.format(reasons="; ".join(reasons[:_TOLD_REASONS]))
            messages = (*messages, Message("assistant", said), Message("user", told))
        why = f"rejected twice: {'; '.join(dict.fromkeys(faults[:_TOLD_REASONS]))}"  # published: nothing it said
        return WriteFailure(why, False, lasting=True, tokens_in=spent.tokens_in, tokens_out=spent.tokens_out)

    async def _ask(self, messages: Sequence[Message], key: str, spent: _Spent) -> Completed | WriteFailure:
        completion = Completion(tuple(messages), self._decoding, schema=self._prompt.schema, key=key)
        result = await self._engine.complete(completion)
        spent.add(result)
        if isinstance(result, Completed):
            return result
        return replace(result, tokens_in=spent.tokens_in, tokens_out=spent.tokens_out, asked=spent.asked)


def _read(said: str) -> Sentences | str:
    """Return the sentences, or why there are none."""
    try:
        return msgspec.json.decode(said, type=Sentences)
    except msgspec.MsgspecError as error:
        return f"it is not the JSON that was asked for ({error})"
