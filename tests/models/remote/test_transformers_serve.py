"""The engine against an endpoint that somebody else wrote: ``transformers serve``, with models the tests make."""

import importlib.util
import os
import socket
import subprocess
import sys
import time

import httpx
import pytest

from models.ports import Completed, Completion, Decoding, Message
from models.remote.engine import RemoteEngine
from tests.tiny_llama import save_tiny_llama

if any(importlib.util.find_spec(name) is None for name in ("torch", "transformers", "fastapi", "uvicorn")):
    pytest.skip('needs "transformers[serving]" and torch: uv pip install them', allow_module_level=True)

QUESTION = (Message("user", "How does it fit?"),)
ASKED = Completion(QUESTION, Decoding(max_tokens=20))
SCHEMA = {"type": "object", "properties": {"fit": {"type": "string"}}, "required": ["fit"]}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Models that say prose, JSON, or never stop."""
    folder = tmp_path_factory.mktemp("models")
    save_tiny_llama(folder / "prose", ["It", "runs", "small."])
    save_tiny_llama(folder / "json", ["{", '"fit"', ":", '"small"', "}"])
    save_tiny_llama(folder / "endless", ["so", "nice"], stops=False)
    return folder


@pytest.fixture(scope="module")
def url(tmp_path_factory):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    home = tmp_path_factory.mktemp("home")
    (home / "hub").mkdir()
    command = [sys.executable, "-m", "transformers.cli.transformers", "serve", "--host", "127.0.0.1"]
    environ = {**os.environ, "HF_HOME": str(home), "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    log = home / "log"
    with log.open("wb") as written:
        server = subprocess.Popen(
            [*command, "--port", str(port), "--device", "cpu"], env=environ, stdout=written, stderr=written
        )
    try:
        wait_for(f"http://127.0.0.1:{port}/health", server, log)
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        server.terminate()
        server.wait(30)


def wait_for(health, server, log):
    deadline = time.monotonic() + 240
    while time.monotonic() < deadline:
        assert server.poll() is None, log.read_text()
        try:
            if httpx.get(health, timeout=5).is_success:
                return
        except httpx.TransportError:
            time.sleep(0.1)
    raise AssertionError(f"it does not listen: {log.read_text()}")


@pytest.fixture
async def engine_of(url, folder):
    engines = []

    def make(name):
        engines.append(RemoteEngine(str(folder / name), url=url, timeout_s=240))
        return engines[-1]

    yield make
    for engine in engines:
        await engine.close()


async def test_its_answer_is_taken_with_its_tokens(engine_of):
    # <|user|> How does it fit? <|assistant|> are 6 of its tokens, the answer and its end 4.
    assert await engine_of("prose").complete(ASKED) == Completed("It runs small.", 6, 4)


async def test_its_stream_is_the_same_in_pieces(engine_of):
    *pieces, whole = [part async for part in engine_of("prose").stream(ASKED)]
    assert whole == Completed("It runs small.", 6, 4)
    assert len(pieces) > 1 and "".join(pieces) == whole.text


async def test_json_of_a_schema_that_it_ignores_is_taken(engine_of):
    engine = engine_of("json")
    completion = Completion(QUESTION, ASKED.decoding, SCHEMA)
    assert (await engine.complete(completion)).text == '{"fit":"small"}'


async def test_what_ignores_the_schema_twice_fails_for_good(engine_of):
    failure = await engine_of("prose").complete(Completion(QUESTION, ASKED.decoding, SCHEMA))
    assert failure.error == "the model's answer was wrong twice: there is no JSON in it"
    assert failure.lasting and not failure.retryable
    assert failure.tokens_out == 8


async def test_what_never_stops_is_cut_and_said_so(engine_of):
    failure = await engine_of("endless").complete(ASKED)
    assert (failure.lasting, failure.tokens_out) == (True, 20)
    assert "max_tokens = 20" in failure.error


async def test_a_model_it_has_not_can_be_asked_for_later(engine_of):
    failure = await engine_of("missing").complete(ASKED)
    assert failure.retryable and failure.endpoint and not failure.lasting
