import asyncio

import pytest

from infra.settings import Settings
from models.extractive import ExtractiveWriter
from models.prompted_answerer import PromptedAnswerer
from models.prompted_writer import PromptedWriter
from processors.calls.budgets import Budgets
from schemas.heartbeats import Counters
from streams.answering import Answering
from streams.assemblies import answer, summarize
from streams.assemblies.models import build_engines, build_terms, closing
from streams.parts import Context, Unusable
from streams.work import WorkService
from streams.writing import Writing
from tests.streams.fakes import Clock, NoPublisher, never
from tests.streams.retrieval_world import BagOfWords

REMOTE = {"MILLRACE_WRITER": "openai:m", "MILLRACE_WRITER_URL": "http://127.0.0.1:9/v1"}


@pytest.fixture
def build(store, tmp_path, monkeypatch):
    """Build an agent's work from settings."""
    monkeypatch.setattr(answer, "_load_query_model", lambda settings: BagOfWords())

    def built(assembly, environ) -> WorkService:
        settings = Settings.from_env({"MILLRACE_HOME": str(tmp_path / "home"), **environ})
        context = Context(settings, store, Counters(), "agent-0", list, Clock(), never)
        return assembly.build(context).services[0](NoPublisher())

    return built


def writing(service: WorkService) -> Writing:
    assert isinstance(service._performer, Writing)
    return service._performer


def answering(service: WorkService) -> Answering:
    assert isinstance(service._performer, Answering)
    return service._performer


def test_without_a_setting_texts_are_extractive_and_written_in_batches(build):
    service = build(summarize, {"MILLRACE_WRITER_MAX_BATCH": "9"})
    (only,) = writing(service)._chain.route("p")
    assert isinstance(only, ExtractiveWriter)
    assert service._limits.batch == 9
    (only,) = answering(build(answer, {}))._writing._chain.route("q")
    assert only.engine == "extractive"


def test_a_language_model_is_asked_for_one_text_a_call_and_the_extractive_writer_is_last(build):
    service = build(summarize, {**REMOTE, "MILLRACE_WRITER_CONCURRENCY": "7", "MILLRACE_WRITER_TIMEOUT_S": "5"})
    first, last = writing(service)._chain.route("p")
    assert (type(first), type(last)) == (PromptedWriter, ExtractiveWriter)
    assert (service._limits.batch, service._limits.concurrency) == (1, 7)


def test_fallbacks_and_a_second_writer_are_put_where_they_belong(build):
    environ = {
        **REMOTE,
        "MILLRACE_WRITER_OTHER": "openai:n",
        "MILLRACE_WRITER_OTHER_SHARE": "0.5",
        "MILLRACE_WRITER_FALLBACKS": "openai:o, extractive, openai:p",
    }
    chain = writing(build(summarize, environ))._chain
    routes = {tuple(model.model for model in chain.route(f"p{number}")[:-1]) for number in range(40)}
    assert routes == {("m", "o"), ("n", "o")}
    assert [share for _, share in chain.firsts] == [0.5, 0.5]
    unshared = {**environ, "MILLRACE_WRITER_OTHER_SHARE": "0"}
    assert len(writing(build(summarize, unshared))._chain.firsts) == 1


def test_answers_are_by_who_writes_summaries_or_by_who_is_named_for_them(build):
    def asked(**changed) -> list[str]:
        chain = answering(build(answer, {**REMOTE, **changed}))._writing._chain
        assert all(type(model) is PromptedAnswerer for model in chain.route("q")[:-1])
        return [model.model for model in chain.route("q")[:-1]]

    assert asked() == ["m"]
    assert asked(MILLRACE_ANSWER_USE="openai:a", MILLRACE_WRITER_FALLBACKS="openai:o") == ["a", "o"]
    assert asked(MILLRACE_ANSWER_USE="extractive") == []


def test_the_second_writers_prompt_is_of_summaries_only(build, tmp_path):
    own = tmp_path / "own.md"
    own.write_text(own_prompt())
    environ = {
        **REMOTE,
        "MILLRACE_WRITER_OTHER": "openai:m",
        "MILLRACE_WRITER_OTHER_SHARE": "0.5",
        "MILLRACE_WRITER_OTHER_PROMPT": str(own),
    }
    versions = [model.prompt_version for model, _ in writing(build(summarize, environ))._chain.firsts]
    assert [version.partition("@")[0] for version in versions] == ["summary", "own"]
    firsts = answering(build(answer, environ))._writing._chain.firsts
    assert [model.prompt_version.partition("@")[0] for model, _ in firsts] == ["answer", "answer"]


def own_prompt() -> str:
    from models.prompting.prompts import load_prompt

    return load_prompt("summary").source.replace('name = "summary"', 'name = "own"', 1)


@pytest.mark.parametrize(
    ("environ", "told"),
    [
        ({"MILLRACE_WRITER": "openai:m"}, "needs an endpoint"),
        ({"MILLRACE_WRITER": "local:/nowhere"}, "writer local:/nowhere"),
        ({**REMOTE, "MILLRACE_WRITER_PROMPT": "answer"}, "is for something else"),
        ({**REMOTE, "MILLRACE_WRITER_FALLBACKS": "gpt"}, "writer 'gpt' is unknown"),
        ({**REMOTE, "MILLRACE_WRITER_PRICES": "m=1"}, "writer.prices: 'm=1' is no price"),
    ],
)
@pytest.mark.parametrize("assembly", [summarize, answer])
def test_an_agent_whose_writer_cannot_be_had_does_not_start_and_says_what_to_do(build, assembly, environ, told):
    if assembly is answer:
        environ = {**environ, "MILLRACE_ANSWER_PROMPT": "summary" if "WRITER_PROMPT" in str(environ) else "answer"}
    with pytest.raises(Unusable, match=told) as refused:
        build(assembly, environ)
    assert refused.value.remedy


def test_terms_are_those_that_are_set():
    environ = {
        "MILLRACE_WRITER_BUDGET_DAY": "2.5", "MILLRACE_WRITER_BUDGET_KEY": "0.5", "MILLRACE_WRITER_TOKENS_DAY": "1000",
        "MILLRACE_WRITER_TOKENS_KEY": "100", "MILLRACE_WRITER_PRICES": "m=1/2", "MILLRACE_WRITER_BREAKER_FAILURES": "3",
        "MILLRACE_WRITER_BREAKER_S": "7",
    }  # fmt: skip
    terms = build_terms(Settings.from_env(environ).writer)
    assert terms.budgets == Budgets(2.5, 0.5, 1000, 100)
    assert (terms.prices.by_model, terms.breaker_failures, terms.breaker_s) == ({"m": (1.0, 2.0)}, 3, 7.0)


async def test_models_are_given_back_when_the_worker_stops():
    engines = build_engines(Settings.from_env(REMOTE), 2)
    given = asyncio.Event()

    async def close() -> None:
        given.set()

    engines.close = close
    service = asyncio.create_task(closing(engines)(NoPublisher()).run())
    await asyncio.sleep(0)
    assert not given.is_set()
    service.cancel()
    await asyncio.gather(service, return_exceptions=True)
    assert given.is_set()
