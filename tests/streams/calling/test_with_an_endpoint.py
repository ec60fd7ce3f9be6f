"""Calls, a writer with a prompt and an endpoint together: what is paid, logged and kept when things go wrong."""

import pytest
from structlog.testing import capture_logs

from infra.rows.usage_rows import day_of, usage_since
from models.ports import AnswerRequest, Decoding
from models.prompted_answerer import PromptedAnswerer
from models.prompting.prompts import load_prompt
from models.remote.engine import RemoteEngine
from schemas.heartbeats import Counters
from schemas.hits import Hit, Passage
from streams.calling.accounts import Terms
from streams.calling.asks import Ask
from streams.calling.calls import Calls
from tests.fake_endpoint import FakeEndpoint, hangs, says, status
from tests.streams.fakes import START_S, Clock

SAID = "Ivanka says that the Borogove whistles."


@pytest.fixture
def endpoint():
    with FakeEndpoint() as running:
        yield running


@pytest.fixture
async def answerer(endpoint):
    engine = RemoteEngine("gpt-x", url=endpoint.url)
    yield PromptedAnswerer(engine, load_prompt("answer"), Decoding(99))
    await engine.close()


@pytest.fixture
def calls(store):
    async def invoke(model, requests, patience_s):
        return await model.answer(requests, patience_s)

    return Calls(store, invoke, terms=Terms(breaker_failures=1), counters=Counters(), now=Clock())


def asked() -> Ask[AnswerRequest]:
    hit = Hit(document_id="d", chunk_id="c", title="Ports", quote="", score=1.0, parts={})
    request = AnswerRequest("q", "Which one?", (Passage(key="/d", row_id=1, hit=hit, text=SAID),))
    return Ask("q", "q", "p", "given", request)


async def test_a_question_whose_deadline_ends_a_call_pays_for_the_prompt_that_was_read(
    endpoint, answerer, calls, store
):
    endpoint.script(hangs())
    (failure,) = await calls.ask(answerer, [asked()], patience_s=2.0)
    assert "no answer within 1." in failure.error, "the engine gave up itself, before whoever waits did"
    sent = sum(len(message["content"].encode()) for message in endpoint.asked[0]["messages"])
    assert failure.tokens_in == pytest.approx(sent / 4, abs=len(endpoint.asked[0]["messages"]))
    with store.read() as connection:
        (row,) = usage_since(connection, day_of(START_S))
    assert (row.calls, row.failures, row.tokens_in) == (1, 1, failure.tokens_in)
    assert calls.circuits.open() == {}, "so little time says nothing of the endpoint"


@pytest.mark.parametrize(
    "step",
    [
        says(None, refusal=f"I will not: {SAID}"),
        status(400, {"message": f"Invalid prompt: {SAID}"}),
        status(400, {"code": "content_filter", "message": f"flagged: {SAID}"}),
        status(503, {"message": f"cannot handle: {SAID}"}),
    ],
)
async def test_neither_a_log_nor_an_error_keeps_words_of_a_model_or_of_what_it_read(endpoint, answerer, calls, step):
    endpoint.script(step)
    with capture_logs() as logs:
        (made,) = await calls.ask(answerer, [asked()])
    assert [line["subject"] for line in logs if line["event"] == "writer failed"] == ["q"]
    assert not any(word in f"{logs} {made}" for word in ("Ivanka", "Borogove", "whistles"))
