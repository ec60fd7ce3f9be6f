"""Sentence vectors of all-MiniLM-L6-v2 without torch."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from onnx import ModelProto

from models.minilm.cached_file import build_once
from models.minilm.files import WEIGHTS_SHA256, ModelFiles
from models.minilm.graph import build_fused
from models.minilm.products import Float32Products, Int8Products
from models.minilm.runtimes import Run, open_onnxruntime, open_openvino, require_openvino
from models.minilm.standard_graph import build_standard
from models.minilm.tokens import Tokens, batches, pad
from models.minilm.weights import DIMENSIONS, Weights
from models.ports import Embeddings

Precision = Literal["fp32", "bf16", "int8"]

GRAPH_VERSION = 1
"""Grows with anything in this folder that changes vectors: graph, rounding, pooling, truncation, tokenizer."""


@dataclass(frozen=True, slots=True)
class Variant:
    """How one precision is built and run.

    Attributes:
        build: Writes the graph.
        open: Loads the written graph.
        batch_tokens: Most tokens of a batch, padding included.
        require: Raises what is missing for it here, if anything can be.
    """

    build: Callable[[Weights], ModelProto]
    open: Callable[[Path], Run]
    batch_tokens: int
    require: Callable[[], None] | None = None


VARIANTS: Mapping[Precision, Variant] = {
    "fp32": Variant(lambda weights: build_fused(weights, Float32Products()), open_onnxruntime, 512),
    "bf16": Variant(build_standard, open_openvino, 2048, require_openvino),
    # One text a batch: states are rounded with one scale a batch, so that others would move its vector.
    "int8": Variant(lambda weights: build_fused(weights, Int8Products()), open_onnxruntime, 0),
}


class MiniLM:
    """all-MiniLM-L6-v2 on one CPU thread a call; safe to call from several threads.

    Args:
        identity: What names its vectors.
        tokens: The tokenizer.
        run: Turns padded ids into sums of token states.
        batch_tokens: Most tokens of a batch, padding included.

    Example:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> model = MiniLM.load(folder, "int8")
        >>> fits, sits, died = model.embed(["the fit is great", "it fits very well", "the battery died"])
        >>> bool(fits @ sits > fits @ died)
        True
    """

    dimensions = DIMENSIONS

    def __init__(self, identity: str, tokens: Tokens, run: Run, batch_tokens: int) -> None:
        self.identity = identity
        self._tokens = tokens
        self._run = run
        self._batch_tokens = batch_tokens

    @classmethod
    def load(cls, folder: Path, precision: Precision) -> "MiniLM":
        """Load the model; the first time in a folder, build its graph there (2 s, 90 MB).

        Args:
            folder: Where built graphs are kept.
            precision: fp32 or bf16 for documents; int8, twice as fast and less exact, for queries only.

        Raises:
            WeightsMissing: If the weights are not installed.
            WrongWeights: If they are not the pinned ones.
            RuntimeMissing: If the precision is bf16, and OpenVINO or a CPU that can is missing.
            OSError: If the folder cannot be written.
        """
        variant, files, name = VARIANTS[precision], ModelFiles.find(), identity(precision)
        if variant.require is not None:
            variant.require()
        path = folder / f"{name.replace('/', '-')}.onnx"
        build_once(path, lambda: variant.build(Weights.read(files.read_weights())).SerializeToString())
        return cls(name, Tokens(files.read_tokenizer()), variant.open(path), variant.batch_tokens)

    def embed(self, texts: Sequence[str]) -> Embeddings:
        """Return one row of length 1 a text, ``(N, 384)`` float32, same order; ``(0, 384)`` for none.

        Of a long text the first 256 tokens are read; the empty text has a vector like any other.
        """
        rows = self._tokens.encode_truncated(texts)
        sums = np.empty((len(rows), DIMENSIONS), np.float32)
        for batch in batches([len(row) for row in rows], self._batch_tokens):
            sums[batch] = self._run(*pad([rows[row] for row in batch]))
        vectors: Embeddings = sums / np.linalg.norm(sums, axis=1, keepdims=True)
        return vectors

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Return how many tokens each text has, [CLS] and [SEP] included; past 256 they are not read."""
        return [len(row) for row in self._tokens.encode(texts)]


def identity(precision: Precision) -> str:
    """Return what names the vectors of a precision.

    Example:
        >>> identity("fp32")
        'minilm-l6-v2/fp32/g1/53aa51172d14'
    """
    return f"minilm-l6-v2/{precision}/g{GRAPH_VERSION}/{WEIGHTS_SHA256[:12]}"
