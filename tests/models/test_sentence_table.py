import hashlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models import sentence_table
from models.sentence_table import SHIPPED, WORD_PIECES, SentenceTable, WordTokens, build_tokenizer

PIECES = WORD_PIECES.read_text(encoding="utf-8").splitlines()
TOKENIZER = build_tokenizer(PIECES)
ENCODER = SentenceTable.load()


def cosine(left, right):
    a, b = ENCODER.encode([left, right]).astype(np.float64)
    return a @ b / np.sqrt((a @ a) * (b @ b))


def test_the_shipped_table_is_small_and_has_a_row_for_every_word_piece():
    table = np.load(SHIPPED)
    assert (table.shape, table.dtype) == ((30_522, 128), np.int8)
    assert SHIPPED.stat().st_size < 4_000_000
    assert not table[PIECES.index("[UNK]")].any()


def test_the_version_names_rows_and_word_pieces():
    want = hashlib.sha256(np.load(SHIPPED).tobytes() + "\n".join(PIECES).encode()).hexdigest()
    assert want.startswith(ENCODER.version)
    assert SentenceTable(np.ones((3, 2), np.int8), ["[UNK]", "a", "b"]).version != ENCODER.version


def test_texts_of_one_meaning_are_nearer_than_texts_of_two():
    assert cosine("the battery dies after an hour", "battery life is poor") > 0.4
    assert cosine("the battery dies after an hour", "the waiter was friendly") < 0.2


def test_each_text_has_a_row_in_its_place():
    texts = ["fits well", "", "arrived late", "fits well"]
    vectors = ENCODER.encode(texts)
    assert vectors.shape == (4, ENCODER.dimensions)
    assert vectors.dtype == np.int8
    np.testing.assert_array_equal(vectors[0], vectors[3])
    np.testing.assert_array_equal(vectors[2], ENCODER.encode(["arrived late"])[0])


def test_no_texts_give_no_rows():
    assert ENCODER.encode([]).shape == (0, 128)


@pytest.mark.parametrize("text", ["", "   ", "\n", "\u200b", "\U0001f9ff" * 3])
def test_a_text_without_known_words_is_all_zeros(text):
    assert not ENCODER.encode([text]).any()


def test_the_names_of_special_tokens_are_read_as_words():
    assert ENCODER.encode(["[SEP] [CLS] [MASK]"]).any()


def test_long_texts_are_read_to_their_end():
    long = "fine " * 3_000
    assert (ENCODER.encode([long + "battery " * 3_000]) != ENCODER.encode([long])).any()


@given(st.text(max_size=80) | st.text(st.characters(max_codepoint=126), max_size=80))
def test_remembered_words_give_the_tokenizers_own_pieces(text):
    assert WordTokens(TOKENIZER).of(text) == TOKENIZER.encode(text, add_special_tokens=False).ids


@pytest.mark.parametrize(
    "text", ["Don't!!  it's 100% O.K. (5'8\")", "a\x00b\x0bc\x1cd\x7fe", "x" * 101, "[SEP]", "~`|^_{}"]
)
def test_ascii_is_split_as_the_tokenizer_splits_it(text):
    assert WordTokens(TOKENIZER).of(text) == TOKENIZER.encode(text, add_special_tokens=False).ids


def test_the_memory_for_words_is_bounded(monkeypatch):
    monkeypatch.setattr(sentence_table, "REMEMBERED_WORDS", 3)
    words = WordTokens(TOKENIZER)
    for text in ["one two three four five", "y" * 5_000, "one two"]:
        assert words.of(text) == TOKENIZER.encode(text, add_special_tokens=False).ids
    assert len(words) <= 3
    assert max(map(len, words)) < 25


def test_a_table_of_other_word_pieces_is_refused(tmp_path):
    np.save(tmp_path / "short.npy", np.zeros((5, 4), np.int8))
    with pytest.raises(ValueError, match="5 rows for 30522 word pieces"):
        SentenceTable.load(tmp_path / "short.npy")


def test_a_file_that_is_no_table_is_refused(tmp_path):
    np.save(tmp_path / "float.npy", np.zeros((30_522, 4), np.float32))
    with pytest.raises(ValueError, match="want int8"):
        SentenceTable.load(tmp_path / "float.npy")
