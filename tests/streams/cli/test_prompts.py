"""Prompts as they are listed, shown, compared and tried."""

import json
import os

import pytest
from click.testing import CliRunner

from models.engines import Engines
from models.ports import WriteFailure
from models.prompting.prompts import load_prompt
from streams.__main__ import run
from streams.cli.prompts import command
from tests.models.scripted_engine import ScriptedEngine


@pytest.fixture(autouse=True)
def alone(monkeypatch, tmp_path):
    """No settings of this shell or folder."""
    for name in [name for name in os.environ if name.startswith("MILLRACE_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


def prompts(*arguments):
    return CliRunner().invoke(command, list(arguments))


def test_the_list_tells_which_prompts_there_are_and_who_uses_them():
    result = prompts("list")
    assert result.exit_code == 0
    assert load_prompt("summary").identity in result.output
    assert "used by writer.prompt" in result.output
    rows = [json.loads(line) for line in prompts("list", "--json").output.splitlines()]
    assert [(row["name"], row["used_by"]) for row in rows] == [
        ("answer", ["answer.prompt"]),
        ("summary", ["writer.prompt"]),
    ]


def test_a_prompt_is_shown_as_written_and_as_a_model_is_told_it():
    assert prompts("show", "summary").output == load_prompt("summary").source
    told = json.loads(prompts("show", "answer", "--rendered", "--json").output)
    assert told["messages"][-1]["role"] == "user"
    assert "How do I start the pump" in told["messages"][-1]["content"]


def test_two_prompts_are_compared_line_by_line(tmp_path):
    own = tmp_path / "own.md"
    own.write_text(load_prompt("answer").source.replace("three short", "two short"))
    result = prompts("diff", "answer", str(own))
    assert result.exit_code == 1
    assert "two short" in result.output
    assert prompts("diff", "answer", "answer").exit_code == 0


def test_the_worked_examples_that_are_shipped_would_be_taken():
    for name in ("summary", "answer"):
        result = prompts("test", name)
        assert result.exit_code == 0, result.output
        assert "REFUSED" not in result.output


def test_a_worked_example_that_says_too_much_is_told(tmp_path, capsys):
    own = tmp_path / "own.md"
    own.write_text(load_prompt("summary").source.replace("say 31 of 52", "say 13 of 52"))
    assert run(["prompts", "test", str(own)]) == 1
    told = capsys.readouterr()
    assert "REFUSED" in told.out
    assert "says 13" in told.out
    assert "1 of 1 worked examples" in told.err


def test_a_model_is_asked_each_example_without_being_told_its_answer(monkeypatch):
    good, bad = "The pump is started with the green switch [1].", "The pump costs 30 euros [1]."
    engine = ScriptedEngine(good, bad)
    monkeypatch.setattr(Engines, "get", lambda self, name: engine)
    result = prompts("test", "answer", "--writer", "openai:any", "--json")
    rows = [json.loads(line) for line in result.output.splitlines()]
    assert [row["said"] for row in rows] == [good, bad]
    assert [bool(row["refused"]) for row in rows] == [False, True]
    assert all(message.content != good for message in engine.asked[0].messages)
    assert len(engine.asked[0].messages) < len(load_prompt("answer").render(load_prompt("answer").cases[0].inputs))


def test_a_model_that_fails_is_told_with_its_reason(monkeypatch):
    failures = [WriteFailure("401: no such key", False)] * 2
    monkeypatch.setattr(Engines, "get", lambda self, name: ScriptedEngine(*failures[:1]))
    rows = [
        json.loads(line) for line in prompts("test", "summary", "--writer", "openai:any", "--json").output.splitlines()
    ]
    assert rows[0]["refused"] == ["401: no such key"]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["show", "none"], "there are answer, summary"),
        (["test", "summary", "--writer", "extractive"], "takes no prompt"),
        (["test", "summary", "--writer", "openai:"], "names no model"),
        (["test", "summary", "--writer", "openai:any"], "MILLRACE_WRITER_URL"),
    ],
)
def test_what_cannot_be_is_one_line_with_its_remedy(arguments, told, capsys):
    assert run(["prompts", *arguments]) == 2
    assert told in capsys.readouterr().err
