import asyncio
import json
import os
import sys
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from models.local.engine import LocalEngine
from models.local.folder import LocalModelError
from models.local.host import Patience
from models.ports import Completed, Completion, Decoding, Engine, Message, WriteFailure
from tests.tiny_model import make_folder

SCRIPT = Path(__file__).with_name("scripted_child.py")
SCHEMA = {"type": "object"}
DEADLINE_S = 30.0


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_folder(tmp_path_factory.mktemp("models") / "tiny")


class Scripted:
    """Makes engines whose process is the script, and reads what that was told."""

    def __init__(self, folder: Path, record: Path):
        self.folder, self.record = folder, record
        self.engines: list[LocalEngine] = []

    def __call__(self, mode: str, silence_s: float = 60.0, start_s: float = 60.0, **settings) -> LocalEngine:
        command = (sys.executable, str(SCRIPT), mode, str(self.record))
        engine = LocalEngine(self.folder, command=command, patience=Patience(start_s, silence_s), **settings)
        self.engines.append(engine)
        return engine

    def told(self, *kinds: str) -> list[dict]:
        lines = self.record.read_text().splitlines() if self.record.exists() else []
        return [order for order in map(json.loads, lines) if order.get("type") in kinds]

    def pids(self) -> list[int]:
        return [order["pid"] for order in map(json.loads, self.record.read_text().splitlines()) if "pid" in order]

    async def until(self, holds: Callable[[], bool]) -> None:
        ends = time.monotonic() + DEADLINE_S
        while not holds():
            assert time.monotonic() < ends
            await asyncio.sleep(0.005)


@pytest.fixture
async def scripted(folder: Path, tmp_path: Path) -> AsyncIterator[Scripted]:
    made = Scripted(folder, tmp_path / "orders.jsonl")
    yield made
    for engine in made.engines:
        await engine.close()


def asked(text: str = "the dress fits", max_tokens: int = 8, temperature: float = 0.0, **settings) -> Completion:
    return Completion((Message("user", text),), Decoding(max_tokens, temperature), **settings)


def adapter(folder: Path, name: str, content: bytes = b"weights") -> Path:
    (folder / name).mkdir(parents=True, exist_ok=True)
    (folder / name / "adapter_config.json").write_text("{}")
    (folder / name / "adapter_model.safetensors").write_bytes(content)
    return folder / name


async def test_it_is_an_engine_that_says_what_its_process_says(scripted):
    engine: Engine = scripted("echo")
    completed = await engine.complete(asked(max_tokens=3))
    assert isinstance(completed, Completed)
    assert (engine.engine, completed.tokens_out) == ("local", 3)
    assert completed.tokens_in == len(scripted.told("join")[0]["row"]["tokens"])
    assert engine.model == f"tiny@{engine.model.partition('@')[2]}"
    assert engine.endpoint == str(scripted.folder)


async def test_free_text_joins_while_json_and_drawn_words_go_together(scripted):
    engine = scripted("cut")
    await asyncio.gather(
        engine.complete(asked()), engine.complete(asked(schema=SCHEMA)), engine.complete(asked(temperature=0.7))
    )
    assert [order["row"].get("json_schema") for order in scripted.told("join")] == [None]
    (together,) = scripted.told("together")
    assert [row.get("json_schema") for row in together["rows"]] == [json.dumps(SCHEMA), None]


async def test_who_asks_at_once_is_in_one_batch(scripted):
    engine = scripted("echo")
    await asyncio.gather(*(engine.complete(asked(f"dress {each}", schema=SCHEMA)) for each in range(5)))
    assert [len(order["rows"]) for order in scripted.told("together")] == [5]


async def test_a_batch_is_not_larger_than_its_tokens(scripted):
    engine = scripted("echo", batch_tokens=64)
    await asyncio.gather(*(engine.complete(asked(f"dress {each}", schema=SCHEMA)) for each in range(9)))
    batches = scripted.told("together")
    assert len(batches) > 1
    for order in batches:
        longest = max(len(row["tokens"]) for row in order["rows"])
        assert len(order["rows"]) * (longest + 8) <= 64


async def test_completions_of_one_key_reach_the_process_one_after_the_other(scripted):
    engine = scripted("until_cancelled")
    first = asyncio.create_task(engine.complete(asked("one", key="B1")))
    second = asyncio.create_task(engine.complete(asked("two", key="B1", schema=SCHEMA)))
    await scripted.until(lambda: len(scripted.told("join")) == 1)
    other = asyncio.create_task(engine.complete(asked("three", key="B2", schema=SCHEMA)))
    await scripted.until(lambda: len(scripted.told("together")) == 1)
    first.cancel()
    await scripted.until(lambda: len(scripted.told("together")) == 2)
    assert [order["rows"][0]["number"] for order in scripted.told("together")] == [3, 2]
    for task in (second, other):
        task.cancel()


async def test_what_is_asked_of_a_process_that_crashes_may_be_asked_again(scripted):
    engine = scripted("crash")
    failures = await asyncio.gather(*(engine.complete(asked()) for _ in range(3)))
    for failure in failures:
        assert isinstance(failure, WriteFailure)
        assert (failure.retryable, failure.endpoint, failure.lasting) == (True, True, False)
        assert failure.error.endswith("its process ended with status 1: the last words")
        assert failure.retry_after_s == 1.0


async def test_a_process_that_fell_is_left_alone_for_a_while_and_then_started_again(scripted):
    engine = scripted("crash_once")
    fell = await engine.complete(asked())
    assert "was killed by signal 6" in fell.error
    waits = await engine.complete(asked())
    assert (waits.retryable, waits.endpoint) == (True, True)
    assert 0 < waits.retry_after_s <= 1.0
    assert len(scripted.pids()) == 1
    ends = time.monotonic() + DEADLINE_S
    while isinstance(found := await engine.complete(asked()), WriteFailure):
        assert time.monotonic() < ends
        await asyncio.sleep(found.retry_after_s)
    assert isinstance(found, Completed)
    assert len(scripted.pids()) == 2


@pytest.mark.parametrize(
    ("mode", "why"),
    [("garbage", "said what is no message: b'Loading weights"), ("stranger", "answered request 999, which nobody")],
)
async def test_a_process_that_cannot_be_believed_is_ended(scripted, mode, why):
    engine = scripted(mode)
    failure = await engine.complete(asked())
    assert why in failure.error
    assert (failure.retryable, failure.endpoint) == (True, True)
    await scripted.until(lambda: not alive(scripted.pids()[0]))


async def test_a_process_that_makes_no_step_is_ended(scripted):
    engine = scripted("hang", silence_s=0.2)
    failure = await engine.complete(asked())
    assert failure.error.endswith("made no step for 0.2 s")
    assert (failure.retryable, failure.endpoint) == (True, True)
    await scripted.until(lambda: not alive(scripted.pids()[0]))


async def test_a_model_that_does_not_load_in_time_is_given_up(scripted):
    failure = await scripted("never_ready", start_s=0.5).complete(asked())
    assert failure.error.endswith("has not loaded its model within 0.5 s")
    assert failure.retryable


async def test_a_model_that_cannot_be_loaded_says_what_to_do(scripted):
    failure = await scripted("broken").complete(asked())
    assert failure.error.endswith("torch is missing; install it")
    assert (failure.retryable, failure.endpoint, failure.lasting) == (False, True, False)


async def test_a_program_that_is_not_there_is_a_failure_too(folder):
    engine = LocalEngine(folder, command=("/nowhere/python",))
    failure = await engine.complete(asked())
    assert "/nowhere/python" in failure.error
    await engine.close()


async def test_a_refusal_of_the_model_lasts(scripted):
    failure = await scripted("refuses").complete(asked(schema=SCHEMA))
    assert "xgrammar does not take this schema" in failure.error
    assert (failure.retryable, failure.endpoint, failure.lasting) == (False, False, True)


async def test_who_does_not_wait_longer_has_it_cancelled(scripted):
    engine = scripted("until_cancelled")
    failure = await engine.complete(asked(patience_s=0.5))
    assert (failure.retryable, failure.endpoint, failure.asked) == (True, False, True)
    assert "was not done within 0." in failure.error
    assert failure.tokens_in > 0, "the model has read it"
    await scripted.until(lambda: scripted.told("cancel") == [{"type": "cancel", "number": 1}])


async def test_the_engines_own_timeout_is_the_fault_of_the_endpoint(scripted):
    failure = await scripted("until_cancelled", timeout_s=0.5).complete(asked())
    assert failure.endpoint and failure.asked and failure.tokens_in > 0


async def test_waiting_for_a_turn_is_no_fault_of_the_model_and_costs_nothing(scripted):
    engine = scripted("until_cancelled")
    first = asyncio.create_task(engine.complete(asked("one", key="B1")))
    await scripted.until(lambda: len(scripted.told("join")) == 1)
    failure = await engine.complete(asked("two", key="B1", patience_s=0.2))
    assert "had no turn within 0." in failure.error
    assert (failure.retryable, failure.endpoint, failure.asked, failure.tokens_in) == (True, False, False, 0)
    first.cancel()


async def test_the_time_of_a_completion_begins_with_its_turn(scripted):
    engine = scripted("until_cancelled", timeout_s=0.5)
    first, second = (asyncio.create_task(engine.complete(asked(text, key="B1"))) for text in ("one", "two"))
    for failure in (await first, await second):
        assert "was not done within 0.5 s" in failure.error
    assert len(scripted.told("join")) == 2


async def test_a_task_that_is_cancelled_cancels_its_row(scripted):
    engine = scripted("until_cancelled")
    task = asyncio.create_task(engine.complete(asked(schema=SCHEMA)))
    await scripted.until(lambda: bool(scripted.told("together")))
    task.cancel()
    await scripted.until(lambda: bool(scripted.told("cancel")))
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_engines_of_one_folder_share_a_process_and_the_last_ends_it(scripted, tmp_path):
    adapter(tmp_path / "adapters", "polite")
    plain = scripted("echo", adapters=tmp_path / "adapters")
    polite = scripted("echo", adapters=tmp_path / "adapters", adapter="polite")
    await asyncio.gather(plain.complete(asked()), polite.complete(asked()))
    (pid,) = scripted.pids()
    await plain.close()
    assert isinstance(await polite.complete(asked()), Completed)
    await polite.close()
    assert not alive(pid)


async def test_a_process_ends_when_its_owner_closes_with_calls_open(scripted):
    engine = scripted("hang")
    task = asyncio.create_task(engine.complete(asked()))
    await scripted.until(lambda: bool(scripted.told("join")))
    await engine.close()
    failure = await task
    assert failure.retryable
    assert not alive(scripted.pids()[0])


@pytest.mark.parametrize(
    ("completion", "why"),
    [
        (asked("dress " * 3_000), "more than the 2048 this model was made for"),
        (asked(max_tokens=5_000), "more than the 2048 this model was made for"),
        (asked(max_tokens=0), "0 tokens to say: at least 1"),
        (asked(temperature=-1.0), "temperature -1.0: not a number from 0 up"),
        (asked(temperature=float("nan")), "temperature nan: not a number from 0 up"),
        (Completion((Message("user", "x"),), Decoding(5, top_p=0.0)), "top_p 0.0: not above 0"),
        (asked("half a pair: \ud800"), "no text: surrogates not allowed"),
    ],
)
async def test_what_the_model_can_never_do_fails_for_ever_and_starts_no_process(scripted, completion, why):
    failure = await scripted("echo").complete(completion)
    assert why in failure.error
    assert (failure.retryable, failure.lasting, failure.endpoint, failure.asked) == (False, True, False, False)
    assert not scripted.record.exists()


@pytest.mark.parametrize(
    ("schema", "why"), [(None, "local.cache_blocks = 8 hold; set it"), (SCHEMA, "local.batch_tokens = 128; set it")]
)
async def test_what_a_setting_forbids_names_it_and_is_not_kept(scripted, schema, why):
    engine = scripted("echo", cache_blocks=8, batch_tokens=128)
    failure = await engine.complete(asked(max_tokens=300, schema=schema))
    assert why in failure.error
    assert (failure.retryable, failure.lasting, failure.asked) == (False, False, False)
    assert not scripted.record.exists()


async def test_json_that_is_cut_fails_for_ever_with_what_it_cost(scripted):
    failure = await scripted("cut").complete(asked(max_tokens=4, schema=SCHEMA))
    assert failure.error.endswith("its JSON is not whole after 4 tokens")
    assert (failure.lasting, failure.tokens_out) == (True, 4)
    assert failure.tokens_in > 0


async def test_what_is_no_json_is_a_failure(scripted):
    failure = await scripted("echo").complete(asked(schema=SCHEMA))
    assert "said no JSON" in failure.error
    assert failure.lasting


async def test_a_stream_yields_pieces_and_at_last_the_whole(scripted):
    found = [piece async for piece in scripted("echo").stream(asked("the colour fades", max_tokens=20))]
    *pieces, completed = found
    assert isinstance(completed, Completed)
    assert len(pieces) > 2
    assert "".join(pieces) == completed.text


async def test_a_stream_that_fails_ends_with_the_failure(scripted):
    found = [piece async for piece in scripted("crash").stream(asked())]
    assert [type(piece) for piece in found] == [WriteFailure]


async def test_a_stream_nobody_reads_on_is_cancelled(scripted):
    engine = scripted("until_cancelled")
    stream = engine.stream(asked())
    reading = asyncio.create_task(anext(stream))
    await scripted.until(lambda: bool(scripted.told("join")))
    reading.cancel()
    await asyncio.gather(reading, return_exceptions=True)
    await stream.aclose()
    await scripted.until(lambda: bool(scripted.told("cancel")))


async def test_targets_are_scored_token_by_token(scripted):
    engine = scripted("echo")
    found = await engine.score([Message("user", "good or bad?")], ["good", "nice dress"])
    assert found == tuple((-1.0,) * len(row) for row in scripted.told("together")[0]["rows"][0]["targets"])
    refused = await engine.score([Message("user", "x")], ["good", ""])
    assert (refused.lasting, refused.error) == (True, "an empty target cannot be scored")


async def test_an_adapter_is_loaded_before_its_first_row_and_only_once(scripted, tmp_path):
    adapter(tmp_path / "adapters", "polite")
    engine = scripted("echo", adapters=tmp_path / "adapters", adapter="polite")
    await engine.complete(asked())
    await engine.complete(asked())
    orders = scripted.told("load", "join")
    identity = engine.model.rpartition("@")[2]
    assert [order["type"] for order in orders] == ["load", "join", "join"]
    assert orders[0] == {"type": "load", "adapter": identity, "folder": str(tmp_path / "adapters" / "polite")}
    assert orders[1]["row"]["adapter"] == identity
    assert engine.model.partition("#")[2] == f"polite@{identity}"


async def test_a_changed_adapter_has_another_name_and_replaces_the_old_one(scripted, tmp_path):
    where = adapter(tmp_path / "adapters", "polite")
    engine = scripted("echo", adapters=tmp_path / "adapters", adapter="polite")
    before = engine.model
    await engine.complete(asked())
    adapter(tmp_path / "adapters", "polite", b"other weights")
    await engine.complete(asked())
    assert engine.model != before
    assert scripted.told("load", "unload")[1:] == [
        {"type": "unload", "adapter": before.rpartition("@")[2]},
        {"type": "load", "adapter": engine.model.rpartition("@")[2], "folder": str(where)},
    ]
    assert len(scripted.pids()) == 1


async def test_what_was_said_is_named_after_the_adapter_that_said_it(scripted, tmp_path):
    adapter(tmp_path / "adapters", "polite")
    engine = scripted("echo", adapters=tmp_path / "adapters", adapter="polite")
    plain = scripted("echo", adapters=tmp_path / "adapters")
    before = engine.model
    said = asyncio.create_task(engine.complete(asked()))
    await scripted.until(lambda: bool(scripted.told("open")))
    adapter(tmp_path / "adapters", "polite", b"other weights")  # exchanged while it is asked
    assert (await said).model == before != engine.model
    assert scripted.told("join")[0]["row"]["adapter"] == before.rpartition("@")[2]
    assert (await engine.complete(asked())).model == engine.model
    assert (await plain.complete(asked())).model == plain.model


async def test_an_adapter_whose_folder_goes_is_dropped_and_one_that_comes_is_taken(scripted, tmp_path):
    where = adapter(tmp_path / "adapters", "polite")
    plain = scripted("echo", adapters=tmp_path / "adapters")
    polite = scripted("echo", adapters=tmp_path / "adapters", adapter="polite")
    identity = polite.model.rpartition("@")[2]
    await polite.complete(asked())
    for file in where.iterdir():
        file.unlink()
    gone = await polite.complete(asked())
    assert "does not hold adapter_config.json and adapter_model.safetensors" in gone.error
    assert (gone.retryable, gone.lasting) == (False, False)
    await plain.complete(asked())
    assert scripted.told("unload") == [{"type": "unload", "adapter": identity}]
    adapter(tmp_path / "adapters", "polite")
    assert isinstance(await polite.complete(asked()), Completed)
    assert len(scripted.pids()) == 1


def test_an_adapter_that_is_not_there_is_told_at_once(folder, tmp_path):
    with pytest.raises(LocalModelError, match=r"adapter rude: .* put them there"):
        LocalEngine(folder, "rude", adapters=tmp_path, command=("true",))
    with pytest.raises(LocalModelError, match=r"set local\.adapters"):
        LocalEngine(folder, "rude", command=("true",))


def test_without_the_extra_it_says_what_to_install(folder, monkeypatch):
    monkeypatch.setattr("models.local.engine.find_spec", lambda name: None)
    with pytest.raises(LocalModelError, match=r'local models need torch, .*pip install "millrace\[llm\]"'):
        LocalEngine(folder)


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
