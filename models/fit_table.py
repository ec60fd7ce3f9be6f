"""``python -m models.fit_table --data DIR``: fit the sentence table again, and compare it with the shipped one."""

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from models.minilm.files import ModelFiles
from models.sentence_table import SHIPPED, WORD_PIECES, build_tokenizer
from models.table.fitting import FIRST_WORD, FitSettings, fit
from models.table.grammar import move_segments, plant_words, read_phrases, write_segments
from models.table.segments import read_clothing_segments
from models.table.teacher import Teacher, read_word_pieces

REAL = 16_000
WRITTEN = 9_000
MOVED = 8_000
PLANTED = 8_000
COMMON = 200
"""Most frequent words, which stay where they are when another word is planted."""
SAME_COSINE = 0.999


def collect_segments(data: Path, word_pieces: Sequence[str]) -> list[str]:
    """Return everything the table is fitted on, in a fixed order.

    Raises:
        OSError: If the reviews or the templates cannot be read.
        WrongReviewsError: If the reviews are not the pinned file.
    """
    domains = read_phrases()
    clothing = read_clothing_segments(data, seed=0)
    moved = move_segments(clothing[REAL:], domains["clothing"], domains, MOVED + PLANTED, seed=2)
    whole = [word for word in word_pieces[FIRST_WORD:] if len(word) > 2 and word.isascii() and word.isalpha()]
    common = frozenset(word_pieces[FIRST_WORD : FIRST_WORD + COMMON])
    return [
        *clothing[:REAL],
        *write_segments(domains, WRITTEN, seed=1),
        *moved[:MOVED],
        *plant_words(moved[MOVED:], whole[:PLANTED], common, seed=3),
    ]


def compare(table: npt.NDArray[np.int8], other: npt.NDArray[np.int8]) -> float:
    """Return the mean cosine of the rows of two tables; rows that are zero in both count as the same."""
    left, right = table.astype(np.float64), other.astype(np.float64)
    lengths = np.linalg.norm(left, axis=1) * np.linalg.norm(right, axis=1)
    dots = np.einsum("vd,vd->v", left, right)
    both_zero = ~(left.any(axis=1) | right.any(axis=1))
    return float(np.where(both_zero, 1.0, dots / np.where(lengths > 0, lengths, 1.0)).mean())


def main(arguments: Sequence[str] | None = None) -> int:
    """Fit, write and compare; return 1 when the shipped table is another one."""
    parser = argparse.ArgumentParser(prog="models.fit_table", description="Fit the sentence table.")
    parser.add_argument("--data", type=Path, required=True, help="folder with reviews_womens_clothing/")
    parser.add_argument("--out", type=Path, default=SHIPPED, help="where to write the table")
    options = parser.parse_args(arguments)
    started = time.monotonic()
    shipped = np.load(SHIPPED) if SHIPPED.exists() else None
    files = ModelFiles.find()
    word_pieces = read_word_pieces(files.read_tokenizer())
    segments = collect_segments(options.data, word_pieces)
    _say(f"{len(segments)} segments; MiniLM reads them", started)
    table = _fit(segments, word_pieces, Teacher(files))
    np.save(options.out, table)
    if options.out == SHIPPED:
        WORD_PIECES.write_text("\n".join(word_pieces) + "\n", encoding="utf-8")
    _say(f"wrote {options.out}: int8 {table.shape}", started)
    if shipped is None:
        return 0
    cosine = compare(table, shipped)
    _say(f"cosine to the shipped table {cosine:.5f}", started)
    return 0 if cosine >= SAME_COSINE else 1


def _fit(segments: Sequence[str], word_pieces: Sequence[str], teacher: Teacher) -> npt.NDArray[np.int8]:
    encodings = build_tokenizer(word_pieces).encode_batch(list(segments), add_special_tokens=False)
    tokens = [np.array(encoding.ids, np.int64) for encoding in encodings]
    return fit(tokens, teacher.encode(segments), teacher.encode_word_pieces(len(word_pieces)), FitSettings())


def _say(text: str, started: float) -> None:
    sys.stdout.write(f"{time.monotonic() - started:6.1f} s  {text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
