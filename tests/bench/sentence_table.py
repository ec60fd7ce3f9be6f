"""``python -m tests.bench.sentence_table``: segments a second, against the tokenizer without remembered words."""

import numpy as np

from models.sentence_table import WORD_PIECES, SentenceTable, build_tokenizer
from models.table.grammar import read_phrases, write_segments
from tests.bench.interleaved import announce, compare


def main():
    announce("SentenceTable.encode against the tokenizer alone (no vectors), per batch")
    encoder = SentenceTable.load()
    tokenizer = build_tokenizer(WORD_PIECES.read_text(encoding="utf-8").splitlines())
    segments = write_segments(read_phrases(), 8_000, seed=5)
    words = np.mean([len(segment.split()) for segment in segments])
    for size in (4, 40, 400):
        batch = segments[:size]
        compare(
            f"{size} generated segments of {words:.1f} words",
            lambda: encoder.encode(batch),  # noqa: B023
            lambda: [tokenizer.encode(text, add_special_tokens=False).ids for text in batch],  # noqa: B023
        )


if __name__ == "__main__":
    main()
