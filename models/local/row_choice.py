"""In the model's process: every row of a batch chooses its next token in its own way."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from models.local.wire import Row

if TYPE_CHECKING:  # the llm extra is there only in the model's process
    import torch


class RowState:
    """How far one row of a batch is.

    Args:
        row: The request.
        grammar: What it may say; None for anything.
    """

    def __init__(self, row: Row, grammar: Any | None) -> None:
        import torch
        import xgrammar

        self.row = row
        self.matcher = None if grammar is None else xgrammar.GrammarMatcher(grammar)
        self.said: list[int] = []
        self.done = False
        self.random: torch.Generator | None = None
        if row.temperature > 0:
            self.random = torch.Generator()
            self.random.manual_seed(row.seed) if row.seed is not None else self.random.seed()


class RowChoice:
    """A logits processor that leaves each row the tokens it may say; of a row that draws, only the one it drew.

    A row draws from its own generator: what it says with a seed does not depend on who is in its batch.

    Args:
        rows: One a row of the batch.
        vocabulary: Tokens the model knows.
        marks: Special tokens, the stops left out: for a grammar they are text, but nobody would see it.
    """

    def __init__(self, rows: Sequence[RowState], vocabulary: int, marks: Sequence[int] = ()) -> None:
        import xgrammar

        self._rows, self._marks = rows, list(marks)
        self._apply = xgrammar.apply_token_bitmask_inplace
        self._mask = None
        if any(row.matcher for row in rows):
            self._mask = xgrammar.allocate_token_bitmask(len(rows), vocabulary)

    def __call__(self, input_ids: "torch.Tensor", scores: "torch.Tensor") -> "torch.Tensor":
        """Change the scores of the next tokens.

        Args:
            input_ids: ``(B, T)`` all tokens so far.
            scores: ``(B, V)`` float.

        Returns:
            ``(B, V)``; the likeliest of each row is what it says.
        """
        if self._mask is not None:
            self._mask.fill_(-1)  # all bits: anything
            for place, row in enumerate(self._rows):
                if row.matcher and not row.done:
                    row.matcher.fill_next_token_bitmask(self._mask, place)
                    scores[place, self._marks] = float("-inf")
            self._apply(scores, self._mask.to(scores.device))
        for place, row in enumerate(self._rows):
            if row.random is not None and not row.done:
                drawn = draw(scores[place], row.row.temperature, row.row.top_p, row.random)
                scores[place] = float("-inf")
                scores[place, drawn] = 0.0
        return scores


class RowEnds:
    """A stopping criterion that ends each row for itself: at a stop, at its own length, or when nobody waits for it.

    Args:
        rows: One a row of the batch.
        stops: Tokens that end a text.
        on_step: Called before each look, so that who gave up is known.
        on_token: Called with each row and its new token.
        on_end: Called once for each row; True where the text ended by itself.
    """

    def __init__(
        self,
        rows: Sequence[RowState],
        stops: frozenset[int],
        on_step: Callable[[], None],
        on_token: Callable[[RowState, int], None],
        on_end: Callable[[RowState, bool], None],
    ) -> None:
        self._rows, self._stops = rows, stops
        self._on_step, self._on_token, self._on_end = on_step, on_token, on_end

    def __call__(self, input_ids: "torch.Tensor", scores: Any, **_: Any) -> "torch.Tensor":
        """Take each row's new token.

        Args:
            input_ids: ``(B, T)`` all tokens so far, the new ones last.
            scores: Not looked at.

        Returns:
            ``(B,)`` bool: rows that are done.
        """
        self._on_step()
        for row, token in zip(self._rows, input_ids[:, -1].tolist(), strict=True):
            if not row.done:
                self._take(row, token)
        return input_ids.new_tensor([row.done for row in self._rows]).bool()

    def _take(self, row: RowState, token: int) -> None:
        ended = token in self._stops
        if row.matcher:
            row.matcher.accept_token(token)
        if not ended:
            row.said.append(token)
            self._on_token(row, token)
        if ended or len(row.said) >= row.row.max_tokens:
            row.done = True
            self._on_end(row, ended)


def draw(scores: "torch.Tensor", temperature: float, top_p: float, random: "torch.Generator") -> int:
    """Draw a token.

    Args:
        scores: ``(V,)`` float logits, any device.
        temperature: Above 0.
        top_p: The likeliest tokens that together reach this are drawn from, above 0 and up to 1.
        random: On the CPU.
    """
    import torch

    likely = torch.softmax(scores.float().cpu() / temperature, dim=-1)
    ordered, tokens = likely.sort(descending=True)
    before = ordered.cumsum(-1) - ordered
    kept = torch.where(before < top_p, ordered, torch.zeros_like(ordered))
    return int(tokens[torch.multinomial(kept, 1, generator=random)])
