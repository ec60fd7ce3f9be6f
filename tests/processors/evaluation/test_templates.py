import pytest
from hypothesis import given
from hypothesis import strategies as st

from processors.evaluation.templates import ask_about_heading, ask_about_sentence, copied


def questions(sentence: str) -> list[str]:
    return [asked.question for asked in ask_about_sentence(sentence)]


@pytest.mark.parametrize(
    ("sentence", "question"),
    [
        ("A mill race is a channel that carries water to the wheel.", "What is a mill race?"),
        ("An **entity** is an object that several records describe.", "What is an entity?"),
        ("Tombstones are the marks a deletion leaves behind for a while.", "What are tombstones?"),
        ("Backpressure means the reader tells the writer to slow down.", "What does backpressure mean?"),
        ("SQLite is an embedded database that lives in one file.", "What is SQLite?"),
        ("Setting `--rate` bounds how many records leave in one second.", "What is `--rate` for?"),
        ("The `answer.threshold` decides below which probability nothing is said.", "What is `answer.threshold` for?"),
        (
            "Pass `--wipe` to delete everything the stack keeps; nothing asks again, so copy what you need first.",
            "How can I delete everything the stack keeps?",
        ),
        ("The lease of a worker lasts 15 seconds and is then renewed.", "How many seconds for the lease of a worker?"),
        ("The queue limit is 500 unless the settings file says otherwise.", "What value does the queue limit have?"),
    ],
)
def test_a_sentence_is_asked_for_what_it_tells(sentence, question) -> None:
    assert question in questions(sentence)


@pytest.mark.parametrize(
    "sentence",
    [
        "This is a very good place to begin with the whole thing.",
        "It is the responsibility of the owner to keep backups of it.",
        "The following is a list of all the names that are known.",
        "The server is the best choice whenever a lot of memory is there.",  # praise, no definition
        "Is a mill race a channel that carries water to the wheel?",
        "A race is a run.",
        "See `setup.py` and the release notes of `v1.2.3` for more about it.",
        "Fields are `first_name`, `last_name` and `birth_date`, in any order you like.",
        "A " + "very long " * 60 + "thing is a thing that nobody reads.",
    ],
)
def test_what_names_nothing_or_answers_nothing_is_not_asked(sentence) -> None:
    assert questions(sentence) == []


def test_no_question_gives_its_answer_away() -> None:
    for sentence, answer in (
        ("The session timeout is 30 seconds unless you change it.", "30"),
        ("Use `--limit` to read the newest rows, for instance of a file that does not fit into memory.", "--limit"),
        ("A mill race is a channel that carries water to the wheel.", "channel"),
    ):
        *_, last = questions(sentence)
        assert answer not in last


def test_a_question_that_would_say_the_sentence_again_is_not_asked() -> None:
    assert questions("Pass `--wipe` to delete everything the stack has kept so far.") == ["What is `--wipe` for?"]


@given(st.text(max_size=300))
def test_any_text_may_come_and_no_question_copies_it(text) -> None:
    for asked in ask_about_sentence(text):
        assert not copied(asked.question, text)


@pytest.mark.parametrize("heading", ["Overview", "Setup", "", "Notes and examples", "Getting started", "One " * 12])
def test_headings_of_every_document_ask_nothing(heading) -> None:
    assert ask_about_heading(heading, "Guide") is None


@pytest.mark.parametrize(
    ("heading", "question"),
    [
        ("Why is it slow?", "Why is it slow?"),
        ("3. Delete a document", "How do I delete a document?"),
        ("[Experimental] Saved data", "What about saved data in Guide?"),
        ("TTL of the cache.", "What about TTL of the cache in Guide?"),
        ("Limits of the Guide", "What about limits of the Guide?"),
    ],
)
def test_headings_become_the_question_a_reader_has(heading, question) -> None:
    asked = ask_about_heading(heading, "Guide")
    assert asked is not None
    assert asked.question == question
