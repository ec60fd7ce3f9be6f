"""The scripted endpoint answers as the official client expects: what the engine is tested against has that shape."""

import importlib.util

import pytest

from tests.fake_endpoint import FakeEndpoint, says, status

if importlib.util.find_spec("openai") is None:
    pytest.skip("needs the official client: uv pip install openai", allow_module_level=True)


@pytest.fixture
def client():
    import openai

    with (
        FakeEndpoint() as endpoint,
        openai.OpenAI(base_url=endpoint.url, api_key="sk-test", max_retries=0) as client,
    ):
        client.endpoint = endpoint
        yield client


def ask(client, **more):
    messages = [{"role": "user", "content": "How does it fit?"}]
    return client.chat.completions.create(model="gpt-x", messages=messages, max_tokens=5, **more)


def test_it_reads_a_whole_answer(client):
    client.endpoint.script(says("It runs small."))
    answer = ask(client)
    assert (answer.choices[0].message.content, answer.usage.completion_tokens) == ("It runs small.", 20)


def test_it_reads_a_stream(client):
    client.endpoint.script(says("It runs small."))
    pieces = [chunk.choices[0].delta.content or "" for chunk in ask(client, stream=True) if chunk.choices]
    assert "".join(pieces) == "It runs small."


def test_it_reads_an_error(client):
    import openai

    client.endpoint.script(status(429, {"message": "slow down"}))
    with pytest.raises(openai.RateLimitError, match="slow down"):
        ask(client)
