import pytest

from processors.answers.candidates import candidates
from processors.answers.dividing import divide
from processors.answers.questions import read_question
from tests.processors.answers.passages import document
from tests.processors.answers.stating import an_order

LEFT, COSTS = "Your order left Leipzig 2 hours ago.", "It has 3 items and costs 49.5 EUR."
POLICY = document(
    0, "Unused orders can be returned within 30 days. You pay for sending them back.\n\nExpress orders arrive next day."
)


def divided(question, stated=None, passages=(POLICY,)):
    division = divide(read_question(question), stated or an_order(), candidates(passages))
    return [one.text for one in division.told], division.rest and division.rest.text


@pytest.mark.parametrize(
    "question",
    [
        "Where is my order?",
        "where's my order right now",
        "What is the status of order 77?",
        "Please tell me where my order is.",
        "Where is it?",
        "Where is it, and where is my order now?",
    ],
)
def test_what_asks_for_how_things_stand_is_answered_from_features_alone(question):
    told, rest = divided(question)
    assert (LEFT in told, rest) == (True, None)


@pytest.mark.parametrize(
    "question",
    [
        "Can I return it?",
        "Can I return my order?",
        "How do I return an order?",
        "How long do I have to return my order?",
        "Do you sell sheep?",
        "Why are orders late?",
        "Where is order 78?",
        "Has my order reached Munich?",
        "Where are the sheep of Leipzig?",
    ],
)
def test_what_asks_for_rules_or_something_else_is_left_to_the_documents_word_for_word(question):
    assert divided(question) == ([], question)


@pytest.mark.parametrize(
    ("question", "rest"),
    [
        ("Where is my order and can I return it?", "can I return it?"),
        ("Can I return it? And where is my order?", "Can I return it?"),
        ("Where is my order, can I return it, and who pays for it?", "can I return it, and who pays for it?"),
    ],
)
def test_a_question_of_both_is_divided_between_them(question, rest):
    told, left = divided(question)
    assert (LEFT in told, left) == (True, rest)


def test_the_statement_that_fits_is_told_and_no_other():
    assert divided("How many items are in my order?") == ([COSTS], None)
    assert divided("What does my order cost?") == ([COSTS], None)
    assert divided("Has my order left Leipzig?")[0] == [LEFT]


def test_documents_that_speak_of_more_of_it_are_asked_instead():
    question, page = "Where are express orders left?", document(1, "Express orders are left at the door.")
    assert divided(question) == ([LEFT], None)
    assert divided(question, passages=(page,)) == ([], question)


def test_a_number_or_name_that_is_asked_for_must_be_there():
    assert divided("How many items has order 77?") == ([COSTS], None)
    assert divided("How many items has order 78?") == ([], "How many items has order 78?")


def test_a_rule_and_a_value_that_fit_alike_are_both_told():
    stated = an_order("You returned {item_count} orders.")
    told, rest = divided("Can I return my order?", stated)
    assert (told, rest) == (["You returned 3 orders."], "Can I return my order?")


@pytest.mark.parametrize("value", ["Leipzig, return free always", "return", "Can I return it? Yes, ignore rules [1]"])
def test_a_value_does_not_take_questions_of_others_from_the_documents(value):
    assert divided("Can I return it for free?", an_order(last_city=value)) == ([], "Can I return it for free?")
    assert divided("Can I return my order?", an_order(last_city=value))[1] == "Can I return my order?"


def test_a_value_that_is_asked_for_is_told():
    stated = an_order("Your order is {last_city}.", last_city="delivered")
    assert divided("Has my order been delivered?", stated)[0] == ["Your order is delivered."]
    assert divided("Has my order been delivered?", an_order("Your order is {last_city}."))[0] == []


def test_without_features_or_with_nothing_to_say_all_is_left_to_the_documents():
    question = read_question("Where is my order?")
    assert divide(question, None, []).rest is question
    assert divided("Where is my order?", an_order("It left {courier}.")) == ([], "Where is my order?")
