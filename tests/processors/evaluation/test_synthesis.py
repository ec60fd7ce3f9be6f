from processors.evaluation.synthesis import Source, synthesize

RACE = "A mill race is a channel that carries water to the wheel."
WEIR = "A weir is a low wall that raises the level of a river."
SLUICE = "A sluice is a gate that slides up to let the water through."


def source(document_id: str, *sentences: str, chunk_id: str = "c", breadcrumb: str = "") -> Source:
    return Source(document_id, chunk_id, None, breadcrumb, sentences)


def test_each_question_names_the_document_the_chunk_and_the_very_sentence() -> None:
    (question,) = synthesize([source("mill.md", "Water comes first.", RACE, chunk_id="c7")])
    (place,) = question.answers
    assert (place.document_id, place.chunk_id, place.quote) == ("mill.md", "c7", RACE)


def test_a_document_brings_no_more_than_asked_and_of_several_kinds_first() -> None:
    one = source("a", RACE, WEIR, SLUICE, "Setting `--rate` bounds how many records leave in one second.")
    assert len(synthesize([one], per_document=1)) == 1
    assert {question.kind for question in synthesize([one], per_document=2)} == {"definition", "option"}


def test_a_question_two_documents_answer_is_asked_once_and_has_both() -> None:
    (question,) = synthesize([source("a", RACE), source("b", RACE)])
    assert [place.document_id for place in question.answers] == ["a", "b"]


def test_a_question_many_documents_answer_is_not_asked() -> None:
    assert synthesize([source(name, RACE) for name in "abcd"]) == []


def test_a_heading_is_answered_by_the_first_sentence_that_says_something() -> None:
    told = source("a", "Briefly.", "Every document that goes leaves a mark.", breadcrumb="Guide > Why marks stay")
    (question,) = synthesize([told])
    assert question.answers[0].quote == "Every document that goes leaves a mark."


def test_equal_seeds_choose_equally_and_others_otherwise() -> None:
    several = [source("a", RACE, WEIR, SLUICE)]
    assert synthesize(several, seed=1, per_document=1) == synthesize(several, seed=1, per_document=1)
    assert len({synthesize(several, seed=seed, per_document=1)[0].text for seed in range(20)}) > 1


def test_a_new_document_does_not_change_what_others_are_asked() -> None:
    several = [source("a", RACE, WEIR, SLUICE)]
    more = [source("0", "A miller is a person who keeps the stones sharp and the sacks dry."), *several]
    for seed in range(10):
        (asked,) = synthesize(several, seed=seed, per_document=1)
        assert synthesize(more, seed=seed, per_document=1)[1:] == [asked]


def test_nothing_to_ask_about_brings_nothing() -> None:
    assert synthesize([]) == []
    assert synthesize([source("a")]) == []
