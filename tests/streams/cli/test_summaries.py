from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner

from streams.cli.errors import CommandError
from streams.cli.summaries import command
from tests.streams.cli.samples import NOW, fill_summaries, summary


@pytest.fixture
def run(tmp_path: Path):
    def invoke(*arguments: str):
        return CliRunner().invoke(command, list(arguments), env={"MILLRACE_HOME": str(tmp_path)})

    return invoke


@pytest.fixture
def three(tmp_path: Path):
    records = [
        summary("B001", reviews=5, age_s=50, now=NOW),
        summary("B002", reviews=900, age_s=10, now=NOW),
        summary("kettle", reviews=30, age_s=1, now=NOW),
    ]
    fill_summaries(tmp_path, records)
    return records


def test_json_prints_the_record_exactly_as_published(run, three) -> None:
    assert run("B001", "--json").stdout_bytes == msgspec.json.encode(three[0]) + b"\n"


def test_json_of_all_is_one_record_a_line_newest_first(run, three) -> None:
    lines = run("--json").stdout_bytes.splitlines()
    assert [msgspec.json.decode(line)["product_id"] for line in lines] == ["kettle", "B002", "B001"]


def test_the_most_reviewed_come_first_when_asked_and_no_more_than_the_limit(run, three) -> None:
    lines = run("--sort", "reviews", "--limit", "2").output.splitlines()
    assert [line.split()[0] for line in lines] == ["product", "B002", "kettle"]


def test_an_unknown_product_is_not_found_and_its_nearest_are_named(run, three) -> None:
    error = run("b0O2").exception
    assert isinstance(error, CommandError)
    assert error.code == 5
    assert error.remedy == "Nearest: B002, B001"


def test_where_nothing_stands_the_next_step_is_named(run, tmp_path: Path) -> None:
    fill_summaries(tmp_path, [])
    assert "millrace produce reviews FILE" in run().output


def test_one_product_without_a_terminal_is_plain_text(run, three) -> None:
    told = run("kettle")
    assert told.exit_code == 0
    assert told.output.startswith("kettle ")
    assert "\x1b" not in told.output


@pytest.fixture
def ended(tmp_path: Path, run):
    standing = summary("kettle-2", reviews=5, now=NOW)
    gone = msgspec.structs.replace(summary("kettle", text=None, now=NOW), op="delete")
    fill_summaries(tmp_path, [standing, gone])
    return gone


def test_a_product_without_reviews_any_more_is_not_found(run, ended) -> None:
    error = run("kettle").exception
    assert isinstance(error, CommandError)
    assert (error.code, error.message) == (5, "'kettle' has no reviews any more")
    assert error.remedy == "See `millrace summaries` for those that have."


def test_json_prints_the_deletion_of_a_product_as_published(run, ended) -> None:
    told = run("kettle", "--json")
    assert (told.exit_code, told.stdout_bytes) == (0, msgspec.json.encode(ended) + b"\n")


def test_deleted_products_are_in_no_list_and_nobodys_nearest(run, ended) -> None:
    assert [line.split()[0] for line in run().output.splitlines()] == ["product", "kettle-2"]
    assert [msgspec.json.decode(line)["product_id"] for line in run("--json").stdout_bytes.splitlines()] == ["kettle-2"]
    assert run("kettl").exception.remedy == "Nearest: kettle-2"


def test_a_timeout_without_anything_to_wait_for_is_a_usage_error(run, three) -> None:
    told = run("kettle", "--timeout", "3")
    assert told.exit_code == 2
    assert "--at-least" in told.stderr
