import re
import sys
from collections import Counter

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from processors.documents import splitting
from processors.documents.blocks import Block, read_blocks
from processors.documents.chunking import PARAGRAPH, Piece, cut
from processors.documents.splitting import PROSE, runs, split

LONGEST = 120
MARKS = ["", "# ", "## ", "### ", "- ", "  - ", "1. ", "> ", "    ", "\t", "| ", "* ", "+ ", "#### "]
LINES = [
    "",
    "",
    "```",
    "```python",
    "~~~",
    "===",
    "---",
    "***",
    "|---|---|",
    "> ```",
    "- ```",
    "[a]: b",
    "$$",
    "-",
    "#",
]


@st.composite
def documents(draw):
    """Lines of Markdown in any order, every word of them unlike any other."""
    words = (f"w{count}" for count in range(10_000))
    lines = []
    for length in draw(st.lists(st.integers(-30, 30), max_size=40)):
        if length <= 0:
            lines.append(LINES[-length % len(LINES)])
            continue
        mark = draw(st.sampled_from(MARKS))
        joint = draw(st.sampled_from([" ", " | ", ". ", ": "]))
        lines.append(mark + joint.join(next(words) for _ in range(length)))
    return "\n".join(lines)


def told(pieces):
    return "\n".join(f"{piece.breadcrumb}\n{piece.text}" for piece in pieces)


@settings(max_examples=300)
@given(documents())
@example("---\na: w1\n---\nw2")
@example("# w1\n## w2\n# w3")
@example("w1\nw2\n---\n")
@example("```\nw1\n# w2")
def test_every_word_of_a_document_stands_in_a_chunk_or_above_one(text):
    words = re.findall(r"\w+", text)
    assert set(words) <= set(re.findall(r"\w+", told(cut("Title", text, LONGEST))))


@settings(max_examples=300)
@given(documents())
def test_chunks_have_room_are_not_blank_and_are_the_same_again(text):
    pieces = cut("Title", text, LONGEST)
    assert all(0 < len(piece.text) <= _room(piece.text) and piece.text.strip() for piece in pieces)
    assert pieces == cut("Title", text.replace("\n", "\r\n"), LONGEST)


def _room(text):
    """Return how long a chunk may be: twice as long if it is one paragraph."""
    blocks = list(read_blocks(text))
    return PARAGRAPH * LONGEST if [block.kind for block in blocks if isinstance(block, Block)] == ["prose"] else LONGEST


@given(documents())
def test_every_line_of_a_chunk_stands_in_the_document(text):
    lines = {line.strip() for line in text.split("\n")} | {"```", "~~~"}
    for piece in cut(None, text, 20_000):
        assert all(any(line.strip() in known for known in lines) for line in piece.text.split("\n"))


@given(
    st.text(alphabet=st.sampled_from("ab #-`>|[]!*_~=.:\n\t<\\&1\x00\ud800\u200b"), max_size=400), st.integers(100, 200)
)
def test_any_text_can_be_cut(text, longest):
    for piece in cut(None, text, longest):
        assert 0 < len(piece.text) <= PARAGRAPH * longest
        assert "\x00" not in piece.text


def test_an_empty_document_has_no_chunks_and_a_bare_title_is_one():
    assert cut(None, "") == cut("", " \n\t\n") == cut("\u200b", "\x00") == ()
    assert cut("Guide", "") == (Piece("", "Guide"),)


def test_the_breadcrumb_has_the_headings_above_and_the_title_once():
    text = "before\n\n# One\n\na\n\n### Deep\n\nb\n\n## Two\n\nc\n\nNext\n====\n\nd\n"
    assert [(piece.breadcrumb, piece.text) for piece in cut("Title", text)] == [
        ("Title", "before"),
        ("Title > One", "a"),
        ("Title > One > Deep", "b"),
        ("Title > One > Two", "c"),
        ("Title > Next", "d"),
    ]
    assert cut("one", "# One\n\na")[0].breadcrumb == "One"


def test_markup_of_a_heading_is_not_in_the_breadcrumb():
    text = "## **1.** Use `feast apply` <a href='#x' id='x'></a> and [the CLI](cli.md) for snake_case \\(now\\) ##\n\na"
    assert cut(None, text)[0].breadcrumb == "1. Use feast apply and the CLI for snake_case (now)"


def test_headings_with_nothing_beneath_them_are_text_of_what_is_above():
    assert cut("T", "# A\n\n## B\n\n## C\n\n# D\n\nx") == (Piece("T > A", "B\n\nC"), Piece("T > D", "x"))


def test_two_sections_of_the_same_name_stay_apart():
    assert cut(None, "# A\n\nx\n\n# A\n\ny") == (Piece("A", "x"), Piece("A", "y"))


@pytest.mark.parametrize(
    "code",
    [
        "```sh\n# no heading\n\n## nor this\n```",
        "~~~\n```\n# no\n~~~",
        "    # indented",
        "- item\n\n  ```\n  # no\n  ```",
        "> # quoted",
    ],
)
def test_what_looks_like_a_heading_in_code_lists_and_quotes_is_none(code):
    assert cut(None, f"# A\n\n{code}\n\nafter") == (Piece("A", f"{code}\n\nafter"),)


def test_a_line_or_paragraph_too_long_for_a_heading_is_text():
    long = "word " * 30
    assert cut(None, f"# {long}\n\na")[0].text == f"# {long}\n\na"
    assert cut(None, "one\ntwo\n---\na")[0] == Piece("", "one\ntwo\n---\n\na")


def test_settings_before_the_text_are_no_heading():
    pieces = cut(None, "---\ndescription: >-\n  What it does.\nlayout: doc\n---\n\n# A\n\nx")
    assert pieces == (Piece("", "description: >-\n  What it does.\nlayout: doc"), Piece("A", "x"))


def test_parts_of_long_code_are_fenced_again_and_lose_no_line():
    lines = [f"call_{count}(" + "x" * 20 + ")" for count in range(60)]
    pieces = cut(None, "Text:\n\n```python\n" + "\n".join(lines) + "\n```\n", 300)
    coded = [piece.text.removeprefix("Text:\n\n") for piece in pieces if "call_" in piece.text]
    assert len(coded) > 5
    assert all(text.startswith("```python\n") and text.endswith("\n```") for text in coded)
    assert [line for text in coded for line in text.split("\n")[1:-1]] == lines


def test_parts_of_a_long_table_have_its_head_again():
    rows = [f"| row {count} | value |" for count in range(60)]
    pieces = cut(None, "| Name | What |\n|---|---|\n" + "\n".join(rows), 300)
    assert len(pieces) > 4
    assert all(piece.text.startswith("| Name | What |\n|---|---|\n| row ") for piece in pieces)
    assert [line for piece in pieces for line in piece.text.split("\n")[2:]] == rows


def test_a_long_list_is_cut_between_its_items():
    items = [f"- item {count}\n  goes on\n\n  - with more" for count in range(30)]
    pieces = cut(None, "\n".join(items), 300)
    assert all(piece.text.startswith("- item ") and piece.text.endswith("- with more") for piece in pieces)


def test_a_paragraph_up_to_twice_the_room_is_one_chunk_and_what_is_around_it_another():
    sentence = "Nothing of this sentence is parted. "
    paragraph = (sentence * 6).strip()
    assert 200 < len(paragraph) < 2 * LONGEST
    pieces = cut("T", f"before\n\n{paragraph}  \n\nafter\n\n## Next\n\n{paragraph}", LONGEST)
    assert [piece.text for piece in pieces] == ["before", paragraph, "after", paragraph]
    longer = cut("T", (sentence * 7).strip(), LONGEST)
    assert len(longer) > 1
    assert all(len(piece.text) <= LONGEST for piece in longer)


def test_only_paragraphs_may_be_longer_than_the_room():
    rows = "\n".join(f"| row {count} | value |" for count in range(8))
    code = "```\n" + "\n".join(f"call_{count}()" for count in range(14)) + "\n```"
    items = "\n".join(f"- item {count} of a list" for count in range(8))
    for text in (f"| Name | What |\n|---|---|\n{rows}", code, items):
        assert LONGEST < len(text) < PARAGRAPH * LONGEST
        assert all(len(piece.text) <= LONGEST for piece in cut(None, text, LONGEST))


def test_what_announces_a_list_is_not_parted_from_it():
    text = "\n\n".join(f"{'filler ' * 20}{count}.\n\nThese are {count}:\n\n- a{count}" for count in range(40))
    assert not [piece.text for piece in cut(None, text) if piece.text.endswith(":")]


@pytest.mark.parametrize("line", ["x" * 20_000, "字" * 5_000, "ab" * 10_000])
def test_a_line_without_blanks_is_cut_anywhere_and_nothing_is_lost(line):
    pieces = cut(None, line)
    assert "".join(piece.text for piece in pieces) == line
    assert len(pieces) == -(-len(line) // 900)


@given(st.text(max_size=300), st.integers(1, 50))
def test_parts_joined_are_the_text_again(text, longest):
    parts = split(text, longest, PROSE)
    assert "".join(parts) == text
    assert all(len(part) <= longest for part in parts)


def test_a_chunk_without_room_is_refused():
    with pytest.raises(ValueError, match="100 characters or more, got 99"):
        cut(None, "a", 99)


def paragraphs(count):
    return [f"Paragraph {number} says {hash63(number)} at some length, and then it ends." for number in range(count)]


def hash63(number):
    return (number * 2_654_435_761) % 99_991


def changed(before, after):
    return sum((Counter(cut(None, after)) - Counter(cut(None, before))).values())


@pytest.mark.parametrize("place", [0, 10, 60, 119])
def test_an_edit_changes_the_chunks_around_it_and_no_others(place):
    units = paragraphs(240)
    before = "\n\n".join(units)
    inserted = "\n\n".join([*units[:place], "A new paragraph, " * 6, *units[place:]])
    removed = "\n\n".join(units[:place] + units[place + 1 :])
    total = len(cut(None, before))
    assert total > 20
    assert changed(before, inserted) <= 5  # windows that begin where the last ended: all behind it
    assert changed(before, removed) <= 5


@pytest.mark.parametrize(
    "unit", ["#", ">", "-", "[", "`", "|", "* ", "- a\n", "> - ", "# a\n", "|a|\n|-|\n", "a\n\n", "x. ", "<a ", "```\n"]
)
def test_cutting_takes_steps_in_proportion_to_the_length(unit):
    steps = [calls(lambda size=size: cut(None, (unit * size)[:size])) for size in (4_000, 16_000)]
    assert steps[1] < 8 * steps[0] + 20_000


def calls(action):
    """Count the calls of Python functions an action takes: no clock, so it is the same on any machine."""
    count = 0

    def profile(frame, event, arg):
        nonlocal count
        count += event in {"call", "c_call"}

    before = sys.getprofile()
    sys.setprofile(profile)
    try:
        action()
    finally:
        sys.setprofile(before)
    return count


def test_groups_begin_where_the_content_says_not_where_the_room_ends(monkeypatch):
    units = [f"{count:03d} " for count in range(100)]
    whole = runs(units, 40)
    without_first = runs(units[1:], 40)
    assert whole[3:] == without_first[-len(whole[3:]) :]
    monkeypatch.setattr(splitting, "_rank", lambda unit: (False, b""))  # no content: the first border that will do
    assert runs(units, 40) != whole
