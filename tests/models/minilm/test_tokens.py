import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.minilm.files import ModelFiles
from models.minilm.tokens import LONGEST_TOKENS, Tokens, batches, pad

CLS, SEP = 101, 102


@pytest.fixture(scope="module")
def tokens():
    return Tokens(ModelFiles.find().read_tokenizer())


def test_a_text_stands_between_its_two_marks(tokens):
    assert tokens.encode(["hello world", ""]) == [[CLS, 7592, 2088, SEP], [CLS, SEP]]


def test_case_and_accents_do_not_matter_and_no_script_is_lost(tokens):
    upper, lower, chinese = tokens.encode(["CAFÉ", "cafe", "漢字"])
    assert upper == lower
    assert len(chinese) == 4


def test_of_a_long_text_the_first_tokens_and_the_end_mark_stay(tokens):
    texts = ["one " * 253 + "two", "one " * 254 + "two", "short"]
    exact, cut, short = tokens.encode_truncated(texts)
    whole = tokens.encode(texts)
    assert (exact, short) == (whole[0], whole[2])
    assert len(exact) == len(cut) == LONGEST_TOKENS
    assert cut == [*whole[1][:255], SEP]


@given(st.lists(st.integers(1, 40)), st.integers(0, 100))
def test_every_row_is_in_one_batch_and_no_batch_is_too_large(lengths, most_tokens):
    found = list(batches(lengths, most_tokens))
    assert sorted(row for batch in found for row in batch) == list(range(len(lengths)))
    for batch in found:
        assert len(batch) == 1 or len(batch) * max(lengths[row] for row in batch) <= most_tokens


def test_rows_of_one_length_keep_their_order():
    assert list(batches([2, 2, 2], most_tokens=4)) == [[0, 1], [2]]


@given(st.lists(st.lists(st.integers(1, 30_000), min_size=1), min_size=1))
def test_padding_changes_no_row(rows):
    ids, mask = pad(rows)
    assert ids.shape == mask.shape == (len(rows), max(map(len, rows)))
    assert ids.dtype == mask.dtype == np.int32
    for row, padded, kept in zip(rows, ids, mask, strict=True):
        assert padded[kept == 1].tolist() == row
        assert kept.tolist() == [1] * len(row) + [0] * (ids.shape[1] - len(row))
        assert not padded[len(row) :].any()
