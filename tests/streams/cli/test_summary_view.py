import msgspec
from rich.cells import cell_len

from schemas.points import Evidence
from streams.cli.summary_view import product_lines, table_lines
from tests.streams.cli.samples import HOSTILE, NOW, band, point, summary


def shown(*args, **options) -> list[str]:
    return [line.plain for line in product_lines(*args, **options)]


def words(line: str) -> str:
    return " ".join(line.split())


def test_a_summary_at_80_columns_shows_title_paragraph_points_and_footer() -> None:
    lines = shown(summary(), NOW, 80)
    assert lines[0].startswith("kettle-17 ")
    assert lines[0].endswith("4,915 reviews · 4.6 ★ · updated 2 s ago")
    assert lines[1] == "  Buyers like the even heat and the quiet fan; most say it fits a small"
    assert words(lines[4]) == "+ heats evenly and keeps warm for a long … 869 20 % rising ×1.8"
    assert words(lines[8]) == "- lid cracks within months of normal use,… 72 22 % of 1-2 ★ rising ×2.4"
    assert words(lines[-1]) == "value for money good 801 · poor 41 · unclear 584 safety 19 · severe 110"


def test_no_line_is_wider_than_the_terminal_whatever_the_letters() -> None:
    record = summary(HOSTILE * 3, text="手机" * 200 + " word" * 40)
    for width in (60, 80, 100, 120, 200):
        lines = shown(record, NOW, width)
        assert max(cell_len(line) for line in lines) <= min(width, 120)


def test_numbers_stand_under_each_other_beside_wide_letters() -> None:
    lines = [line for line in shown(summary(), NOW, 80) if line.startswith(("  +", "  -"))]
    assert len({cell_len(line[: line.index(" %")]) for line in lines}) == 1


def test_no_control_character_of_a_review_reaches_the_terminal() -> None:
    record = summary(HOSTILE, text=HOSTILE, positive=band(point(HOSTILE, 3, 0.1, quote=HOSTILE)))
    text = "\n".join(shown(record, NOW, 120)) + "\n".join(line.plain for line in table_lines([record], NOW, 120))
    assert not set(text) & {"\x1b", "\x07", "\t", "\u202e"}
    assert "[bold]not markup[/bold] gnp.exe" in text


def test_a_wide_terminal_shows_the_first_quote() -> None:
    assert '"quiet fan, as I said before"' in "\n".join(shown(summary(), NOW, 120))
    assert '"' not in "\n".join(shown(summary(), NOW, 80))


def test_all_quotes_are_shown_when_asked_for() -> None:
    lines = shown(summary(), NOW, 80, quotes=1)
    assert (
        lines[lines.index(next(line for line in lines if line.startswith("  + quiet"))) + 1]
        .strip()
        .startswith('"quiet')
    )


def test_a_product_without_text_or_points_or_stars_says_so() -> None:
    bare = summary(text="", positive=band(), negative=band(), unrated=band(point("arrived late", 2, 0.5)))
    lines = shown(bare, NOW, 80)
    assert lines[1].strip() == "No text yet: too few reviews say the same."
    assert words(lines[3]) == "· arrived late 2 50 % unrated"


def test_the_table_has_a_line_a_product_in_the_order_given() -> None:
    three = [summary("b", reviews=3), summary("a", text=""), summary("c", text=None)]
    lines = [line.plain for line in table_lines(three, NOW, 80)]
    assert [line.split()[0] for line in lines] == ["product", "b", "a", "c"]
    assert lines[1].split()[1:5] == ["3", "4.6", "2", "s"]
    assert lines[2].endswith("no text yet")
    assert lines[3].endswith("no text now")


def test_a_text_that_was_withdrawn_or_not_written_yet_is_told_to_be_on_its_way() -> None:
    assert shown(summary(text=None), NOW, 80)[1].strip() == "No text now: one is being written."


def test_the_quote_beside_a_point_says_more_than_its_headline() -> None:
    said = point("quiet fan", 40, 0.4)
    evidence = [
        Evidence(review_id=str(number), quote=text) for number, text in enumerate(("Quiet fan!", "It hums softly"))
    ]
    record = summary(positive=band(msgspec.structs.replace(said, evidence=evidence)))
    assert '"It hums softly"' in "\n".join(shown(record, NOW, 120))


def test_the_trend_of_a_handful_of_reviews_is_not_told() -> None:
    lines = shown(summary(positive=band(point("few", 9, 0.1, 3.0), point("more", 10, 0.1, 3.0))), NOW, 80)
    assert [line.split()[-1] for line in lines if line.startswith("  +")] == ["%", "×3.0"]
