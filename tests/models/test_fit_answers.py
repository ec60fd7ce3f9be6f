import numpy as np
import pytest

from models.answer_model import AnswerModel
from models.answering.pages import page_exercises
from models.answering.reviews import review_exercises
from models.fit_answers import fit_answers
from models.minilm.minilm import MiniLM
from processors.answers.candidates import candidates
from processors.answers.logistic import fit, squeezed
from processors.answers.questions import read_question
from processors.answers.subject import Subject
from tests.processors.answers.passages import WordEmbedder


@pytest.mark.parametrize("invent", [page_exercises, review_exercises])
def test_invented_questions_are_repeatable_varied_and_half_of_them_answered(invent):
    exercises = list(invent(200, seed=5))
    assert exercises == list(invent(200, seed=5))
    assert len({exercise.question for exercise in exercises}) > 100
    assert 0.35 < sum(exercise.answerable for exercise in exercises) / 200 < 0.65


@pytest.mark.parametrize("invent", [page_exercises, review_exercises])
def test_an_answered_question_has_a_sentence_that_answers_and_another_none(invent):
    wrong = 0
    for exercise in invent(200, seed=6):
        labels = [exercise.label(candidate.text) for candidate in candidates(exercise.passages)]
        wrong += exercise.answerable != (1.0 in labels)
    assert wrong <= 6  # a sentence without enough words is no candidate


def test_words_of_the_question_stand_in_sentences_that_do_not_answer_it_too():
    spoken = {True: 0, False: 0}
    for exercise in review_exercises(300, seed=7):
        question, sentences = read_question(exercise.question), candidates(exercise.passages)
        subject = Subject(question, sentences)
        best = max((subject.overlap(sentence.stems) for sentence in sentences), default=0.0)
        spoken[exercise.answerable] += best > 0.7
    assert spoken[False] > 0.2 * sum(spoken.values())
    assert spoken[True] > spoken[False]


def test_fitting_finds_the_coefficients_that_made_the_labels():
    generator = np.random.default_rng(0)
    features = generator.normal(size=(20_000, 2)) * [1.0, 5.0]
    labels = (generator.random(20_000) < squeezed(features @ [2.0, -0.4] + 0.5)).astype(float)
    model = fit(features, labels, ("a", "b"), ridge=0.0)
    assert model.weights == pytest.approx((2.0, -0.4), abs=0.08)
    assert model.bias == pytest.approx(0.5, abs=0.08)


def test_fitting_twice_gives_the_same():
    assert fit_answers(WordEmbedder(), 30, 30) == fit_answers(WordEmbedder(), 30, 30)


@pytest.mark.timeout(1_800)
def test_fitting_again_gives_the_shipped_model(tmp_path, request):
    if not request.config.getoption("--refit"):
        pytest.skip("embeds 15,000 sentences: `make test-fits`")
    shipped, again = AnswerModel.load(), fit_answers(MiniLM.load(tmp_path, "fp32"))
    assert again.provenance == shipped.provenance
    for mine, theirs in ((again.sentence, shipped.sentence), (again.whole, shipped.whole)):
        assert mine.weights == pytest.approx(theirs.weights, abs=0.03)  # CPUs differ in the last bits of a vector
        assert mine.bias == pytest.approx(theirs.bias, abs=0.03)
