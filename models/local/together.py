"""In the model's process: rows of one batch, said with ``generate`` or scored."""

import json
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from models.local.loaded_model import LoadedModel
from models.local.row_choice import RowChoice, RowEnds, RowState
from models.local.scoring import Unscorable, score_rows
from models.local.wire import Event, Failed, Piece, Row, Said, Scored

if TYPE_CHECKING:  # the llm extra is there only in the model's process
    import torch


class Together:
    """Does a batch at a time; every row is told as soon as it is done.

    Args:
        loaded: The model.
        batch_tokens: Padded tokens of a batch at most.
        say: Tells the owner.
        on_step: Called between steps; returns the numbers of rows nobody waits for any more.
    """

    def __init__(
        self,
        loaded: LoadedModel,
        batch_tokens: int,
        say: Callable[[Event], None],
        on_step: Callable[[], frozenset[int]],
    ) -> None:
        self._loaded, self._batch_tokens = loaded, batch_tokens
        self._say, self._on_step = say, on_step
        self._open: set[int] = set()  # rows of this batch that are not done
        import xgrammar

        info = xgrammar.TokenizerInfo.from_huggingface(
            loaded.tokenizer, vocab_size=loaded.vocabulary, stop_token_ids=sorted(loaded.stops) or None
        )
        self._compiler = xgrammar.GrammarCompiler(info, max_threads=1)

    def do(self, rows: Sequence[Row]) -> None:
        """Do all rows of a batch; the adapter is chosen already."""
        import torch

        self._open = {row.number for row in rows}
        try:
            if rows[0].targets is not None:
                self._score(rows)
            else:
                self._write(rows)
        except torch.OutOfMemoryError:
            self._loaded.clear_memory()
            error = f"a batch of {len(rows)} rows does not fit in the GPU's memory; set local.batch_tokens lower"
            for number in sorted(self._open):
                self._say(Failed(number, error, retryable=True))
        except Unscorable as problem:
            for number in sorted(self._open):
                self._say(Failed(number, str(problem), lasting=True))

    def _score(self, rows: Sequence[Row]) -> None:
        for row, logprobs in zip(rows, score_rows(self._loaded, rows, self._batch_tokens), strict=True):
            self._open.discard(row.number)
            self._say(Scored(row.number, logprobs))

    def _write(self, rows: Sequence[Row]) -> None:
        states = [state for state in map(self._begin, rows) if state is not None]
        if not states:
            return
        self._generate(states)

    def _begin(self, row: Row) -> RowState | None:
        if row.json_schema is None:
            return RowState(row, None)
        try:
            grammar = self._compiler.compile_json_schema(row.json_schema, any_whitespace=False)
        except RuntimeError as error:
            reason = next(iter(str(error).strip().splitlines()), "no reason given")
            self._open.discard(row.number)
            self._say(Failed(row.number, f"xgrammar does not take this schema: {reason}", lasting=True))
            return None
        return RowState(row, grammar)

    def _generate(self, states: Sequence[RowState]) -> None:
        import torch
        from transformers import GenerationConfig, LogitsProcessorList, StoppingCriteriaList

        tokens, mask = self._padded([state.row.tokens for state in states])
        ends = RowEnds(states, self._loaded.stops, lambda: self._step(states), self._piece, self._end)
        settings = GenerationConfig(
            max_new_tokens=max(state.row.max_tokens for state in states),
            do_sample=False,  # RowChoice leaves one token to a row that draws
            eos_token_id=sorted(self._loaded.stops) or None,
            pad_token_id=self._loaded.padding,
        )
        chooser: Any = RowChoice(states, self._loaded.vocabulary, self._loaded.marks)
        with torch.inference_mode():
            self._loaded.model.generate(
                tokens,
                attention_mask=mask,
                generation_config=settings,
                logits_processor=LogitsProcessorList([chooser]),
                stopping_criteria=StoppingCriteriaList([ends]),
            )

    def _padded(self, prompts: Sequence[Sequence[int]]) -> "tuple[torch.Tensor, torch.Tensor]":
        """Return ``(B, T)`` int64 tokens and mask, padded on the left."""
        import torch

        longest = max(map(len, prompts))
        rows = [[self._loaded.padding] * (longest - len(prompt)) + list(prompt) for prompt in prompts]
        mask = [[0] * (longest - len(prompt)) + [1] * len(prompt) for prompt in prompts]
        return torch.tensor(rows, device=self._loaded.device), torch.tensor(mask, device=self._loaded.device)

    def _step(self, states: Sequence[RowState]) -> None:
        given_up = self._on_step()
        for state in states:
            if not state.done and state.row.number in given_up:
                state.done = True
                self._end(state, False)

    def _piece(self, state: RowState, token: int) -> None:
        if state.row.streamed:
            self._say(Piece(state.row.number, [token]))

    def _end(self, state: RowState, ended: bool) -> None:
        if not ended and state.matcher and state.row.json_schema:
            ended = _whole(self._loaded.tokenizer.decode(state.said, skip_special_tokens=True))
        self._open.discard(state.row.number)
        self._say(Said(state.row.number, state.said, ended))


def _whole(text: str) -> bool:
    """Whether a text that reached its length is JSON all the same."""
    try:
        json.loads(text, strict=False)
    except ValueError:
        return False
    return True
