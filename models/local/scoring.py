"""In the model's process: how likely given continuations are."""

from collections.abc import Sequence
from itertools import accumulate
from typing import TYPE_CHECKING, Any

from kernels.target_logprobs import target_logprobs
from models.local.loaded_model import LoadedModel
from models.local.wire import Row

if TYPE_CHECKING:  # the llm extra is there only in the model's process
    import torch


class Unscorable(ValueError):
    """A model whose probabilities cannot be told."""


_Begun = tuple[int, tuple[int, ...]]
"""Place of a row, and the tokens of a target before its last."""


def score_rows(loaded: LoadedModel, rows: Sequence[Row], batch_tokens: int) -> list[list[list[float]]]:
    """Return for each row, each target and each of its tokens the log-probability after all before it.

    Targets that begin alike share a sequence: all targets of one token cost one reading of the prompt.

    Args:
        loaded: The model, its adapter chosen.
        rows: Each with targets.
        batch_tokens: Padded tokens read together at most; a longer sequence goes alone.
    """
    begun = {(place, tuple(target[:-1])) for place, row in enumerate(rows) for target in row.targets or []}
    sequences = sorted(begun, key=lambda one: (len(rows[one[0]].tokens) + len(one[1]), one))
    import torch

    found: dict[_Begun, torch.Tensor] = {}
    with torch.inference_mode():
        for chunk in _chunks(sequences, rows, batch_tokens):
            lasts = _last_states(loaded, [rows[place].tokens + list(begin) for place, begin in chunk], chunk)
            found.update(zip(chunk, lasts, strict=True))
        return [_score(loaded, found, place, row.targets or []) for place, row in enumerate(rows)]


def _score(
    loaded: LoadedModel, found: "dict[_Begun, torch.Tensor]", place: int, targets: list[list[int]]
) -> list[list[float]]:
    """Look up the state before each token of each target."""
    import torch

    states, tokens = [], []
    for target in targets:
        states.append(found[place, tuple(target[:-1])])
        tokens += target
    if not tokens:
        return []
    chosen = torch.tensor(tokens, device=states[0].device)
    flat = _logprobs(loaded, torch.cat(states), chosen).tolist()
    ends = accumulate(len(target) for target in targets)
    return [flat[end - len(target) : end] for target, end in zip(targets, ends, strict=True)]


def _last_states(loaded: LoadedModel, sequences: list[list[int]], chunk: "Sequence[_Begun]") -> "list[torch.Tensor]":
    """Return for each sequence the hidden states ``(K, D)`` of its last K tokens, K one more than what was begun."""
    import torch

    longest = max(map(len, sequences))
    tokens = torch.full((len(sequences), longest), loaded.padding)
    mask = torch.zeros_like(tokens)
    for place, sequence in enumerate(sequences):
        tokens[place, : len(sequence)] = torch.tensor(sequence)
        mask[place, : len(sequence)] = 1
    inner = loaded.model.base_model
    hidden = inner(input_ids=tokens.to(loaded.device), attention_mask=mask.to(loaded.device), use_cache=False)[0]
    return [
        hidden[place, len(sequence) - len(begin) - 1 : len(sequence)]
        for place, (sequence, (_, begin)) in enumerate(zip(sequences, chunk, strict=True))
    ]


def _logprobs(loaded: LoadedModel, hidden: "torch.Tensor", targets: "torch.Tensor") -> "torch.Tensor":
    import torch

    head: Any = loaded.model.get_output_embeddings()
    text = loaded.model.config.get_text_config()
    if any(getattr(text, name, None) for name in ("final_logit_softcapping", "logits_scaling", "logit_scale")):
        raise Unscorable(f"{text.model_type} models scale or cap their logits, which scoring does not know")
    if type(head) is not torch.nn.Linear:  # an adapter is around it, whose part its weight does not show
        return torch.nn.functional.log_softmax(head(hidden).float(), dim=-1).gather(1, targets[:, None])[:, 0]
    return target_logprobs(hidden, head.weight, targets, head.bias)


def _chunks(sequences: "Sequence[_Begun]", rows: Sequence[Row], batch_tokens: int) -> "list[list[_Begun]]":
    """Cut sequences, shortest first, into batches."""
    chunks: list[list[_Begun]] = []
    for one in sequences:
        length = len(rows[one[0]].tokens) + len(one[1])
        if chunks and (len(chunks[-1]) + 1) * length <= batch_tokens:
            chunks[-1].append(one)
        else:
            chunks.append([one])
    return chunks
