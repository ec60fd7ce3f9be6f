import pytest
from hypothesis import given
from hypothesis import strategies as st

from processors.documents.sentences import sentences
from schemas.records import QUOTE_LIMIT

MARKDOWN = st.text(alphabet=st.sampled_from("aB1 .!?\n-*`|#>()[]<%{}'\"。,\t"), max_size=400)


@given(MARKDOWN | st.text(max_size=600))
def test_every_quote_stands_in_the_text_word_for_word_in_order(text):
    reached = 0
    for quote in sentences(text):
        assert 0 < len(quote) <= QUOTE_LIMIT
        assert quote == quote.strip()
        reached = text.index(quote, reached) + len(quote)


@given(st.lists(st.sampled_from(["w", "e.g.", "end.", "What?", "(x)", "\n", "\n\n", "\n- ", "| a |\n"])))
def test_no_word_is_lost(parts):
    text = " ".join(f"{part}{place}" if part == "w" else part for place, part in enumerate(parts))
    found = " ".join(sentences(text)).split()
    assert [word for word in found if word.startswith("w")] == [word for word in text.split() if word.startswith("w")]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("One. Two! Three?", ["One.", "Two!", "Three?"]),
        ('He said "go." Then he went.', ['He said "go."', "Then he went."]),
        (
            "Use e.g. Kafka, cf. Fig. 3 (by Dr. Smith). Next one.",
            ["Use e.g. Kafka, cf. Fig. 3 (by Dr. Smith).", "Next one."],
        ),
        ("It has v1.2.3 of feast.yaml in it. Done.", ["It has v1.2.3 of feast.yaml in it.", "Done."]),
        ("one line\ngoes on. Next", ["one line\ngoes on.", "Next"]),
        ("- a\n- b\n  goes on\n  1. c", ["a", "b\n  goes on", "c"]),
        ("> quoted\n> more", ["quoted", "more"]),
        ("第一句。第二句。", ["第一句。", "第二句。"]),
        ("```python\nx = 1\n\nif x:\n    y()\n```\nAfter.", ["x = 1", "if x:", "y()", "After."]),
        ("| a | b |\n|---|:-:|\n| 1. x | 2 |", ["| a | b |", "| 1. x | 2 |"]),
        ("<br/>\n{% tab %}\n---\n***\n\n## Head\nText", ["Head", "Text"]),
    ],
)
def test_sentences_items_rows_and_lines_of_code_stand_alone(text, expected):
    assert sentences(text) == expected


def test_a_long_sentence_comes_in_parts_cut_after_clauses_or_words():
    clause = "it goes on and on without any mark for quite some time, "
    parts = sentences(clause * 12 + "end.")
    assert "".join(part + " " for part in parts).strip() == clause * 12 + "end."
    assert all(part.endswith((",", "end.")) for part in parts)
    assert all(part.endswith("word") for part in sentences("word " * 200))


def test_a_word_longer_than_a_quote_is_cut_anywhere():
    assert "".join(sentences("x" * 1_000)) == "x" * 1_000
