import pytest
from rich.cells import cell_len

from schemas.hits import Hit, Passage
from streams.cli.search_view import hit_lines, title_of
from tests.streams.cli.samples import HOSTILE

QUOTE = "Reset the broker with the button behind the lid, and wait until the light stops."


def passage(document_id: str = "guide/start.md", title: str | None = "Guide", quote: str = QUOTE, **rest) -> Passage:
    of_passage = {name: rest.pop(name) for name in ("rating", "at") if name in rest}
    hit = Hit(document_id=document_id, chunk_id="c1", title=title, quote=quote, score=0.834, parts={}, **rest)
    return Passage(key=f"/{document_id}", row_id=1, hit=hit, text=quote, **of_passage)


def told(*passages: Passage, question: str = "how do I reset brokers", width: int = 80) -> list[str]:
    return [line.plain for line in hit_lines(passages, question, width)]


def test_a_hit_tells_rank_place_score_quote_and_id():
    assert told(passage(breadcrumb="Start > Reset")) == [
        " 1  Guide > Start > Reset                                                   0.83",
        '    "Reset the broker with the button behind the lid, and wait until the light',
        '    stops."',
        "    guide/start.md",
    ]


def test_words_of_the_question_stand_out_in_whatever_form():
    lines = list(hit_lines([passage()], "how do I reset brokers", 80))
    marked = [lines[1].plain[span.start : span.end] for span in lines[1].spans]
    assert marked == ["Reset", "broker"]


def test_hits_are_numbered_with_an_empty_line_between():
    lines = told(passage(), passage("other.md", title=None, quote="Short."))
    assert [line for line in lines if line[:4].strip() or not line] == [lines[0], "", lines[5]]
    assert lines[5:] == [f" 2  other.md{'0.83':>68}", '    "Short."', "    other.md"]


def test_a_review_tells_its_stars_and_its_day():
    review = passage("r1", None, "It broke.", kind="review", product_id="B001", rating=2.0, at=1_388_620_800.0)
    assert told(review)[0].split() == ["1", "Review", "0.83"]
    assert told(review)[2] == "    r1 · 2 ★ · 2014-01-02"


def test_where_a_document_came_from_is_told_once():
    assert told(passage(uri="https://example.com/start"))[-1] == "    guide/start.md · https://example.com/start"
    assert told(passage(uri="guide/start.md"))[-1] == "    guide/start.md"


@pytest.mark.parametrize("breadcrumb", ["Guide", "Guide > Start", "guide > Start"])
def test_a_title_that_the_headings_begin_with_is_told_once(breadcrumb):
    assert title_of(passage(breadcrumb=breadcrumb).hit) == breadcrumb


@pytest.mark.parametrize("width", [40, 80, 200])
@pytest.mark.parametrize("text", [HOSTILE, "word " * 48, "x" * 240, "手机套很好用颜色也很漂亮而且物流非常快" * 12])
def test_no_line_is_wider_than_the_terminal_and_no_text_commands_it(width, text):
    hostile = passage(text, text, text, breadcrumb=text, uri=text)
    for line in hit_lines([hostile], text, width):
        assert cell_len(line.plain) <= width
        assert not set("\x1b\x07\n\r\t\u202e") & set(line.plain)
