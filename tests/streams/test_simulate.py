import json

import pytest
from click.testing import CliRunner

from processors.simulator import Simulator
from schemas.records import Unreadable, decode
from schemas.reviews import Review
from streams.cli import simulate
from streams.cli.simulate import command


def run(*arguments):
    result = CliRunner().invoke(command, arguments)
    assert result.exit_code == 0, result.output
    return result.stdout_bytes


def test_it_prints_one_review_a_line_that_produce_can_read():
    lines = run("--count", "30", "--seed", "4").splitlines()
    assert [decode(line, Review) for line in lines] == list(Simulator(4).reviews(30))


def test_the_same_arguments_print_the_same_bytes():
    arguments = ("--count", "50", "--seed", "9", "--products", "5", "--broken", "0.2", "--json")
    assert run(*arguments) == run(*arguments)


def test_broken_lines_come_on_top_of_the_reviews():
    readable = 0
    lines = run("--count", "100", "--broken", "0.3").split(b"\n")[:-1]
    for line in lines:
        try:
            decode(line, Review)
            readable += 1
        except Unreadable:
            pass
    assert 100 <= readable < len(lines)


def test_the_truth_is_written_as_json(tmp_path):
    path = tmp_path / "truth.json"
    run("--count", "80", "--products", "2", "--truth", str(path))
    truth = json.loads(path.read_text())
    assert [product["product_id"] for product in truth["products"]] == ["aero-buds-1", "trail-runner-1"]
    assert sum(product["review_count"] for product in truth["products"]) == 80
    assert {"aspect", "side", "review_count", "share"} == set(truth["products"][0]["bands"]["positive"]["opinions"][0])


def test_dates_start_when_told_and_keep_their_distance():
    dates = [
        decode(line, Review).created_at
        for line in run("--count", "10", "--start", "2024-02-03", "--spacing", "60").splitlines()
    ]
    assert {f"{date:%Y-%m-%d %H}" for date in dates} == {"2024-02-03 00"}


def test_a_rate_is_kept(monkeypatch):
    now, slept = [0.0], []

    def sleep(seconds):
        slept.append(seconds)
        now[0] += seconds

    monkeypatch.setattr(simulate.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(simulate.time, "sleep", sleep)
    run("--count", "101", "--rate", "10")
    assert sum(slept) == pytest.approx(10.0)


def test_in_a_terminal_reviews_are_laid_out_to_be_read(monkeypatch):
    monkeypatch.setattr("streams.cli.simulate._in_terminal", lambda: True)
    told = run("--count", "40", "--broken", "0.2").decode()
    assert "★★★★★  " in told
    assert "Lumorra Aero Buds · buyer-" in told
    assert "broken line: " in told
    assert max(map(len, told.splitlines())) <= 80
