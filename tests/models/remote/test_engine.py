import asyncio
import json
import logging
import threading
from dataclasses import replace

import pytest

from models.ports import Completed, Completion, Decoding, Message, WriteFailure
from models.remote import wire
from models.remote.address import UnusableEndpointError
from models.remote.engine import RemoteEngine
from tests.fake_endpoint import (
    FakeEndpoint,
    floods,
    hangs,
    hangs_up,
    raw,
    redirects,
    says,
    status,
    streams,
    waits_for,
)

KEY = "sk-a-very-secret-key"
ASKED = Completion((Message("user", "How does it fit?"),), Decoding(max_tokens=50))
SCHEMA = {
    "type": "object",
    "properties": {"fit": {"type": "string"}},
    "required": ["fit"],
    "additionalProperties": False,
}
JSON_ASKED = Completion(ASKED.messages, ASKED.decoding, SCHEMA)


@pytest.fixture
def endpoint():
    with FakeEndpoint() as running:
        yield running


@pytest.fixture
async def engine(endpoint):
    engine = RemoteEngine("gpt-x", url=endpoint.url, api_key=KEY, timeout_s=20.0)
    yield engine
    await engine.close()


async def streamed(engine, completion=ASKED):
    *pieces, last = [part async for part in engine.stream(completion)]
    return pieces, last


@pytest.fixture(params=["complete", "stream"])
def ask(request):
    """Both ways to ask; they fail alike."""
    if request.param == "complete":
        return lambda engine, completion=ASKED: engine.complete(completion)

    async def last(engine, completion=ASKED):
        return (await streamed(engine, completion))[1]

    return last


async def test_what_the_model_says_comes_back_with_its_tokens(endpoint, engine, ask):
    endpoint.script(says("It runs small."))
    assert await ask(engine) == Completed("It runs small.", 100, 20)
    asked = endpoint.asked[0]
    assert asked["messages"] == [{"role": "user", "content": "How does it fit?"}]
    assert (asked["model"], asked["max_tokens"], asked["temperature"], asked["seed"]) == ("gpt-x", 50, 0.0, 0)
    assert endpoint.headers[0]["authorization"] == f"Bearer {KEY}"


async def test_tokens_are_estimated_where_the_endpoint_does_not_count_them(endpoint, engine, ask):
    endpoint.script(says("It runs small.", tokens=None))
    assert await ask(engine) == Completed("It runs small.", 4, 4)


@pytest.mark.parametrize(
    "usage", [{"prompt_tokens": -1}, {"prompt_tokens": "9"}, {"prompt_tokens": 10**30}, "many", [1]]
)
async def test_counts_that_cannot_be_are_not_believed(endpoint, engine, usage):
    choice = {"message": {"content": "It runs small."}, "finish_reason": "stop"}
    endpoint.script(raw(json.dumps({"choices": [choice], "usage": usage}).encode()))
    assert await engine.complete(ASKED) == Completed("It runs small.", 4, 4)


# What comes instead of an answer, and: retryable, endpoint, lasting, what the error says.
RETRY, ENDPOINT, LASTING = "retryable", "endpoint", "lasting"
EVENT = json.dumps({"model": "gpt-x", "choices": [{"delta": {"content": "It runs"}}]})
MISBEHAVIOURS = {
    "too many requests": (status(429), {RETRY}, "too many requests"),
    "quota gone": (status(429, {"code": "insufficient_quota", "message": "Pay."}), {RETRY, ENDPOINT}, "Pay."),
    "no credit": (status(402), {RETRY, ENDPOINT}, "no credit"),
    "broken": (status(500), {RETRY, ENDPOINT}, "HTTP 500"),
    "a proxy's page": (status(502, html=True), {RETRY, ENDPOINT}, "HTTP 502 Bad Gateway"),
    "overloaded": (status(529), {RETRY, ENDPOINT}, "HTTP 529"),
    "wrong key": (status(401, {"message": f"Incorrect key {KEY}"}), {RETRY, ENDPOINT}, "set writer.api_key"),
    "not allowed": (status(403), {RETRY, ENDPOINT}, "may not use this model"),
    "no such model": (status(404, {"message": "no gpt-x"}), {RETRY, ENDPOINT}, "no gpt-x"),
    "no such model, said otherwise": (status(400, {"message": "Model Not Exist"}), {RETRY, ENDPOINT}, "Model Not"),
    "request refused": (status(400, {"message": "n must be 1"}), set(), "n must be 1"),
    "input filtered": (status(400, {"code": "content_filter", "message": "no"}), {LASTING}, "filtered the input"),
    "input too long": (status(400, {"code": "context_length_exceeded"}), {LASTING}, "too long for the model"),
    "body too large": (status(413), {LASTING}, "too long for the model"),
    "redirect": (redirects("http://127.0.0.1:9/v1?token=1"), {RETRY, ENDPOINT}, "redirects to http://127.0.0.1:9/v1,"),
    "redirect to nowhere": (status(302), {RETRY, ENDPOINT}, "HTTP 302 Found"),
    "redirect to no address": (redirects("http://a:b:c"), {RETRY, ENDPOINT}, "the connection broke"),
    "hangs up": (hangs_up(), {RETRY, ENDPOINT}, "the connection broke"),
    "half of a JSON": (raw(b'{"choices": [{"message": {"con'), {RETRY, ENDPOINT}, "no JSON, or half of one"),
    "less than promised": (raw(b'{"choices": [', missing=9), {RETRY, ENDPOINT}, "the connection broke"),
    "nothing": (raw(b""), {RETRY, ENDPOINT}, "no JSON"),
    "a login page": (raw(b"\n<!doctype html>", "text/html"), {RETRY, ENDPOINT}, "is writer.url right?"),
    "a bomb": (raw(b"[" * 100_000), {RETRY, ENDPOINT}, "nested too deeply"),
    "no UTF-8": (raw(b'{"choices": "\xff"}'), {RETRY, ENDPOINT}, "no JSON"),
    "another JSON": (raw(b"[1]"), {RETRY, ENDPOINT}, "no chat completion"),
    "no choices": (raw(b'{"choices": []}'), {RETRY, ENDPOINT}, "no choices"),
    "a number for a text": (raw(b'{"choices": [{"message": {"content": 5}}]}'), {RETRY, ENDPOINT}, "no text"),
    "error in a success": (raw(b'{"error": {"code": 429, "message": "busy"}}'), {RETRY}, "busy"),
    "error as a text": (raw(b'{"error": "it broke"}'), {RETRY, ENDPOINT}, "it broke"),
    "error in a choice": (raw(b'{"choices": [{"error": {"code": 502}}]}'), {RETRY, ENDPOINT}, "HTTP 502"),
    "broken compression": (
        lambda exchange: exchange.send(200, b"no gzip", headers={"Content-Encoding": "gzip"}),
        {RETRY, ENDPOINT},
        "the connection broke",
    ),
    "refusal": (says(None, refusal="I cannot help."), {LASTING}, "the model refuses"),
    "answer filtered": (says("It", finish="content_filter"), {LASTING}, "filtered the answer"),
    "cut at max_tokens": (says("It runs", finish="length"), {LASTING}, "raise writer.max_tokens"),
    "breaks off": (says("It", finish="error"), {RETRY, ENDPOINT}, "broke off"),
    "another model": (says("It runs small.", model="gpt-y"), {ENDPOINT}, "gpt-y answered instead of gpt-x"),
    "stream cut": (streams([EVENT], cut=True), {RETRY, ENDPOINT}, "the connection broke"),
    "stream ends too soon": (streams([EVENT]), {RETRY, ENDPOINT}, "the stream was cut"),
    "half an event": (streams([EVENT, '{"choices"']), {RETRY, ENDPOINT}, "no JSON, or half of one"),
    "error in a stream": (streams([EVENT, '{"error": {"message": "gone"}}']), {RETRY, ENDPOINT}, "gone"),
}


@pytest.mark.parametrize("case", MISBEHAVIOURS)
async def test_every_misbehaviour_has_its_class(case, endpoint, engine, ask):
    step, expected, told = MISBEHAVIOURS[case]
    endpoint.script(step, step)  # twice, where one repair is tried
    failure = await ask(engine)
    assert isinstance(failure, WriteFailure)
    assert {name for name in (RETRY, ENDPOINT, LASTING) if getattr(failure, name)} == expected
    assert told in failure.error
    assert KEY not in failure.error and "\n" not in failure.error and len(failure.error) < 400


async def test_after_each_misbehaviour_the_next_call_goes_well(endpoint, engine):
    for step, _, _ in MISBEHAVIOURS.values():
        endpoint.script(step)
        assert isinstance(await engine.complete(ASKED), WriteFailure)
    endpoint.script(says("It runs small."))
    assert await engine.complete(ASKED) == Completed("It runs small.", 100, 20)


PRIVATE = "Ivanka writes: the zipper of my Borogove broke, call 0151-2345678."
QUOTING = {
    "in a message": {"message": f"Invalid prompt: '{PRIVATE}'"},
    "cut": {"message": "Invalid prompt: 'Ivanka writes: the zipper of my Borogo..."},
    "a name": {"message": "flagged words: Ivanka, Borogove"},
    "as a list": [{"loc": ["body", "messages", 0], "msg": f"bad: {PRIVATE}", "input": {"content": PRIVATE}}],
    "as an object": {"message": {"input": PRIVATE}},
    "as a text": PRIVATE,
}


@pytest.mark.parametrize("code", [200, 400, 401, 403, 404, 413, 422, 429, 451, 500, 503])
@pytest.mark.parametrize("quoting", QUOTING)
async def test_no_error_repeats_words_of_what_was_asked(endpoint, engine, ask, quoting, code):
    endpoint.script(*[status(code, QUOTING[quoting])] * 3)
    failure = await ask(engine, Completion((Message("user", PRIVATE),), ASKED.decoding))
    assert failure.error
    assert not any(word in failure.error for word in ("Ivanka", "zipper", "Borogo", "2345678"))


@pytest.mark.parametrize("schema", [None, SCHEMA])
@pytest.mark.parametrize(
    "step",
    [
        says(None, refusal="I will not write about Ivanka."),
        says('{"fit": 5, "Ivanka": "Ivanka"}'),
        says("Ivanka"),
        says("Ivanka", finish="content_filter"),
        says("Ivanka", finish="length"),
        streams([json.dumps({"choices": [{"delta": {"content": "Ivanka"}}]})]),
        raw(b'{"choices": "Ivanka"}'),
    ],
)
async def test_no_error_repeats_words_that_the_model_said(endpoint, engine, ask, step, schema):
    endpoint.script(step, step)
    failure = await ask(engine, replace(ASKED, schema=schema))
    assert isinstance(failure, Completed) or "Ivanka" not in failure.error


@pytest.mark.parametrize("kind", ["application/json", "text/event-stream"])
async def test_an_answer_without_end_is_not_read_on(endpoint, engine, ask, kind):
    endpoint.script(floods(kind))
    failure = await ask(engine)
    assert (failure.retryable, failure.endpoint, failure.lasting) == (False, True, False)
    assert "longer than 10,000,000 bytes" in failure.error


async def test_a_broken_answer_is_charged_for(endpoint, engine):
    endpoint.script(streams([EVENT], cut=True))
    failure = await engine.complete(ASKED)
    assert (failure.tokens_in, failure.tokens_out) == (4, 2)


async def test_refusals_are_charged_for(endpoint, engine, ask):
    endpoint.script(says(None, refusal="No."))
    failure = await ask(engine)
    assert (failure.tokens_in, failure.tokens_out) == (100, 20)


@pytest.mark.parametrize("step", [hangs(), hangs(b'{"choices"'), hangs(b": wait\n\n", "text/event-stream")])
async def test_a_call_takes_no_longer_than_the_timeout_and_its_prompt_is_charged_for(endpoint, ask, step):
    engine = RemoteEngine("gpt-x", url=endpoint.url, timeout_s=0.2)
    endpoint.script(step)
    failure = await ask(engine)
    assert failure.error == "no answer within 0.2 s"
    assert failure.retryable and failure.endpoint and not failure.lasting
    assert (failure.asked, failure.tokens_in, failure.tokens_out) == (True, 4, 0)
    await engine.close()


async def test_a_prompt_that_was_sent_is_charged_for_though_the_connection_breaks(endpoint, engine, ask):
    endpoint.script(hangs_up())
    failure = await ask(engine)
    assert "the connection broke" in failure.error
    assert (failure.asked, failure.tokens_in, failure.tokens_out) == (True, 4, 0)


async def test_what_was_said_before_a_stream_reports_an_error_is_charged_for(endpoint, engine, ask):
    endpoint.script(streams([EVENT, '{"error": {"message": "gone"}}']), raw(b'{"error": {"message": "gone"}}'))
    assert [(one.tokens_in, one.tokens_out) for one in (await ask(engine), await ask(engine))] == [(4, 2), (0, 0)]


async def test_a_proxy_that_refuses_its_tunnel_has_read_no_prompt(endpoint, monkeypatch):
    monkeypatch.setenv("HTTPS_PROXY", endpoint.url.removesuffix("/v1"))
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    engine = RemoteEngine("gpt-x", url="https://models.example.com/v1")  # the fake knows no CONNECT
    failure = await engine.complete(ASKED)
    assert (failure.retryable, failure.endpoint, failure.asked, failure.tokens_in) == (True, True, True, 0)
    await engine.close()


async def test_a_call_takes_no_longer_than_whoever_waits_for_it(endpoint, engine, ask):
    endpoint.script(hangs())
    failure = await ask(engine, Completion(ASKED.messages, ASKED.decoding, patience_s=0.2))
    assert failure.error.startswith("no answer within 0.")
    assert failure.retryable
    assert not failure.endpoint, "so little time says nothing about the endpoint"
    assert (failure.asked, failure.tokens_in) == (True, 4), "but it has read the prompt"


async def test_nobody_listens_where_the_endpoint_is_not():
    with FakeEndpoint() as left:
        url = left.url
    engine = RemoteEngine("gpt-x", url=url, api_key=KEY)
    failure = await engine.complete(ASKED)
    assert failure.error.startswith("cannot connect to the endpoint: ")
    assert failure.retryable and failure.endpoint and not failure.lasting
    assert failure.asked, "the endpoint was asked for a connection: that counts against it"
    assert (failure.tokens_in, failure.tokens_out) == (0, 0), "nobody has read anything"
    await engine.close()


async def test_an_endpoint_that_asks_for_rest_is_left_alone(endpoint, engine, ask):
    endpoint.script(status(429, retry_after="30"))
    assert (await engine.complete(ASKED)).retry_after_s == 30.0
    failure = await ask(engine)
    assert 0 < failure.retry_after_s <= 30.0
    assert failure.retryable and not failure.endpoint and not failure.asked
    assert "left alone" in failure.error
    assert len(endpoint.asked) == 1


async def test_a_rest_that_is_over_holds_nobody_back(endpoint, engine):
    endpoint.script(status(503, retry_after="Thu, 01 Jan 1998 00:00:00 GMT"), says("It runs small."))
    assert (await engine.complete(ASKED)).retry_after_s == 0.0
    assert isinstance(await engine.complete(ASKED), Completed)


async def test_no_more_calls_at_a_time_than_allowed(endpoint):
    engine = RemoteEngine("gpt-x", url=endpoint.url, concurrency=2)
    gate = threading.Event()
    endpoint.script(*[waits_for(gate, says("It runs small."))] * 6)
    calls = [asyncio.create_task(engine.complete(ASKED)) for _ in range(6)]
    await until(lambda: len(endpoint.asked) == 2)
    gate.set()
    assert {type(outcome) for outcome in await asyncio.gather(*calls)} == {Completed}
    assert endpoint.most_at_a_time == 2
    await engine.close()


async def test_completions_of_one_key_are_done_in_order(endpoint, engine):
    gate = threading.Event()

    def echo(asked):
        name = asked["messages"][0]["content"]
        assert name != "a1" or gate.wait(20)
        return name

    endpoint.says = echo
    asked = [Completion((Message("user", name),), ASKED.decoding, key=name[0]) for name in ("a1", "a2", "b1")]
    first, second, other = (asyncio.create_task(engine.complete(completion)) for completion in asked)
    assert (await other).text == "b1"
    assert "a2" not in {body["messages"][0]["content"] for body in endpoint.asked}
    gate.set()
    assert [(await first).text, (await second).text] == ["a1", "a2"]


async def test_whoever_gets_no_turn_in_time_is_told_so(endpoint):
    engine = RemoteEngine("gpt-x", url=endpoint.url, concurrency=1)
    endpoint.script(hangs())
    first = asyncio.create_task(engine.complete(ASKED))
    await until(lambda: endpoint.asked)
    failure = await engine.complete(Completion(ASKED.messages, ASKED.decoding, patience_s=0.05))
    assert "no call could begin within 0.05 s" in failure.error
    assert failure.retryable and not failure.endpoint and not failure.asked
    await engine.close()
    assert (await first).error == "the call was stopped"


async def test_whoever_gets_no_turn_holds_up_nobody_of_the_same_key(endpoint):
    engine = RemoteEngine("gpt-x", url=endpoint.url, concurrency=1)
    gate = threading.Event()
    endpoint.script(waits_for(gate, says("first")), says("second"))
    first = asyncio.create_task(engine.complete(ASKED))
    await until(lambda: endpoint.asked)
    impatient = Completion(ASKED.messages, ASKED.decoding, patience_s=0.05, key="a")
    gives_up = asyncio.create_task(engine.complete(impatient))
    waits = asyncio.create_task(engine.complete(replace(impatient, patience_s=None)))
    assert isinstance(await gives_up, WriteFailure)
    gate.set()
    assert (await first).text == "first"
    async with asyncio.timeout(20):
        assert (await waits).text == "second"
    await engine.close()


async def test_a_cancelled_call_gives_its_turn_back(endpoint):
    engine = RemoteEngine("gpt-x", url=endpoint.url, concurrency=1)
    endpoint.script(hangs(), says("It runs small."))
    first = asyncio.create_task(engine.complete(Completion(ASKED.messages, ASKED.decoding, key="a")))
    await until(lambda: endpoint.asked)
    first.cancel()
    assert isinstance(await engine.complete(Completion(ASKED.messages, ASKED.decoding, key="a")), Completed)
    await engine.close()


async def test_whoever_stops_listening_stops_the_call(endpoint):
    engine = RemoteEngine("gpt-x", url=endpoint.url, concurrency=1)
    endpoint.script(hangs(f"data: {EVENT}\n\n".encode(), "text/event-stream"), says("It runs small."))
    listening = engine.stream(ASKED)
    assert await anext(listening) == "It runs"
    await listening.aclose()
    assert isinstance(await engine.complete(ASKED), Completed)
    await engine.close()


async def test_closing_fails_what_is_in_flight_and_what_comes_after(endpoint, engine, ask):
    endpoint.script(hangs())
    call = asyncio.create_task(ask(engine))
    await until(lambda: endpoint.asked)
    await engine.close()
    stopped = WriteFailure("the call was stopped", retryable=True)
    assert await call == replace(stopped, tokens_in=4), "its prompt was read"
    assert await ask(engine) == replace(stopped, asked=False)


async def until(happened):
    async with asyncio.timeout(20):
        while not happened():
            await asyncio.sleep(0.005)


# --- streams


async def test_pieces_come_before_the_whole(endpoint, engine):
    endpoint.script(says("It runs small."))
    assert await streamed(engine) == (["It", " ", "runs small."], Completed("It runs small.", 100, 20))
    assert endpoint.asked[0]["stream_options"] == {"include_usage": True}


@pytest.mark.parametrize("text", ["a\u2028b", "a\x85b", "schön", "\U0001f600"])
async def test_a_stream_may_hold_any_character(endpoint, engine, text):
    event = json.dumps({"choices": [{"delta": {"content": text}, "finish_reason": "stop"}]}, ensure_ascii=False)
    endpoint.script(streams([event, "[DONE]"]))
    assert (await streamed(engine))[1].text == text


async def test_a_stream_is_over_when_it_says_so_even_if_its_connection_stays_open(endpoint, engine, ask):
    endpoint.script(hangs(f"data: {EVENT}\n\ndata: [DONE]\n\n".encode(), "text/event-stream"))
    assert await ask(engine) == Completed("It runs", 4, 2)


async def test_pieces_may_be_cut_anywhere(endpoint, engine):
    data = (
        'data: {"choices": [{"delta": {"content": "schön 😀"}, "finish_reason": "stop"}]}\r\n\r\ndata: [DONE]'.encode()
    )

    def bytewise(exchange):
        exchange.begin(200, "text/event-stream", {"Transfer-Encoding": "chunked"})
        for index in range(len(data)):
            exchange.chunk(data[index : index + 1])
        exchange.chunk(b"")

    endpoint.script(bytewise)
    assert await streamed(engine) == (["schön 😀"], Completed("schön 😀", 4, 3))


async def test_nul_and_lone_surrogates_are_cleaned_away(endpoint, engine):
    endpoint.script(says("a\x00b" + chr(0xDC00)), streams([event(chr(0xD83D)), event(chr(0xDE00) + "\x00"), "[DONE]"]))
    assert (await engine.complete(ASKED)).text == "ab\ufffd"
    assert (await streamed(engine))[0] == ["\U0001f600"]


def event(text):
    return json.dumps({"choices": [{"delta": {"content": text}}]})


async def test_an_endpoint_may_stream_unasked_or_not_at_all(endpoint, engine):
    endpoint.script(streams([event("It runs"), event(" small."), "[DONE]"]))
    assert (await engine.complete(ASKED)).text == "It runs small."
    endpoint.script(raw(b'{"choices": [{"message": {"content": "It runs small."}}]}'))
    assert (await streamed(engine))[1].text == "It runs small."


# --- dialects


@pytest.mark.parametrize(
    ("refused", "was", "becomes"),
    [
        ("Use 'max_completion_tokens' instead of 'max_tokens'.", "max_tokens", "max_completion_tokens"),
        ("Extra inputs are not permitted: seed", "seed", None),
        ("unknown field stream_options", "stream_options", None),
    ],
)
async def test_what_an_endpoint_does_not_take_is_found_out_once(endpoint, engine, refused, was, becomes):
    endpoint.script(status(400, {"message": refused}), says("It runs small."), says("It runs small."))
    for _ in range(2):
        assert isinstance((await streamed(engine))[1], Completed)
    assert [was in asked for asked in endpoint.asked] == [True, False, False]
    assert becomes is None or endpoint.asked[2][becomes] == 50


@pytest.mark.parametrize(
    ("refusal", "was"),
    [
        ({"param": "seed", "message": "Unsupported."}, "seed"),
        ({"param": "stream_options", "message": "Unsupported."}, "stream_options"),
        ({"message": [{"loc": ["body", "seed"], "msg": "Extra inputs are not permitted", "input": 0}]}, "seed"),
    ],
)
async def test_the_field_that_is_named_is_left_out_and_not_the_schema_and_that_is_kept_whatever_comes(
    endpoint, engine, refusal, was
):
    endpoint.script(status(400, refusal), status(503), says('{"fit": "small"}'))
    assert isinstance((await streamed(engine, JSON_ASKED))[1], WriteFailure)
    assert isinstance((await streamed(engine, JSON_ASKED))[1], Completed)
    assert [was in asked for asked in endpoint.asked] == [True, False, False]
    assert all("response_format" in asked for asked in endpoint.asked)


TOO_COLD = {
    "message": "Unsupported value: 'temperature' does not support 0 with this model. Only the default (1) is.",
    "param": "temperature",
}


@pytest.mark.parametrize("refusal", [TOO_COLD, {"message": TOO_COLD["message"]}])
async def test_a_refused_temperature_costs_one_request_for_all_texts_and_says_what_to_set(
    endpoint, engine, ask, refusal
):
    endpoint.script(status(400, refusal), says('{"fit": "small"}'))
    first, second = await ask(engine, JSON_ASKED), await ask(engine, JSON_ASKED)
    assert "set writer.temperature = 1" in first.error
    assert (first.retryable, first.lasting, first.endpoint, first.asked) == (False, False, False, True)
    assert second == replace(first, asked=False)
    warmer = replace(JSON_ASKED, decoding=replace(ASKED.decoding, temperature=1.0))
    assert isinstance(await ask(engine, warmer), Completed)
    assert [asked["temperature"] for asked in endpoint.asked] == [0.0, 1.0]


async def test_a_refused_temperature_is_tried_again_after_a_while(endpoint, engine, monkeypatch):
    monkeypatch.setattr("models.remote.engine.REFUSED_S", 0.0)
    endpoint.script(status(400, TOO_COLD), says("It runs small."))
    assert isinstance(await engine.complete(ASKED), WriteFailure)
    assert isinstance(await engine.complete(ASKED), Completed)


async def test_a_schema_is_sent_and_its_answer_is_checked(endpoint, engine, ask):
    endpoint.script(says('{"fit": "small"}'))
    assert await ask(engine, JSON_ASKED) == Completed('{"fit":"small"}', 100, 20)
    assert endpoint.asked[0]["response_format"]["json_schema"]["schema"] == SCHEMA
    assert "JSON Schema" not in endpoint.asked[0]["messages"][-1]["content"]


@pytest.mark.parametrize("code", [400, 404, 415, 422, 501])
async def test_an_endpoint_that_refuses_a_schema_is_told_it_in_the_prompt(endpoint, engine, code):
    endpoint.script(status(code, {"message": "what is that?"}), *[says('{"fit": "small"}')] * 2)
    for _ in range(2):
        assert (await engine.complete(JSON_ASKED)).text == '{"fit":"small"}'
    assert ["response_format" in asked for asked in endpoint.asked] == [True, False, False]
    assert '"required":["fit"]' in endpoint.asked[2]["messages"][-1]["content"]


async def test_a_request_refused_with_and_without_schema_teaches_nothing_about_schemas(endpoint, engine):
    endpoint.script(status(400), status(400), says('{"fit": "small"}'))
    assert (await engine.complete(JSON_ASKED)).retryable is False
    await engine.complete(JSON_ASKED)
    assert "response_format" in endpoint.asked[2]


async def test_an_endpoint_that_took_schemas_is_not_asked_again_without(endpoint, engine):
    endpoint.script(says('{"fit": "small"}'), status(400, {"message": "no"}))
    await engine.complete(JSON_ASKED)
    assert isinstance(await engine.complete(JSON_ASKED), WriteFailure)
    assert len(endpoint.asked) == 2


@pytest.mark.parametrize(("setting", "sent"), [("yes", True), ("no", False)])
async def test_settings_may_say_whether_schemas_are_taken(endpoint, setting, sent):
    engine = RemoteEngine("gpt-x", url=endpoint.url, json_schema=setting)
    endpoint.script(says('{"fit": "small"}'))
    assert isinstance(await engine.complete(JSON_ASKED), Completed)
    assert ("response_format" in endpoint.asked[0]) is sent
    assert ("JSON Schema" in endpoint.asked[0]["messages"][0]["content"]) is not sent
    await engine.close()


@pytest.mark.parametrize("wrong", ["It fits.", '{"fit": 5}', '{"fit": "sm', '{"fit": NaN}', "[" * 100_000, "", None])
async def test_the_model_may_repair_its_answer_once(endpoint, engine, ask, wrong):
    endpoint.script(says(wrong), says('{"fit": "small"}'))
    assert await ask(engine, JSON_ASKED) == Completed('{"fit":"small"}', 200, 40)
    first, said, why = endpoint.asked[1]["messages"]
    assert first["content"] == "How does it fit?"
    assert (said["role"], said["content"]) == ("assistant", (wrong or "(nothing)")[:4_000])
    assert why["content"].startswith("Your answer was rejected: ")
    assert '"required":["fit"]' in why["content"], "an endpoint may ignore schemas in silence"


async def test_the_model_is_shown_its_error(endpoint, engine):
    endpoint.script(says('{"fit": 5}'), says('{"fit": "small"}'))
    await engine.complete(JSON_ASKED)
    assert "$.fit: 5 is not of type 'string'" in endpoint.asked[1]["messages"][2]["content"]


async def test_a_second_wrong_answer_is_a_lasting_failure(endpoint, engine, ask):
    endpoint.script(says('{"fit": 5}'), says('{"fit": 6}'))
    failure = await ask(engine, JSON_ASKED)
    assert failure.error == "the model's answer was wrong twice: it is not of its schema (type)"
    assert failure.lasting and not failure.retryable and not failure.endpoint
    assert (failure.tokens_in, failure.tokens_out) == (200, 40)
    assert len(endpoint.asked) == 2


async def test_a_repair_that_the_endpoint_spoils_can_be_tried_again_and_is_charged_for(endpoint, engine):
    endpoint.script(says('{"fit": 5}'), status(503))
    failure = await engine.complete(JSON_ASKED)
    assert failure.retryable and not failure.lasting
    assert (failure.tokens_in, failure.tokens_out) == (100, 20)


async def test_after_an_ignored_schema_the_prompt_tells_it_from_the_start(endpoint, engine):
    endpoint.script(says("It fits."), *[says('{"fit": "small"}')] * 2)
    await engine.complete(JSON_ASKED)
    await engine.complete(JSON_ASKED)
    assert '"required":["fit"]' in endpoint.asked[2]["messages"][0]["content"]
    assert "response_format" in endpoint.asked[2]


async def test_json_cut_at_max_tokens_is_not_repaired(endpoint, engine, ask):
    endpoint.script(says('{"fit": "sm', finish="length"))
    failure = await ask(engine, JSON_ASKED)
    assert failure.lasting and "raise writer.max_tokens" in failure.error
    assert len(endpoint.asked) == 1


async def test_json_that_is_whole_at_max_tokens_is_taken(endpoint, engine):
    endpoint.script(says('{"fit": "small"}', finish="length"))
    assert isinstance(await engine.complete(JSON_ASKED), Completed)


async def test_json_holds_no_nul_however_it_is_written(endpoint, engine):
    endpoint.script(says('{"fit": "sm\\u0000all\\ud800"}'))
    assert (await engine.complete(JSON_ASKED)).text == '{"fit":"small\ufffd"}'


async def test_an_empty_text_is_asked_for_once_more(endpoint, engine):
    endpoint.script(says(""), says("It runs small."))
    assert (await engine.complete(ASKED)).text == "It runs small."


# --- who answers, and who may see the key


@pytest.mark.parametrize("named", ["gpt-x", "GPT-X", "gpt-x-2026-01-31", "openai/gpt-x", "gpt-x@main"])
async def test_dated_and_prefixed_names_are_the_models_own(endpoint, engine, ask, named):
    endpoint.script(says("It runs small.", model=named))
    assert isinstance(await ask(engine), Completed)


async def test_a_redirect_does_not_get_the_key(endpoint, engine):
    with FakeEndpoint(says=lambda asked: "It runs small.") as other:
        endpoint.script(redirects(f"{other.url}/chat/completions"))
        assert isinstance(await engine.complete(ASKED), WriteFailure)
        assert other.asked == []


@pytest.mark.parametrize("case", ["wrong key", "hangs up", "redirect", "half of a JSON"])
async def test_the_key_is_in_no_log_and_no_name(case, endpoint, engine, caplog):
    caplog.set_level(logging.DEBUG)
    endpoint.script(MISBEHAVIOURS[case][0])
    failure = await engine.complete(ASKED)
    assert KEY not in caplog.text + repr(failure) + repr(vars(engine)) + engine.endpoint
    assert caplog.records


@pytest.mark.parametrize("key", ["sk-line\nbreak", "sk-with space", "sk-ключ"])
def test_a_key_that_no_header_can_carry_is_refused_without_telling_it(key):
    with pytest.raises(UnusableEndpointError) as raised:
        RemoteEngine("gpt-x", url="https://models.example.com/v1", api_key=key)
    assert key not in str(raised.value)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "models.example.com/v1",
        "ftp://models.example.com",
        "https://",
        "https://me:pass@models.example.com/v1",
        "https://models.example.com/v1?key=1",
        "http://[bad",
        "https://models.example.com:x/v1",
    ],
)
def test_an_address_that_cannot_work_is_refused_at_the_start(url):
    with pytest.raises(UnusableEndpointError, match=r"writer\.url") as raised:
        RemoteEngine("gpt-x", url=url)
    assert "pass" not in str(raised.value).replace("password", "")


async def test_this_machine_is_reached_without_a_proxy(endpoint, monkeypatch):
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    endpoint.script(says("It runs small."))
    engine = RemoteEngine("gpt-x", url=endpoint.url)
    assert isinstance(await engine.complete(ASKED), Completed)
    await engine.close()


async def test_others_are_reached_through_the_proxy_of_the_environment(endpoint, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", endpoint.url.removesuffix("/v1"))
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    endpoint.script(says("It runs small."))
    engine = RemoteEngine("gpt-x", url="http://models.example.com/v1")
    assert isinstance(await engine.complete(ASKED), Completed)
    assert endpoint.headers[0]["Host"] == "models.example.com"
    await engine.close()


def test_connections_are_given_up_before_servers_close_them():
    assert wire.KEPT_OPEN_S < 5
