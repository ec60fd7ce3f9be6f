from pathlib import Path

import click
import msgspec
import pytest
from click.testing import CliRunner

from infra import leases
from infra.database import Waits, open_store
from infra.leases import Task
from infra.outbox import Cause
from infra.places import StorePlace
from infra.rows.answer_rows import AnswerRow, RequestRow, put_answer, put_request
from infra.settings import Settings
from schemas.requests import Request
from streams.cli import ask
from streams.cli.ask import Waiting, command, make_request
from streams.cli.errors import CommandError
from streams.cli.waits.surroundings import NobodyWorks
from tests.streams.answer_world import REQUESTS
from tests.streams.cli.test_answer_view import ANSWER


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings.from_env({"MILLRACE_HOME": str(tmp_path)}, None)


@pytest.fixture
def store(settings):
    store = open_store(StorePlace("answer", settings.home), Waits())
    yield store
    store.close()


class Time:
    """Moves when somebody sleeps; lets things happen meanwhile."""

    def __init__(self, *steps) -> None:
        self.now = 0.0
        self.steps = list(steps)

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += max(seconds, 0.5)
        if self.steps:
            self.steps.pop(0)()


def waiting(settings, time: Time, shown: list | None = None, check=lambda: None) -> Waiting:
    told = [] if shown is None else shown
    return Waiting(settings, "q", check, told.append, time, time.sleep)


def write(store, function) -> None:
    with store.write() as connection:
        function(connection)


def record_request(store) -> None:
    write(store, lambda connection: put_request(connection, RequestRow("q", b"{}", 0.0, 10.0, b"{}")))
    task = Task("answer", "q", 1, "asked", Cause(REQUESTS, 0, 0), 0.0, 10.0)
    write(store, lambda connection: leases.record(connection, [task]))


def test_the_answer_is_waited_for_and_returned_as_published(settings, store):
    record = msgspec.json.encode(ANSWER)
    time = Time(
        lambda: record_request(store),
        lambda: write(store, lambda connection: put_answer(connection, AnswerRow("q", 1, record, False, 0.0))),
    )
    assert waiting(settings, time).run(20.0) == record


def test_at_the_timeout_it_is_told_where_the_request_is(settings, store):
    with pytest.raises(CommandError) as late:
        waiting(settings, Time()).run(3.0)
    assert late.value.code == 4
    assert late.value.message == "no answer to q after 3 s: answer has not read the request yet"
    assert "millrace status" in late.value.remedy
    record_request(store)
    with pytest.raises(CommandError, match="others are answered first"):
        waiting(settings, Time()).run(3.0)

    def fail(connection) -> None:
        place = [(REQUESTS, 0)]
        (leased,) = leases.lease(connection, "answer", "t", now=1.0, until=9.0, partitions=place, limit=1)
        leases.postpone(connection, leased, 5.0, "index has never run here\x1b[31m")

    write(store, fail)
    with pytest.raises(CommandError, match=r"tried again, because index has never run here\. See"):
        waiting(settings, Time()).run(3.0)


def test_an_agent_that_never_ran_is_waited_for_too(settings):
    shown: list = []
    with pytest.raises(CommandError, match="the worker of answer is still starting"):
        waiting(settings, Time(), shown).run(3.0)
    assert shown
    assert set(shown) == {"the worker of answer is still starting"}


def test_a_worker_that_goes_ends_the_wait(settings, store):
    def gone() -> None:
        raise NobodyWorks("answer")

    with pytest.raises(NobodyWorks):
        waiting(settings, Time(), check=gone).run(60.0)


def test_a_question_is_made_a_request_with_an_id_of_its_own():
    one = make_request("does it run small?", ["staff"], "t", ["product_id=a=b", "shop=s"], 250)
    assert one == Request(
        request_id=one.request_id,
        question="does it run small?",
        principals=["staff"],
        tenant="t",
        entities={"product_id": "a=b", "shop": "s"},
        deadline_ms=250,
    )
    other = make_request("does it run small?", [], None, [], 250)
    assert (other.principals, other.tenant, other.entities) == (["public"], None, {})
    assert other.request_id != one.request_id


@pytest.mark.parametrize("entity", ["product_id", "=x", "product_id="])
def test_an_entity_without_name_or_id_is_a_usage_error(entity):
    with pytest.raises(click.BadParameter, match="NAME=ID"):
        make_request("?", [], None, [entity], 250)


@pytest.mark.parametrize(("question", "principal"), [("x" * 20_001, "a"), ("", "a"), ("?", "a\nb"), ("\udcff", "a")])
def test_what_nobody_would_take_is_not_sent(question, principal):
    with pytest.raises(click.UsageError, match="cannot be asked"):
        make_request(question, [principal], None, [], 250)


@pytest.fixture
def asked(monkeypatch, settings, store):
    """Everything but the broker: what is produced is answered at once."""
    produced: list = []

    class NoBroker:
        def __init__(self, _: object) -> None:
            pass

        def __enter__(self) -> "NoBroker":
            return self

        def __exit__(self, *_: object) -> None:
            pass

    def produce(_settings, _broker, kind, request) -> None:
        produced.append(request)
        record = msgspec.json.encode(msgspec.structs.replace(ANSWER, request_id=request.request_id))
        write(store, lambda connection: put_answer(connection, AnswerRow(request.request_id, 1, record, False, 0.0)))

    monkeypatch.setattr(ask, "Broker", NoBroker)
    monkeypatch.setattr(ask, "produce_one", produce)

    def run(*arguments: str, works: bool = True):
        check = (lambda self, agent: None) if works else (lambda self, agent: (_ for _ in ()).throw(NobodyWorks(agent)))
        monkeypatch.setattr(ask.LocalSurroundings, "check_running", check)
        return CliRunner().invoke(command, list(arguments), env={"MILLRACE_HOME": str(settings.home)}), produced

    return run


def test_words_are_one_question_and_its_answer_is_printed(asked):
    result, (request,) = asked("which", "port?", "--deadline", "0.5")
    assert (request.question, request.deadline_ms) == ("which port?", 500)
    assert result.output.startswith('  "It listens on port 9092." [1]\n\n  [1] The broker\n')
    assert result.exit_code == 0


def test_json_prints_the_answer_exactly_as_published(asked):
    result, (request,) = asked("which port?", "--json")
    assert (
        result.stdout_bytes
        == msgspec.json.encode(msgspec.structs.replace(ANSWER, request_id=request.request_id)) + b"\n"
    )
    assert request.deadline_ms == 10_000


def test_nothing_is_sent_when_nobody_works(asked):
    result, produced = asked("which port?", works=False)
    assert isinstance(result.exception, NobodyWorks)
    assert "millrace up" in result.exception.remedy
    assert produced == []


def test_a_request_names_its_feature_spec_only_if_it_is_told():
    assert make_request("where?", [], None, ["order=o7"], 1_000, "order_status").options == {"features": "order_status"}
    assert make_request("where?", [], None, ["order=o7"], 1_000).options == {}
