import os
from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from click.testing import CliRunner

from infra.database import Waits, open_store
from infra.errors import SettingsError
from infra.heartbeats import write_heartbeat
from infra.places import StorePlace
from infra.rows.usage_rows import UsageRow, add_usage
from schemas.heartbeats import Counters, Heartbeat
from streams.cli import usage as told

NOW = datetime(2026, 11, 22, 9, 30, tzinfo=UTC)
ENDPOINT = "https://models.example/v1"


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setattr("streams.cli.usage.time.time", NOW.timestamp)
    return tmp_path


@pytest.fixture
def run(home):
    def invoke(*arguments: str, **environ: str):
        return CliRunner().invoke(told.command, list(arguments), env={"MILLRACE_HOME": str(home), **environ})

    return invoke


@pytest.fixture
def count(home):
    """Write calls of some days ago down in an agent's store."""
    stores = {}

    def counted(agent: str, days_ago: int, model: str = "m", prompt: str = "summary@1/ab", **numbers) -> None:
        if agent not in stores:
            stores[agent] = open_store(StorePlace(agent, home), Waits())
        day = (NOW - timedelta(days=days_ago)).date().isoformat()
        engine = "extractive" if model == "table" else "openai"
        row = UsageRow(day, engine, model, prompt, **{"calls": 1, **numbers})
        stores[agent].change(lambda connection: add_usage(connection, row))

    yield counted
    for store in stores.values():
        store.close()


def beat(home, circuits, *, agent="answer", pid=None, reasons=None) -> None:
    write_heartbeat(
        home,
        Heartbeat(
            agent=agent, slot=0, pid=os.getpid() if pid is None else pid, at=NOW.timestamp(), started_at=0.0,
            state="running", batch_started_at=None, partitions=[], counters=Counters(), outbox_depth=0, work_depth=0,
            timer_depth=0, newest_event_at=None, last_error=None, circuits=circuits,
            circuit_reasons=reasons or {},
        ),
    )  # fmt: skip


def calls(run, **environ):
    usage = msgspec.json.decode(run("--json", **environ).stdout_bytes)
    return {period["name"]: period["calls"] for period in usage["periods"]}


def test_calls_of_both_agents_are_added_up_by_model_prompt_and_period(run, count):
    count("summarize", 0, calls=3, failures=1, hits=2, tokens_in=100, tokens_out=50, cost=0.5, latency_ms=900.0)
    count("summarize", 6, calls=1, cost=0.25, latency_ms=100.0)
    count("summarize", 7, calls=9)
    count("summarize", 29, calls=90)
    count("summarize", 30, calls=900)
    count("answer", 0, prompt="answer@1/cd", calls=7)
    found = calls(run)
    assert found["today"] == [
        {
            "agent": "summarize", "engine": "openai", "model": "m", "prompt_version": "summary@1/ab", "calls": 3,
            "hits": 2, "failures": 1, "tokens_in": 100, "tokens_out": 50, "cost": 0.5, "mean_latency_ms": 300.0,
        },
        {
            "agent": "answer", "engine": "openai", "model": "m", "prompt_version": "answer@1/cd", "calls": 7,
            "hits": 0, "failures": 0, "tokens_in": 0, "tokens_out": 0, "cost": 0.0, "mean_latency_ms": 0.0,
        },
    ]  # fmt: skip
    assert [(one["agent"], one["calls"], one["cost"]) for one in found["7 days"]] == [
        ("summarize", 4, 0.75),
        ("answer", 7, 0.0),
    ]
    assert [one["calls"] for one in found["30 days"]] == [103, 7]


def test_a_model_that_was_never_called_has_no_latency(run, count):
    count("summarize", 0, calls=0, hits=5)
    assert calls(run)["today"][0]["mean_latency_ms"] is None
    assert run().output.splitlines()[1].split() == ["openai:m", "0", "5", "0", "0", "0", "-", "-"]


def test_budgets_of_today_are_told_with_what_is_left_of_them(run, count):
    count("summarize", 0, cost=0.75, tokens_in=600, tokens_out=300)
    count("answer", 0, cost=0.5, tokens_in=50, tokens_out=50)
    count("answer", 1, cost=9.0, tokens_in=9_000)
    limits = {"MILLRACE_WRITER_BUDGET_DAY": "1", "MILLRACE_WRITER_TOKENS_DAY": "5000"}
    assert msgspec.json.decode(run("--json", **limits).stdout_bytes)["budgets"] == [
        {"what": "cost", "spent": 1.25, "limit": 1.0, "left": 0.0},
        {"what": "tokens", "spent": 1000, "limit": 5000, "left": 4000},
    ]
    lines = run(**limits).output.splitlines()
    assert "cost of today: 1.25 of 1.00, 0.00 left: no such calls until tomorrow (UTC)" in lines
    assert "tokens of today: 1,000 of 5,000, 4,000 left" in lines
    assert "of today" not in run().output


def test_endpoints_that_are_left_alone_are_named_unless_their_worker_is_gone(run, home):
    beat(home, {ENDPOINT: NOW.timestamp() + 12}, reasons={ENDPOINT: "HTTP 401\x1b[2J: the key; " + "set it " * 20})
    beat(home, {"https://gone.example": NOW.timestamp() + 12}, agent="summarize", pid=2**22 + 1)
    (circuit,) = msgspec.json.decode(run("--json").stdout_bytes)["circuits"]
    assert circuit.pop("reason").startswith("HTTP 401")
    assert circuit == {"endpoint": ENDPOINT, "agent": "answer", "slot": 0, "until": NOW.timestamp() + 12}
    told = run().output
    assert f"left alone for 12 s: {ENDPOINT} (answer-0)\n  because HTTP 401: the key; set it" in told
    assert max(map(len, told.splitlines())) <= 80
    assert told.rstrip().endswith("set it")
    beat(home, {ENDPOINT: NOW.timestamp() - 1})
    assert f"to be tried by the next call: {ENDPOINT} (answer-0)" in run().output
    assert "because" not in run().output  # a worker of an older version does not tell


def test_where_nothing_was_asked_that_is_said(run, count):
    assert run().output == "No model was asked for anything in the last 30 days.\n"
    count("summarize", 45)
    assert run().output == "No model was asked for anything in the last 30 days.\n"


def test_it_fits_a_terminal_of_80_columns_and_tells_costs_only_where_there_are_prices(run, count):
    numbers = {"calls": 123_456, "failures": 12, "hits": 99_999, "tokens_in": 987_654_321, "tokens_out": 12_345}
    count(
        "summarize", 0, "organisation/a-very-long-name-with-size", cost=1234.5, latency_ms=123_456 * 12_345.0, **numbers
    )
    count("answer", 3, model="table", prompt="answers-1", calls=5, latency_ms=2.0)
    output = run(MILLRACE_WRITER_PRICES="x=1/2").output
    assert max(map(len, output.splitlines())) <= 80
    assert "1,234.50" in output
    assert "987.7 M" in output
    assert "12.3 s" in output
    assert "1,234.50" not in run().output


def test_a_period_with_nothing_new_is_not_told_again(run, count):
    count("summarize", 0)
    assert run().output.splitlines()[-2:] == ["7 days: the same", "30 days: the same"]
    count("summarize", 8)
    assert [line.split("  ")[0] for line in run().output.splitlines() if "days" in line] == [
        "7 days: the same",
        "30 days",
    ]


def test_prices_that_cannot_be_read_are_named(run):
    error = run(MILLRACE_WRITER_PRICES="x").exception
    assert isinstance(error, SettingsError)
    assert error.remedy == "Correct MILLRACE_WRITER_PRICES."
