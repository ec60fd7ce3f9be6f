from hypothesis import given
from hypothesis import strategies as st

from processors.language.cleaning import clean_text, clip, lower_case, quote_around


@given(st.text(alphabet=st.characters(), max_size=300))
def test_cleaned_text_can_be_sent_and_stored(text: str) -> None:
    cleaned = clean_text(text)
    assert "\x00" not in cleaned
    assert "\r" not in cleaned
    assert "  " not in cleaned
    cleaned.encode("utf-8")


def test_numeric_entities_for_surrogates_and_nul_are_harmless() -> None:
    clean_text("a&#xD800;b&#0;c&#xDFFF;").encode("utf-8")


def test_a_heart_is_no_markup() -> None:
    assert clean_text("I <3 this and 2 < 3 > 1") == "I <3 this and 2 < 3 > 1"


@given(st.text(max_size=400), st.integers(2, 60))
def test_a_clipped_text_keeps_its_limit_and_its_start(text: str, limit: int) -> None:
    clipped = clip(text, limit)
    assert len(clipped) <= limit
    assert text.startswith(clipped.removesuffix("…"))


@given(st.text(alphabet="ab. !\n", min_size=1, max_size=700), st.data())
def test_a_quote_holds_its_find_or_its_beginning(text: str, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(text) - 1))
    end = data.draw(st.integers(start, min(len(text), start + 20)))
    quote = quote_around(text, start, end, 240)
    assert len(quote) <= 240
    assert text[start:end].replace("\n", " ").strip()[:1] in quote


@given(st.text(max_size=200))
def test_lower_case_moves_nothing(text: str) -> None:
    assert len(lower_case(text)) == len(text)
