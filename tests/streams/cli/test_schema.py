import json
import os

import pytest
from click.testing import CliRunner

from infra.settings import KafkaSettings
from streams.__main__ import run
from streams.cli.schema import command
from streams.contracts import exported

FILES = exported(KafkaSettings())


@pytest.fixture(autouse=True)
def alone(monkeypatch, tmp_path):
    """No settings of this shell or folder."""
    for name in [name for name in os.environ if name.startswith("MILLRACE_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


def content(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def export(folder, *options):
    return CliRunner().invoke(command, ["export", str(folder), *options])


def test_every_contract_is_written_and_told(tmp_path):
    result = export(tmp_path / "new" / "folder")
    assert result.exit_code == 0
    assert content(tmp_path / "new" / "folder") == FILES
    assert [line.split() for line in result.output.splitlines()] == [[name, "new"] for name in FILES]


def test_as_json_it_prints_one_file_a_line(tmp_path):
    export(tmp_path)
    (tmp_path / "reviews.v1.json").write_bytes(FILES["reviews.v1.json"].replace(b"opinion", b"view"))
    rows = [json.loads(line) for line in export(tmp_path, "--json").output.splitlines()]
    assert rows[0] == {"path": str(tmp_path / "reviews.v1.json"), "outcome": "changed"}
    assert {row["outcome"] for row in rows[1:]} == {"unchanged"}
    assert content(tmp_path) == FILES


def test_the_settings_say_how_topics_are_called(tmp_path, monkeypatch):
    monkeypatch.setenv("MILLRACE_KAFKA_PREFIX", "shop")
    export(tmp_path)
    assert b'"shop.reviews.v1"' in content(tmp_path)["asyncapi.json"]


def looser_before(folder):
    """Leave an export behind whose reviews took more stars than now."""
    export(folder)
    path = folder / "reviews.v1.json"
    path.write_bytes(path.read_bytes().replace(b'"maximum": 5', b'"maximum": 10'))
    return content(folder)


def test_what_breaks_the_export_before_is_told_and_not_written(tmp_path, capsys):
    before = looser_before(tmp_path)
    assert run(["schema", "export", str(tmp_path)]) == 1
    told = capsys.readouterr().err.splitlines()
    assert told[0] == "reviews: rating: maximum 10 became 5 (breaks producers)"
    assert "1 change breaks" in told[1]
    assert "--breaking" in told[1]
    assert len(told) == 2
    assert content(tmp_path) == before


def test_a_break_is_written_when_it_is_asked_for(tmp_path):
    looser_before(tmp_path)
    result = export(tmp_path, "--breaking")
    assert result.exit_code == 0
    assert content(tmp_path) == FILES


def test_files_of_somebody_else_are_not_written_over(tmp_path, capsys):
    (tmp_path / "asyncapi.json").write_text('{"openapi": "3.1"}')
    assert run(["schema", "export", str(tmp_path)]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "asyncapi.json has no asyncapi" in line
    assert "another folder" in line
    assert list(content(tmp_path)) == ["asyncapi.json"]


@pytest.mark.parametrize("below", ["file/below", "taken"])
def test_a_folder_that_cannot_be_written_is_one_line(tmp_path, capsys, below):
    (tmp_path / "file").touch()
    (tmp_path / "taken" / "asyncapi.json").mkdir(parents=True)
    assert run(["schema", "export", str(tmp_path / below)]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert str(tmp_path / below) in line
    assert "yours to write to" in line


@pytest.mark.parametrize("arguments", [[], ["file"]])
def test_no_folder_is_a_usage_error(tmp_path, arguments):
    (tmp_path / "file").touch()
    assert run(["schema", "export", *arguments]) == 2
