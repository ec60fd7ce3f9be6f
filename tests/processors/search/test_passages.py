import numpy as np
import pytest

from processors.search.passages import WHOLE, Sentence, best_sentences, clipped, mixed, promising


def near(*values: float) -> np.ndarray:
    return np.array(values, np.float32)


def test_sentences_with_the_questions_words_or_near_it_are_looked_at_first():
    found = [Sentence(0, "Nothing."), Sentence(0, "The zipper broke."), Sentence(0, "Close by.")]
    assert promising(found, ("zipper",), near(0.0, 0.1, 0.9), 2) == [1, 2]


def test_no_more_sentences_of_a_chunk_are_looked_at_than_asked_for():
    found = [Sentence(number // 3, f"zipper {number}") for number in range(9)]
    assert promising(found, ("zipper",), near(*[0.0] * 9), 1) == [0, 3, 6]
    assert promising([], ("zipper",), near(), 2) == []


def test_each_chunk_has_its_best_sentence_and_no_negative_score():
    found = [Sentence(1, "a"), Sentence(1, "b"), Sentence(4, "c")]
    assert best_sentences(found, [0.2, 0.2, -0.1]) == {1: ("a", 0.2), 4: ("c", 0.0)}


def test_the_whole_and_the_sentence_share_the_score():
    assert mixed(1.0, 0.0) == pytest.approx(WHOLE)
    assert mixed(0.0, 1.0) == pytest.approx(1 - WHOLE)
    assert 0 < WHOLE < 1


@pytest.mark.parametrize("text", ["word " * 99, "x" * 300, "手" * 300, "short", " padded "])
def test_what_is_clipped_is_word_for_word_and_short(text):
    assert clipped(text) in text
    assert 0 < len(clipped(text)) <= 240
