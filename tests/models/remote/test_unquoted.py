import pytest

from models.remote.unquoted import unquoted

PROMPT = [
    "Be short.",
    "Review by Anna Fitz: the zipper broke, it is too slow and I use it no more. Kundin: großartig. 拉链坏了",
]


@pytest.mark.parametrize(
    "text",
    [
        "Rate limit reached for requests; try again in 20 s",
        "The model `gpt-x` does not exist",
        "Use 'max_completion_tokens' instead of 'max_tokens'.",
    ],
)
def test_what_an_endpoint_says_itself_is_left_as_it_is(text):
    assert unquoted(text, PROMPT) == text


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("flagged: Anna, FITZ", "flagged: [...]"),
        ("flagged: Anna's zip", "flagged: [...]'s zip"),
        ("cut: zippe", "cut: [...]"),
        ("großartig!", "[...]!"),
        ("拉链坏", "[...]"),
        ("it is too slow and slow", "[...] slow"),
        ("it is slow", "it is slow"),
    ],
)
def test_words_of_the_prompt_are_taken_out_and_common_ones_where_they_stand_in_its_order(text, left):
    assert unquoted(text, PROMPT) == left


def test_nothing_is_sent_and_nothing_said():
    assert (unquoted("", PROMPT), unquoted("Anna", [])) == ("", "Anna")
