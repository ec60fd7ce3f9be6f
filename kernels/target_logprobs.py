"""How likely given tokens are, without the logits of all tokens ever being in memory at once.

``(h_i . w_t + b_t) - log sum_v exp(h_i . w_v + b_v)``, the sum kept online as in Milakov and Gimelshein, "Online
normalizer calculation for softmax" (2018). Nothing is imported here until it is called: torch and triton come with the
llm extra.
"""

from __future__ import annotations  # the kernel's are read by triton, from the source

import os
from functools import cache
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch
    import triton.language as tl

CHUNK_TOKENS = 4_096
"""Vocabulary of which the torch path holds logits at once."""
SLICE_TOKENS = 512
"""Vocabulary that one program of the Triton path sums up: a row is cut the same way in every batch."""
BLOCK_TOKENS = 128


def target_logprobs(
    hidden: torch.Tensor, weight: torch.Tensor, targets: torch.Tensor, bias: torch.Tensor | None = None
) -> torch.Tensor:
    """Return the log-probability of one token for each hidden state.

    Products are summed in float32 whatever the inputs are. CUDA tensors take a Triton kernel where triton is
    installed, all others blocks of torch; ``TRITON_INTERPRET=1`` runs the kernel on any device, slowly. The same call
    on the same machine gives the same bits.

    Args:
        hidden: ``(N, D)`` bfloat16, float16 or float32, any device, N may be 0.
        weight: ``(V, D)``, the output embedding, same dtype and device, V >= 1.
        targets: ``(N,)`` whole numbers in [0, V), same device.
        bias: ``(V,)``, added to the logits, floating, same device; None for none.

    Returns:
        ``(N,)`` float32, natural logarithm.

    Raises:
        ValueError: If a shape, dtype, device or target does not fit, naming the argument.
    """
    _check(hidden, weight, targets, bias)
    if not len(hidden):
        return hidden.new_empty(0, dtype=_torch().float32)
    if _takes_triton(hidden):
        return _by_triton(hidden, weight, targets, bias)
    return _by_torch(hidden, weight, targets, bias)


def _by_torch(
    hidden: torch.Tensor, weight: torch.Tensor, targets: torch.Tensor, bias: torch.Tensor | None
) -> torch.Tensor:
    """Sum up ``CHUNK_TOKENS`` of the vocabulary at a time."""
    torch = _torch()
    states = hidden.float()
    targets = targets.long()
    norms = states.new_full((len(states),), -torch.inf)
    chosen = torch.empty_like(norms)
    for first in range(0, len(weight), CHUNK_TOKENS):
        # in float32 also where the model is not: bfloat16 would round a logit of 20 by 0.06
        logits = states @ weight[first : first + CHUNK_TOKENS].float().T
        if bias is not None:
            logits += bias[first : first + CHUNK_TOKENS].float()
        norms = torch.logaddexp(norms, logits.logsumexp(dim=1))
        places = targets - first
        here = (places >= 0) & (places < logits.shape[1])
        picked = logits.gather(1, places.clamp(0, logits.shape[1] - 1)[:, None])[:, 0]
        chosen = torch.where(here, picked, chosen)
    return chosen - norms


def _by_triton(
    hidden: torch.Tensor, weight: torch.Tensor, targets: torch.Tensor, bias: torch.Tensor | None
) -> torch.Tensor:
    """Sum up slices of the vocabulary side by side; ``(N, V / 512)`` float32 is all that is kept of them."""
    torch = _torch()
    if _interpreted() and hidden.dtype is torch.bfloat16:
        hidden, weight = hidden.float(), weight.float()  # the interpreter would multiply the bits as whole numbers
    rows, tokens, slices = len(hidden), len(weight), -(-len(weight) // SLICE_TOKENS)
    norms = hidden.new_empty((rows, slices), dtype=torch.float32)
    chosen = hidden.new_empty(rows, dtype=torch.float32)
    block_rows = 16 if rows <= 16 else 64
    block_width = 32 if hidden.dtype is torch.float32 else 64
    # rows first: programs that read the same slice of weights run together, and it comes from memory once
    grid = (-(-rows // block_rows), slices)
    weight = weight.contiguous()
    inputs = hidden.contiguous(), weight, weight if bias is None else bias.contiguous(), targets.contiguous()
    sizes = rows, tokens, hidden.shape[1]
    blocks = bias is not None, block_rows, BLOCK_TOKENS, block_width, SLICE_TOKENS
    with torch.cuda.device_of(hidden):
        # the default of this option changes with triton 3.10, and 3.9 warns
        _compiled(_interpreted())[grid](*inputs, norms, chosen, *sizes, *blocks, enable_fp_fusion=True)
    return chosen - norms.logsumexp(dim=1)


def _sum_slice(  # type: ignore[no-untyped-def]  # triton reads annotations its own way
    hidden,
    weight,
    bias,
    targets,
    norms,
    chosen,
    rows,
    tokens,
    width,
    biased: tl.constexpr,
    block_rows: tl.constexpr,
    block_tokens: tl.constexpr,
    block_width: tl.constexpr,
    slice_tokens: tl.constexpr,
):
    """Store the log-sum-exp of one slice for a block of rows, and the logits of targets that lie in it."""
    row = tl.program_id(0) * block_rows + tl.arange(0, block_rows)
    begin = tl.program_id(1) * slice_tokens
    target = tl.load(targets + row, mask=row < rows, other=-1)
    largest = tl.full((block_rows,), float("-inf"), tl.float32)
    total = tl.zeros((block_rows,), tl.float32)
    picked = tl.zeros((block_rows,), tl.float32)
    for first in range(begin, tl.minimum(begin + slice_tokens, tokens), block_tokens):
        token = first + tl.arange(0, block_tokens)
        logits = tl.zeros((block_rows, block_tokens), tl.float32)
        for start in range(0, width, block_width):
            place = start + tl.arange(0, block_width)
            state_at = row.to(tl.int64)[:, None] * width + place[None, :]  # 2**31 is soon reached
            weight_at = token.to(tl.int64)[None, :] * width + place[:, None]
            state = tl.load(hidden + state_at, (row < rows)[:, None] & (place < width)[None, :], 0.0)
            column = tl.load(weight + weight_at, (token < tokens)[None, :] & (place < width)[:, None], 0.0)
            logits = tl.dot(state, column, logits, input_precision="ieee")  # float32 is not cut to tf32
        if biased:
            logits += tl.load(bias + token, token < tokens, 0.0).to(tl.float32)[None, :]
        logits = tl.where((token < tokens)[None, :], logits, float("-inf"))
        picked += tl.sum(tl.where(token[None, :] == target[:, None], logits, 0.0), 1)
        grown = tl.maximum(largest, tl.max(logits, 1))
        base = tl.where(grown == float("-inf"), 0.0, grown)  # -inf minus -inf is no number
        total = total * tl.exp(largest - base) + tl.sum(tl.exp(logits - base[:, None]), 1)
        largest = grown
    total = tl.where(total == 0.0, 1.0, total)  # nothing but -inf was seen
    tl.store(norms + row.to(tl.int64) * tl.num_programs(1) + tl.program_id(1), largest + tl.log(total), row < rows)
    tl.store(chosen + row, picked, (target >= begin) & (target < begin + slice_tokens))


@cache
def _compiled(interpreted: bool) -> Any:
    """Give the kernel to triton; it decides here whether it compiles or interprets."""
    global tl  # where triton looks up what a kernel names
    import triton
    import triton.language as tl

    return triton.jit(_sum_slice)


def _takes_triton(hidden: torch.Tensor) -> bool:
    return (hidden.is_cuda or _interpreted()) and find_spec("triton") is not None


def _interpreted() -> bool:
    return os.environ.get("TRITON_INTERPRET") == "1"


def _check(hidden: torch.Tensor, weight: torch.Tensor, targets: torch.Tensor, bias: torch.Tensor | None) -> None:
    _check_states(hidden, weight)
    rows, tokens = len(hidden), len(weight)
    if tuple(targets.shape) != (rows,):
        raise ValueError(f"targets: shape {tuple(targets.shape)}, want ({rows},), one a row of hidden")
    if targets.is_floating_point() or targets.is_complex() or targets.dtype is _torch().bool:
        raise ValueError(f"targets: {targets.dtype}, want whole numbers")
    if bias is not None and (tuple(bias.shape) != (tokens,) or not bias.is_floating_point()):
        raise ValueError(
            f"bias: shape {tuple(bias.shape)} of {bias.dtype}, want ({tokens},) floating, as weight has rows"
        )
    for name, tensor in (("weight", weight), ("targets", targets), ("bias", bias)):
        if tensor is not None and tensor.device != hidden.device:
            raise ValueError(f"{name}: on {tensor.device}, but hidden on {hidden.device}; move one of them")
    if rows and (wrong := targets[(targets < 0) | (targets >= tokens)]).numel():
        raise ValueError(f"targets: {int(wrong[0])} is not in [0, {tokens})")


def _check_states(hidden: torch.Tensor, weight: torch.Tensor) -> None:
    torch = _torch()
    if hidden.dim() != 2 or not hidden.shape[1]:
        raise ValueError(f"hidden: shape {tuple(hidden.shape)}, want (N, D)")
    if weight.dim() != 2 or weight.shape[1] != hidden.shape[1] or not len(weight):
        raise ValueError(f"weight: shape {tuple(weight.shape)}, want (V, {hidden.shape[1]}), as wide as hidden")
    if hidden.dtype not in (torch.bfloat16, torch.float16, torch.float32):
        raise ValueError(f"hidden: {hidden.dtype}, want bfloat16, float16 or float32")
    if weight.dtype != hidden.dtype:
        raise ValueError(f"weight: {weight.dtype}, but hidden {hidden.dtype}; give both in one")


def _torch() -> Any:
    import torch

    return torch
