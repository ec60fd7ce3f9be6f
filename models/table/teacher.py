"""MiniLM, whose sentence vectors the table imitates; torch is imported only when one is built."""

import json
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from tokenizers import Tokenizer

from models.minilm.files import ModelFiles
from models.minilm.tokens import batches, pad

LONGEST_TEXT_TOKENS = 128
BATCH_TOKENS = 4096

Floats = npt.NDArray[np.float32]


def read_word_pieces(tokenizer: str) -> list[str]:
    """Return the vocabulary in the text of a ``tokenizer.json``, in id order."""
    vocabulary: dict[str, int] = json.loads(tokenizer)["model"]["vocab"]
    return sorted(vocabulary, key=vocabulary.__getitem__)


class Teacher:
    """all-MiniLM-L6-v2 on the CPU, one thread, float32.

    Args:
        files: Weights and tokenizer; checked against their pins as they are read.
    """

    def __init__(self, files: ModelFiles) -> None:
        import torch
        from safetensors.torch import load
        from transformers import BertConfig, BertModel

        config = BertConfig(
            hidden_size=384, num_hidden_layers=6, num_attention_heads=12, intermediate_size=1536, vocab_size=30522
        )
        torch.set_num_threads(1)  # another thread count sums in another order
        weights = {name: rows for name, rows in load(files.read_weights()).items() if not name.startswith("pooler.")}
        weights.pop("embeddings.position_ids", None)  # a constant that older transformers stored
        self._model = BertModel(config, add_pooling_layer=False).eval()
        self._model.load_state_dict(weights)
        self._tokenizer = Tokenizer.from_str(files.read_tokenizer())
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

        vectors = np.zeros((len(tokens), 384), np.float32)
        for rows in batches([len(row) for row in tokens], BATCH_TOKENS):
            ids, mask = map(torch.from_numpy, pad([tokens[row] for row in rows]))
            with torch.inference_mode():
                states = self._model(input_ids=ids, attention_mask=mask).last_hidden_state
            weights = mask.unsqueeze(-1).float()
            vectors[rows] = ((states * weights).sum(1) / weights.sum(1)).numpy()
        return vectors
