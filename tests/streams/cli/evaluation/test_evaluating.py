import csv
from pathlib import Path

import pytest

from streams.cli.errors import CommandError
from streams.cli.evaluation.evaluating import Configuration, Trial, compare, write_per_question
from streams.cli.evaluation.judgments import Judged
from streams.cli.evaluation.view import table_lines

JUDGED = [Judged(f"q{number}", f"Question\t{number}?", {f"d{number}": 1.0}) for number in range(12)]


def trial(name: str, ranks: dict[int, int] | None = None) -> Trial:
    """Rank the right document at a place from 1, at 1 where none is told."""
    found = [[f"x{number}" for number in range(8)] for _ in JUDGED]
    for number in range(len(JUDGED)):
        found[number].insert((ranks or {}).get(number, 1) - 1, f"d{number}")
    return Trial(Configuration(name=name), found)


def test_every_configuration_is_measured_at_every_k_and_compared_with_the_first() -> None:
    worse = dict.fromkeys(range(12), 4)
    measured = compare(JUDGED, [trial("one", worse), trial("two")], [3, 5], seed=0)
    assert [(one.configuration.name, one.k, one.recall) for one in measured] == [
        ("one", 3, 0.0),
        ("two", 3, 1.0),
        ("one", 5, 1.0),
        ("two", 5, 1.0),
    ]
    assert [one.versus_first is None for one in measured] == [True, False, True, False]
    assert measured[1].versus_first["recall"].mean == 1.0
    assert measured[3].versus_first["mrr"].mean == 0.75


def test_a_difference_of_one_question_in_twelve_may_be_luck_and_of_all_is_not() -> None:
    clear, base = trial("clear"), trial("base", dict.fromkeys(range(12), 3))
    almost = trial("almost", dict.fromkeys(range(11), 3))
    measured = compare(JUDGED, [base, clear, almost], [10], 0)
    assert [one.versus_first["mrr"].mean for one in measured[1:]] == [0.6667, 0.0556]
    told = "\n".join(line.plain for line in table_lines(measured))
    rows = {line.split()[0]: line for line in told.splitlines() if line.startswith("  ")}
    assert "*" in rows["clear"]
    assert "*" not in rows["almost"]
    assert "(" not in rows["base"]


def test_the_worst_question_comes_first_with_every_configuration_beside(tmp_path: Path) -> None:
    path = tmp_path / "questions.tsv"
    write_per_question(path, JUDGED, [trial("one", {7: 9, 3: 2}), trial("two", {7: 5})], 5)
    rows = list(csv.DictReader(path.read_text().splitlines(), delimiter="\t"))
    assert [(row["query_id"], row["configuration"]) for row in rows[:4]] == [
        ("q7", "one"), ("q7", "two"), ("q3", "one"), ("q3", "two"),
    ]  # fmt: skip
    assert rows[0]["ndcg@5"] == "0.0000"
    assert rows[1]["mrr@5"] == "0.2000"
    assert rows[0]["relevant"] == "d7"
    assert rows[2]["found"] == "x0 d3 x1 x2 x3"
    assert rows[0]["text"] == "Question 7?"
    assert len(rows) == 24


def test_a_file_that_cannot_be_written_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="cannot be written"):
        write_per_question(tmp_path / "no" / "such", JUDGED, [trial("one")], 5)
