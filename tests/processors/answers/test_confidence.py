import pytest

from processors.answers.confidence import unspoken
from processors.answers.questions import read_question
from tests.processors.answers.passages import document

FORKLIFT = document(0, "The forklift's battery is charged every night in hall 3.", "Forklift")
TRAINS = document(1, "Train tickets are charged to the cost centre. Ask the office how often.")


@pytest.mark.parametrize(
    ("question", "passages", "about"),
    [
        ("How often is the forklift battery charged?", [FORKLIFT], None),
        ("How often is the forklift battery charged?", [TRAINS], '"forklift", "battery"'),
        ("Is the forklift battery charged in Zanzibar?", [FORKLIFT], '"Zanzibar"'),
        ("Is the forklift charged in hall 4?", [FORKLIFT], '"4"'),
        ("Does BATTERY_SAVER charge it?", [FORKLIFT], None),  # one of its words is spoken of
        ("When do we charge the truck's battery at night?", [FORKLIFT], None),
        ("?", [FORKLIFT], None),
    ],
)
def test_what_is_asked_must_be_spoken_of(question, passages, about):
    told = unspoken(read_question(question), passages)
    assert told == (None if about is None else f"nothing that was found speaks of {about}")
