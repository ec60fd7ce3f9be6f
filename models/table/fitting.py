"""Fit token rows so that their sums point where MiniLM's sentence vectors point."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Tokens = Sequence[npt.NDArray[np.int64]]

FIRST_CHARACTER = 999
"""Word pieces below are special or unused."""
FIRST_WORD = 1996
"""Words stand from here in order of frequency; single characters before."""
CLIPPED_SHARE = 1e-4
"""Share of the largest entries cut off, so that the rest uses the range of int8."""


@dataclass(frozen=True, slots=True)
class FitSettings:
    """What the fit depends on besides its input."""

    dimensions: int = 128
    epochs: int = 6
    batch: int = 128
    learning_rate: float = 3e-3
    stay: float = 0.2  # weight of the mean squared distance a row moves from where it started
    seed: int = 0


def fit(tokens: Tokens, sentences: Floats, pieces: Floats, settings: FitSettings) -> npt.NDArray[np.int8]:
    """Return the fitted table.

    Args:
        tokens: Word pieces of each segment; none is empty.
        sentences: MiniLM's vectors of the segments, ``(N, 384)``.
        pieces: MiniLM's vectors of the word pieces alone, ``(V, 384)``.
        settings: Sizes, rates and seed.

    Returns:
        ``(V, dimensions)`` int8; special and unused word pieces are zero.
    """
    centred = _unit(sentences)
    centred -= centred.mean(0)
    axes = _principal_axes(centred, settings.dimensions)
    start = starting_rows(pieces, axes)
    used = np.unique(np.concatenate(tokens))
    table = start.copy()
    local = [np.searchsorted(used, segment) for segment in tokens]
    table[used] = _train(start[used], local, _unit(centred @ axes), settings)
    table[:FIRST_CHARACTER] = 0
    return quantise(table)


def starting_rows(pieces: Floats, axes: Floats) -> Floats:
    """Return word-piece vectors centred, projected and weighted: the rarer the heavier (smooth inverse frequency).

    Frequencies follow Zipf's law over the rank in the vocabulary; weights as in Arora et al. 2017, a = 1e-3.

    Args:
        pieces: ``(V, 384)``.
        axes: ``(384, D)``.
    """
    rank = np.arange(len(pieces)) - FIRST_WORD + 1.0
    rank[:FIRST_WORD] = 300.0  # characters and punctuation: neither stop words nor rare
    frequency = 1 / (rank * np.log(len(pieces)))
    unit = _unit(pieces)
    rows = (unit - unit.mean(0)) @ axes
    rows /= np.linalg.norm(rows, axis=1).mean()
    weighted: Floats = (rows * (1e-3 / (1e-3 + frequency))[:, None]).astype(np.float32)
    return weighted


def quantise(table: Floats) -> npt.NDArray[np.int8]:
    """Scale to the range of int8 and round; the few largest entries are cut off."""
    largest = np.quantile(np.abs(table[FIRST_CHARACTER:]), 1 - CLIPPED_SHARE)
    rounded: npt.NDArray[np.int8] = np.clip(np.rint(table * (127 / largest)), -127, 127).astype(np.int8)
    return rounded


def _unit(rows: Floats) -> Floats:
    unit: Floats = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return unit


def _principal_axes(centred: Floats, dimensions: int) -> Floats:
    """Return the directions of largest variance, ``(384, D)``, each with its largest entry positive."""
    _, axes = np.linalg.eigh(centred.T.astype(np.float64) @ centred)
    axes = axes[:, ::-1][:, :dimensions]
    # LAPACK builds differ in sign, and a mirrored table would be as good but not the same.
    signs = np.sign(axes[np.abs(axes).argmax(0), np.arange(dimensions)])
    turned: Floats = (axes * signs).astype(np.float32)
    return turned


def _train(start: Floats, tokens: Tokens, targets: Floats, settings: FitSettings) -> Floats:
    """Move the rows: 1 - cosine to the target, plus what keeps a row near its start; Adam, falling rate."""
    import torch

    torch.manual_seed(settings.seed)
    origin, wanted = torch.from_numpy(start), torch.from_numpy(targets)
    rows = origin.clone().requires_grad_(True)
    optimizer = torch.optim.Adam([rows], lr=settings.learning_rate)
    steps = settings.epochs * -(-len(tokens) // settings.batch)
    schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.1, steps)
    for _ in range(settings.epochs):
        for batch in torch.randperm(len(tokens)).split(settings.batch):
            chosen = [tokens[index] for index in batch.tolist()]
            starts = np.cumsum([0, *map(len, chosen[:-1])])
            sums = torch.nn.functional.embedding_bag(
                torch.from_numpy(np.concatenate(chosen)), rows, torch.from_numpy(starts), mode="sum"
            )
            cosine = torch.nn.functional.cosine_similarity(sums, wanted[batch], dim=1)
            loss = (1 - cosine).mean() + settings.stay * ((rows - origin) ** 2).sum() / len(origin)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    trained: Floats = rows.detach().numpy()
    return trained
