import pytest
from hypothesis import given
from hypothesis import strategies as st

from processors.documents.formats import read_text
from processors.documents.html import DEPTH, markdown_of
from processors.documents.plain import headed
from schemas.documents import Document
from schemas.records import Unreadable


def read(text, document_id="a", **fields):
    return read_text(Document(document_id=document_id, text=text, **fields))


def refusal(text, **fields):
    with pytest.raises(Unreadable) as refused:
        read(text, **fields)
    assert refused.value.reason == "unsupported_format"
    assert "\n" not in refused.value.error
    assert refused.value.error.startswith(f"{refused.value.field}: ")
    return refused.value.error


PAGE = "<h1>Guide</h1><p>Run it.</p>"


@pytest.mark.parametrize(
    "told",
    [
        {"metadata": {"content_type": "text/html"}},
        {"metadata": {"content_type": "Text/HTML; charset=utf-8"}},
        {"uri": "https://docs.example/guide.HTML?page=2#top"},
        {"document_id": "guide/start.htm"},
        {"document_id": "guide/start.md", "uri": "https://docs.example/start.html"},
        {"document_id": "guide/start.md", "metadata": {"content_type": "text/html"}},
    ],
)
def test_the_content_type_then_the_uri_then_the_id_says_what_a_document_is_written_in(told):
    assert read(PAGE, **told) == "# Guide\n\nRun it."


@pytest.mark.parametrize(
    "told",
    [
        {},
        {"document_id": "a.md"},
        {"document_id": "a.txt"},
        {"uri": "a.html", "metadata": {"content_type": "text/markdown"}},
    ],
)
def test_tags_stay_where_nothing_says_html(told):
    assert read(PAGE, **told) == PAGE


@pytest.mark.parametrize(
    "start", ["<!DOCTYPE html>", "\n <!-- built --> <html lang=en>", "<?xml version='1.0'?>\n<!doctype HTML>"]
)
def test_a_whole_page_is_known_by_how_it_begins(start):
    assert read(start + PAGE) == "# Guide\n\nRun it."


def test_text_taken_from_a_page_is_plain_although_the_page_is_named():
    assert read("Use a < b and the <b> tag.", uri="https://docs.example/x.html") == "Use a < b and the <b> tag."


@pytest.mark.parametrize("content_type", ["application/pdf", "image/png", "text/csv", "x" * 5_000, 7, ["text/html"]])
def test_another_content_type_is_refused_with_what_to_send(content_type):
    error = refusal("text", metadata={"content_type": content_type})
    assert error.startswith("metadata.content_type: ")
    assert "text/markdown" in error
    assert len(error) < 250


@pytest.mark.parametrize(
    "text", ["%PDF-1.7\n...", "PK\x03\x04rest", "{\\rtf1 x}", "JVBERi0xLjcK", "a\x00\x01\x02\x03b", "\ufffd\ufffdPNG"]
)
@pytest.mark.parametrize("told", [{}, {"metadata": {"content_type": "text/plain"}}])
def test_what_is_no_text_is_refused_whatever_it_is_called(text, told):
    assert refusal(text, **told).startswith("text: ")


def test_an_unknown_extension_with_text_is_read():
    assert read("What the file said.", uri="https://docs.example/x.pdf") == "What the file said."


def test_characters_nobody_sees_are_left_out():
    assert read("a\u200bb\r\nc\ufeff \u202ed\ud800e\rf" + "\x00" + "g") == "ab\nc de\nfg"


def test_joiners_that_scripts_need_stay():
    assert read("\U0001f469\u200d\U0001f4bb می\u200cخواهم") == "\U0001f469\u200d\U0001f4bb می\u200cخواهم"


def test_a_page_keeps_its_headings_lists_tables_and_code():
    page = """<body><h2>Use</h2><ol><li>One<li>Two<ul><li>Inner</ul></ol>
    <table><tr><th>A<th>B<tr><td>1<td>2</table><pre><code class="x language-python">if a &lt; b:

    go()</code></pre>"""
    assert read(page) == (
        "## Use\n\n1. One\n2. Two\n   - Inner\n\n| A | B |\n| --- | --- |\n| 1 | 2 |\n\n"
        "```python\nif a < b:\n\n    go()\n```"
    )


@pytest.mark.parametrize(
    "unseen",
    [
        "<script>SECRET</script>",
        "<style>SECRET</style>",
        "<nav><p>SECRET</nav>",
        "<!-- SECRET -->",
        "<div hidden>SECRET</div>",
        "<div hidden=until-found><p>SECRET<p>SECRET</div>",
        '<span aria-hidden="true">SECRET</span>',
        '<p style="color: red; DISPLAY : none">SECRET',
        "<p style='visibility:hidden'>SECRET</p>",
        "<template>SECRET</template>",
        "<button>SECRET</button>",
        "<title>Shown</title><head>SECRET</head>",
        '<script>if (a < b) { x = "</p>SECRET" }</script>',
        "<img src=SECRET>",
        '<a href="SECRET" title="a > b"></a>',
    ],
)
def test_what_a_reader_of_the_page_does_not_see_is_left_out(unseen):
    text = markdown_of(f"<p>Before.</p>{unseen}<p>After.</p>")
    assert "SECRET" not in text
    assert "Before." in text
    assert "After." in text


def test_the_title_of_a_page_stands_above_it_unless_it_has_a_heading():
    assert markdown_of("<title>A &amp; B</title><p>x</p>") == "# A & B\n\nx"
    assert markdown_of("<title>A</title><h1>B</h1>") == "# B"


def test_a_page_of_ten_thousand_elements_inside_one_another_is_read():
    assert markdown_of("<div>" * 10_000 + "x") == "x"
    assert DEPTH < 100  # markdownify calls itself for each


@given(
    st.lists(
        st.sampled_from(["<p>", "</p>", "<!--", "-->", "<", "<a ", '"', ">", "<li>", "<td>", "<pre>", " ", "\n", "x"])
    )
)
def test_any_page_can_be_read(parts):
    assert "\x00" not in markdown_of("".join(parts))


def test_tags_that_never_end_are_text_rather_than_parsed_again_and_again():
    assert markdown_of("<a " * 5_000).count("<a") == 5_000  # html.parser alone needs 16 s


def test_underlines_of_restructured_text_are_headings_by_order_of_appearance():
    text = "=====\nGuide\n=====\n\nText.\n\nInstall\n=======\n\nLinux\n~~~~~\n\nx\n\n~~~~\n\nUse\n===\n"
    assert headed(text) == "# Guide\n\nText.\n\n## Install\n\n### Linux\n\nx\n\n***\n\n## Use\n"


@given(st.lists(st.sampled_from(["a", "ab cd", "====", "~~~~", "", "  x", "````"])).map("\n".join))
def test_no_line_of_restructured_text_but_its_underlines_is_lost(text):
    shown = headed(text)
    for word in ("a", "ab cd", "  x"):
        assert [line.lstrip("# ") for line in shown.split("\n")].count(word.strip()) == [
            line.strip() for line in text.split("\n")
        ].count(word.strip())
