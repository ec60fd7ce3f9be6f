"""MiniLM as one would write it on paper, in float64, one text at a time: what every test compares with."""

import math

import numpy as np
from safetensors.numpy import load

erf = np.vectorize(math.erf)


class Reference:
    """BERT after Devlin et al. 2018, then the mean of the token states at length 1."""

    def __init__(self, weights: bytes):
        self.weights = {name: tensor.astype(np.float64) for name, tensor in load(weights).items()}

    def embed(self, ids):
        """Return the vector of one text's token ids, ``(384,)`` float64."""
        words = self.weights["embeddings.word_embeddings.weight"][ids]
        positions = self.weights["embeddings.position_embeddings.weight"][: len(ids)]
        segment = self.weights["embeddings.token_type_embeddings.weight"][0]
        states = self.norm("embeddings.LayerNorm", words + positions + segment)
        for index in range(6):
            states = self.layer(f"encoder.layer.{index}", states)
        mean = states.mean(axis=0)
        return mean / np.sqrt((mean**2).sum())

    def layer(self, name, states):
        query, key, value = (self.linear(f"{name}.attention.self.{part}", states) for part in ("query", "key", "value"))
        heads = []
        for first in range(0, 384, 32):
            head = slice(first, first + 32)
            scores = query[:, head] @ key[:, head].T / math.sqrt(32)
            shares = np.exp(scores - scores.max(axis=1, keepdims=True))
            heads.append(shares / shares.sum(axis=1, keepdims=True) @ value[:, head])
        attended = self.linear(f"{name}.attention.output.dense", np.concatenate(heads, axis=1))
        states = self.norm(f"{name}.attention.output.LayerNorm", attended + states)
        wide = self.linear(f"{name}.intermediate.dense", states)
        gelu = wide * (1 + erf(wide / math.sqrt(2))) / 2
        return self.norm(f"{name}.output.LayerNorm", self.linear(f"{name}.output.dense", gelu) + states)

    def linear(self, name, states):
        return states @ self.weights[f"{name}.weight"].T + self.weights[f"{name}.bias"]

    def norm(self, name, states):
        centred = states - states.mean(axis=1, keepdims=True)
        scaled = centred / np.sqrt((centred**2).mean(axis=1, keepdims=True) + 1e-12)
        return scaled * self.weights[f"{name}.weight"] + self.weights[f"{name}.bias"]
