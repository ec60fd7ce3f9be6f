"""The weights of all-MiniLM-L6-v2 by what they are, transposed once to how a graph multiplies with them."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from safetensors.numpy import load

Floats = npt.NDArray[np.float32]

LAYERS = 6
HEADS = 12
DIMENSIONS = 384
EPSILON = 1e-12
"""Added to the variance in every layer normalisation."""


@dataclass(frozen=True, slots=True)
class Linear:
    """``y = x @ weight + bias``: weight ``(in, out)``, bias ``(out,)``, float32."""

    weight: Floats
    bias: Floats


@dataclass(frozen=True, slots=True)
class Norm:
    """Scale and shift after a layer normalisation, both ``(384,)`` float32."""

    scale: Floats
    shift: Floats


@dataclass(frozen=True, slots=True)
class Layer:
    """One transformer layer: attention, then a feed-forward part, each added to its input and normalised."""

    query: Linear
    key: Linear
    value: Linear
    attended: Linear
    attended_norm: Norm
    widen: Linear
    narrow: Linear
    norm: Norm


@dataclass(frozen=True, slots=True)
class Weights:
    """All that turns token ids into token states.

    Attributes:
        words: One row a word piece, ``(30522, 384)``.
        positions: One row a position, ``(512, 384)``, with the row of the only segment already added.
        norm: Of the sum of both.
        layers: Six, in the order in which they run.
    """

    words: Floats
    positions: Floats
    norm: Norm
    layers: tuple[Layer, ...]

    @classmethod
    def read(cls, data: bytes) -> "Weights":
        """Take them out of a ``model.safetensors``; the pooler is left out, sentence vectors do without it.

        Raises:
            KeyError: If a tensor is missing.
        """
        tensors = load(data)
        segment = tensors["embeddings.token_type_embeddings.weight"][0]
        return cls(
            tensors["embeddings.word_embeddings.weight"],
            tensors["embeddings.position_embeddings.weight"] + segment,
            _norm(tensors, "embeddings"),
            tuple(_layer(tensors, f"encoder.layer.{index}") for index in range(LAYERS)),
        )


def _layer(tensors: Mapping[str, Floats], name: str) -> Layer:
    return Layer(
        query=_linear(tensors, f"{name}.attention.self.query"),
        key=_linear(tensors, f"{name}.attention.self.key"),
        value=_linear(tensors, f"{name}.attention.self.value"),
        attended=_linear(tensors, f"{name}.attention.output.dense"),
        attended_norm=_norm(tensors, f"{name}.attention.output"),
        widen=_linear(tensors, f"{name}.intermediate.dense"),
        narrow=_linear(tensors, f"{name}.output.dense"),
        norm=_norm(tensors, f"{name}.output"),
    )


def _linear(tensors: Mapping[str, Floats], name: str) -> Linear:
    return Linear(tensors[f"{name}.weight"].T, tensors[f"{name}.bias"])


def _norm(tensors: Mapping[str, Floats], name: str) -> Norm:
    return Norm(tensors[f"{name}.LayerNorm.weight"], tensors[f"{name}.LayerNorm.bias"])
