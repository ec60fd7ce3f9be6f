from rich.cells import cell_len

from streams.cli.letters.kept_letters import Choice, Kept, newest
from streams.cli.letters.view import letter_lines, table_lines
from tests.streams.cli.samples import NOW, letter


def kept(offset: int, **changed: object) -> Kept:
    return Kept(b"", letter(offset, **changed), (0, offset))


def test_the_newest_come_last_and_no_more_than_the_limit() -> None:
    letters = [kept(number, age_s=(number * 7) % 50) for number in range(50)]
    assert [one.letter.failed_at.timestamp() for one in newest(letters, 3)] == [NOW - 2, NOW - 1, NOW]


def test_letters_are_chosen_by_everything_that_is_said_of_them() -> None:
    letters = [letter(1), letter(2, reason="not_json"), letter(3, agent="summarize"), letter(4, age_s=90)]

    def chosen(**said: object) -> list[int]:
        return [one.source.offset for one in letters if Choice(**said).matches(one)]

    assert chosen() == [1, 2, 3, 4]
    assert chosen(reason="invalid_field", agent="digest") == [1, 4]
    assert chosen(topic="millrace.reviews.v1", since=letters[0].failed_at) == [1, 2, 3]
    assert chosen(topic="millrace.points.v1") == []


def test_the_table_tells_age_reason_source_and_error_in_80_columns() -> None:
    lines = [line.plain for line in table_lines([letter(), letter(123_456_789, error="手机" * 90)], NOW, 80)]
    assert lines[1].split()[:4] == ["30", "s", "invalid_field", "millrace.reviews.v1:3:7"]
    assert "rating: " in lines[1]
    assert max(map(cell_len, lines)) <= 80


def test_one_letter_is_shown_whole_and_cannot_reach_the_terminal() -> None:
    text = "\n".join(line.plain for line in letter_lines(letter(payload=b'{"text": "\x1b]0;owned\x07 \xff"}'), NOW, 80))
    assert "\x1b" not in text
    assert "\x07" not in text
    assert '{"text": " \\xff"}' in text
    assert "header   ce_id = x" in text
    assert "key" not in text.split("\n\n")[0].split()


def test_a_long_payload_is_cut_and_says_so() -> None:
    lines = [line.plain for line in letter_lines(letter(payload=b"x" * 3_000), NOW, 80)]
    assert lines[-1] == "… 2,000 characters more, with --json"
    assert sum(line.count("x") for line in lines[-14:]) == 1_000


def test_a_tombstone_has_no_payload() -> None:
    assert [line.plain for line in letter_lines(letter(payload=None), NOW, 80)][-1].startswith("No payload")
