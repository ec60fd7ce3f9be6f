import numpy as np
import pytest

from processors.answers.candidates import candidates
from processors.answers.features import SENTENCE_NAMES, sentence_features
from processors.answers.questions import read_question
from processors.answers.subject import Subject
from tests.processors.answers.passages import WordEmbedder, review


def column(name, question, *texts):
    """Return one feature of each sentence."""
    passages = [review(0, " ".join(texts))]
    read, found = read_question(question), candidates(passages)
    vectors = WordEmbedder().embed([read.text, *(sentence.text for sentence in found)])
    return sentence_features(read, passages, found, vectors[0], vectors[1:])[:, SENTENCE_NAMES.index(name)].tolist()


@pytest.mark.parametrize(
    ("question", "about"),
    [
        ("How good is the battery?", ["batteri"]),
        ("What do people think about the battery?", ["batteri"]),
        ("Is it good?", ["good"]),
        ("What?", []),
    ],
)
def test_words_that_only_ask_are_not_what_a_question_is_about_unless_there_are_no_others(question, about):
    assert list(Subject(read_question(question), []).weights) == about


def test_a_sentence_is_not_nearer_for_words_that_only_ask():
    good, battery = column("overlap", "How good is the battery?", "A good friend came by.", "The battery is weak.")
    assert (good, battery) == (0.0, 1.0)


def test_another_word_for_the_same_is_seen():
    assert column("related", "How is the flavour?", "It tastes like chalk.", "It came on Monday.") == [1.0, 0.0]


def test_a_question_about_nothing_is_described_too():
    assert np.isfinite(column("overlap", "?", "It tastes like chalk.")).all()
