import asyncio
import re

import pytest

from models.answer_model import AnswerModel, WrongAnswerModel
from models.extractive_answers import NOTHING, ExtractiveAnswerer
from models.ports import AnswerRequest
from processors.answers.checking import check
from processors.answers.sources import Source
from tests.processors.answers.passages import WordEmbedder, document, review
from tests.processors.answers.stating import an_order

PAGES = (
    document(
        0,
        "# Ports of the gateway\n\nThe gateway listens on port 9042. It restarts at night.\n\n```\nport = 9042\n```",
        "Gateway",
    ),
    document(1, "The gateway listens on port 9042! Cellars are dry, and sheep graze in the meadow."),
    document(2, "Sheep graze in the meadow.\n\nWhich port does the gateway listen on?"),
)


class Counting(WordEmbedder):
    """Counts its calls."""

    calls = 0

    def embed(self, texts):
        """Return unit rows."""
        self.calls += 1
        return super().embed(texts)


def written(question, passages, answerer=None):
    answerer = answerer or ExtractiveAnswerer(WordEmbedder())
    return asyncio.run(answerer.answer([AnswerRequest("r", question, tuple(passages))]))[0].text


def test_the_best_sentence_is_quoted_once_and_everything_quoted_stands_where_it_points():
    text = written("Which port does the gateway listen on?", PAGES)
    assert '"The gateway listens on port 9042' in text
    assert text.count("9042") == 1
    for quote, number in re.findall(r'"([^"]+)" \[(\d)\]', text):
        assert Source(PAGES[int(number) - 1].text).quote(quote) is not None


def test_headings_questions_and_code_are_no_answer():
    text = written("Which port does the gateway listen on?", PAGES)
    assert "Ports of the gateway" not in text
    assert "Which port" not in text
    assert "port = 9042" not in text


def test_code_is_quoted_where_code_is_asked_for():
    page = document(0, "Logging in is quick.\n\n```\nclient.login(token)\n```\n\nSheep graze in the meadow.")
    assert "client.login(token)" in written("Show a code example of client login with a token", [page])


def test_an_answer_passes_the_check_every_writer_passes():
    request = AnswerRequest("r", "Which port does the gateway listen on?", PAGES)
    answerer = ExtractiveAnswerer(WordEmbedder())
    checked = check(written(request.question, PAGES, answerer), PAGES, answerer.assess(request))
    assert checked.cut == []
    assert checked.citations[0].score == max(citation.score for citation in checked.citations) > 0


def test_assessing_and_answering_embed_once():
    embedder = Counting()
    answerer = ExtractiveAnswerer(embedder)
    request = AnswerRequest("r", "Which port?", PAGES)
    assert 0 < answerer.assess(request).confidence < 1
    written(request.question, PAGES, answerer)
    assert embedder.calls == 1
    answerer.assess(AnswerRequest("r", "Which port?", PAGES[:1]))
    assert embedder.calls == 2


def test_two_orders_asked_about_in_the_same_words_get_their_own_answers():
    answerer = ExtractiveAnswerer(WordEmbedder())
    for city in ("Leipzig", "Porto"):
        request = AnswerRequest("r", "Where is my order?", PAGES, an_order(last_city=city))
        assert asyncio.run(answerer.answer([request]))[0].text == f'"Your order left {city} 2 hours ago." [F1]'


@pytest.mark.parametrize("passages", [(), (document(0, ""),), (document(0, "# Title"),), (document(0, "Why?"),)])
def test_without_sentences_there_is_no_answer_and_a_reason(passages):
    assessment = ExtractiveAnswerer(WordEmbedder()).assess(AnswerRequest("r", "Which port?", passages))
    assert (assessment.confidence, assessment.reason, assessment.refusal(0.0)) == (0.0, NOTHING, NOTHING)
    assert written("Which port?", passages) == ""


def test_what_nobody_mentions_is_named():
    request = AnswerRequest("r", "Which port does the Zeppelin use?", PAGES)
    assert ExtractiveAnswerer(WordEmbedder()).assess(request).missing == ("Zeppelin",)


def test_confidence_is_higher_where_the_answer_stands():
    answerer = ExtractiveAnswerer(WordEmbedder())
    there = answerer.assess(AnswerRequest("r", "Which port does the gateway listen on?", PAGES)).confidence
    elsewhere = answerer.assess(AnswerRequest("r", "Which port does the gateway listen on?", PAGES[2:])).confidence
    assert there > elsewhere + 0.2


SIZES = (
    [review(number, f"It runs small, order up. Box number {number}.") for number in range(4)]
    + [review(number, "It was true to size for me. True to size indeed!") for number in range(4, 7)]
    + [review(7, "I wear a size ten. Other reviewers say it runs small."), review(8, "This does not run small.")]
    + [review(9, "Sheep graze in the meadow.")]
)


def test_a_question_about_a_matter_with_sides_gets_shares_of_distinct_reviews():
    text = written("Does it run small?", SIZES)
    assert text.startswith(
        "9 of the 10 reviews read here speak of the size, and 4 of these say it runs small: "
        '"It runs small, order up." [1]. 3 of the 9 say it fits as expected: '
    )
    assert "Other reviewers" not in text
    assert "does not run small" not in text
    assert (
        check(
            text,
            SIZES,
            ExtractiveAnswerer(WordEmbedder()).assess(AnswerRequest("r", "Does it run small?", tuple(SIZES))),
        ).cut
        == []
    )


def test_a_question_for_an_opinion_gets_likes_and_complaints():
    reviews = [review(number, f"The battery is great, day {number}.") for number in range(5)]
    reviews += [review(5, "The battery died. Terrible battery!"), review(6, "I charge the battery at night.")]
    text = written("How is the battery?", reviews)
    assert "7 of the 7 reviews read here speak of battery, and 5 of these like it:" in text
    assert "1 of the 7 complains:" in text


def test_a_question_of_fact_is_answered_from_reviews_without_shares():
    reviews = [review(number, f"The box holds {number + 2} cups. Nice box.") for number in range(5)]
    assert "reviews read here" not in written("How many cups does the box hold?", reviews)


def test_a_model_for_other_features_is_refused(tmp_path):
    (tmp_path / "model.json").write_text(AnswerModel.load.__func__.__defaults__[0].read_text().replace("cosine", "x"))
    with pytest.raises(WrongAnswerModel, match=r"model\.json is for other features"):
        AnswerModel.load(tmp_path / "model.json")
    (tmp_path / "model.json").write_text("{}")
    with pytest.raises(WrongAnswerModel, match=r"model\.json: Object missing required field"):
        AnswerModel.load(tmp_path / "model.json")
