"""The real process, on a tiny model of random weights."""

import asyncio
import json
import math
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import jsonschema
import pytest
import pytest_asyncio

from models.local.chat import Chat
from models.local.engine import LocalEngine
from models.local.folder import read_folder
from models.ports import Completed, Completion, Decoding, Message, WriteFailure
from tests.tiny_model import make_adapter, make_model, needs_llm

pytestmark = [needs_llm, pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(600)]

SCHEMA = {
    "type": "object",
    "properties": {
        "sentences": {
            "type": "array",
            "minItems": 1,
            "maxItems": 2,
            "items": {
                "type": "object",
                "properties": {
                    "text": {"type": "string", "maxLength": 12},
                    "points": {"type": "array", "maxItems": 2, "items": {"type": "string", "maxLength": 4}},
                },
                "required": ["text", "points"],
                "additionalProperties": False,
            },
        }
    },
    "required": ["sentences"],
    "additionalProperties": False,
}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_model(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture(scope="module")
def adapters(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("adapters")
    for seed, name in enumerate(["polite", "rude"]):
        make_adapter(model, folder / name, seed)
    return folder


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def engines(model: Path, adapters: Path) -> AsyncIterator[dict[str | None, LocalEngine]]:
    made = {
        name: LocalEngine(model, name, device="cpu", adapters=adapters, cache_blocks=64, timeout_s=60)
        for name in (None, "polite", "rude")
    }
    yield made
    for engine in made.values():
        await engine.close()


@pytest.fixture
def engine(engines) -> LocalEngine:
    return engines[None]


def asked(text: str = "the dress fits", max_tokens: int = 16, temperature: float = 0.0, **settings) -> Completion:
    decoding = Decoding(max_tokens, temperature, settings.pop("top_p", 1.0), settings.pop("seed", 0))
    return Completion((Message("user", text),), decoding, **settings)


def reference(model: Path, prompt: str, max_tokens: int, adapter: Path | None = None) -> str:
    """What plain greedy decoding says, one row alone, the adapter merged into the weights."""
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    loaded = AutoModelForCausalLM.from_pretrained(model, local_files_only=True)
    if adapter:
        loaded = PeftModel.from_pretrained(loaded, adapter).merge_and_unload()
    chat = Chat(read_folder(model))
    tokens = chat.tokens((Message("user", prompt),))
    said = []
    for _ in range(max_tokens):
        with torch.no_grad():
            logits = loaded.eval()(torch.tensor([tokens + said])).logits
        if (token := int(logits[0, -1].argmax())) == 1:
            break
        said.append(token)
    return chat.text(said)


async def test_continuous_batching_says_what_plain_greedy_decoding_says(engine, model):
    prompts = ["a", "the zip broke", "soft and wide " * 20, "the colour fades"]
    found = await asyncio.gather(*(engine.complete(asked(prompt, 24)) for prompt in prompts))
    assert [each.text for each in found] == [reference(model, prompt, 24) for prompt in prompts]


async def test_an_adapter_says_what_its_merged_weights_say_and_leaves_the_model_as_it_is(engines, model, adapters):
    prompt = "the seam is soft"
    before = await engines[None].complete(asked(prompt))
    mixed = await asyncio.gather(*(engines[name].complete(asked(prompt)) for name in ("polite", "rude", None) * 3))
    expected = [reference(model, prompt, 16, adapters / name) for name in ("polite", "rude")]
    assert [each.text for each in mixed] == [*expected, before.text] * 3
    assert len({each.text for each in mixed}) == 3


async def test_ten_of_ten_are_json_of_the_schema_in_one_batch_with_free_rows(engine):
    drawn = [asked(f"dress {each}", 200, 1.0, seed=each, schema=SCHEMA) for each in range(10)]
    free = [asked("the shoe", 10, 1.0, seed=each) for each in range(2)]
    found = await asyncio.gather(*map(engine.complete, [*drawn, *free]))
    for completed in found[:10]:
        jsonschema.validate(json.loads(completed.text), SCHEMA)
    assert len({completed.text for completed in found[:10]}) > 5
    assert [completed.tokens_out for completed in found[10:]] <= [10, 10]


async def test_json_too_long_for_its_tokens_fails_for_ever(engine):
    failure = await engine.complete(asked(max_tokens=5, schema=SCHEMA))
    assert (failure.lasting, failure.tokens_out) == (True, 5)
    assert "not whole after 5 tokens" in failure.error


async def test_a_schema_that_is_none_fails_for_ever_and_spares_its_batch(engine):
    wrong, right = await asyncio.gather(
        engine.complete(asked(schema={"type": "no such type"})), engine.complete(asked(max_tokens=200, schema=SCHEMA))
    )
    assert "xgrammar does not take this schema" in wrong.error
    assert wrong.lasting
    assert isinstance(right, Completed)


async def test_a_seed_says_the_same_alone_and_in_company(engine):
    alone = await engine.complete(asked(temperature=1.0, seed=7))
    others = [asked("wide " * each, 30, 1.0, seed=each) for each in range(1, 6)]
    company = await asyncio.gather(*map(engine.complete, [asked(temperature=1.0, seed=7), *others]))
    assert company[0].text == alone.text
    unlike = await engine.complete(asked(temperature=1.0, seed=8))
    assert unlike.text != alone.text


async def test_a_narrow_choice_is_the_likeliest(engine):
    likeliest = await engine.complete(asked())
    narrow = await engine.complete(asked(temperature=1.0, top_p=1e-6, seed=3))
    cold = await engine.complete(asked(temperature=1e-4, seed=3))
    assert narrow.text == cold.text == likeliest.text


async def test_without_a_seed_it_says_something_else_every_time(engine):
    found = await asyncio.gather(*(engine.complete(asked(temperature=1.5, seed=None)) for _ in range(4)))
    assert len({each.text for each in found}) > 1


@pytest.mark.parametrize("schema", [None, SCHEMA])
async def test_a_stream_comes_in_pieces_that_are_the_whole(engine, schema):
    *pieces, completed = [piece async for piece in engine.stream(asked(max_tokens=120, schema=schema))]
    if schema is None:
        assert "".join(pieces) == completed.text
    else:
        assert json.loads("".join(pieces), strict=False) == json.loads(completed.text)
    assert len(pieces) > 5
    alone = await engine.complete(asked(max_tokens=120, schema=schema))
    assert alone.text == completed.text


async def test_prompts_to_the_edge_of_the_cache_are_said_and_one_past_it_is_refused(engine):
    room = 63 * 32
    tokens = len(engine._chat.tokens((Message("user", "a a"),)))
    filling = room - tokens - 4
    fits = [engine.complete(asked("a a" + " a" * filling, 4)) for _ in range(3)]
    for completed in await asyncio.gather(*fits):
        assert isinstance(completed, Completed)
        assert completed.tokens_in + 4 == room
    refused = await engine.complete(asked("a a" + " a" * (filling + 1), 4))
    assert "local.cache_blocks = 64" in refused.error


@pytest.mark.parametrize("schema", [None, {"type": "string"}])
async def test_who_gives_up_leaves_the_model_to_the_next(engine, schema):
    expected = await engine.complete(asked("nice"))
    hasty = [engine.complete(asked("wide", 1_500, 0.0, schema=schema, patience_s=0.3)) for _ in range(3)]
    for failure in await asyncio.gather(*hasty):
        assert isinstance(failure, WriteFailure)
        assert failure.retryable
    assert await engine.complete(asked("nice")) == expected
    assert isinstance(await engine.complete(asked(max_tokens=200, schema=SCHEMA)), Completed)


async def test_targets_are_as_likely_as_float64_says(engines, model, adapters):
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    prompt, targets = (Message("user", "good or bad?"),), ["a", "the dress fits", "the dress", "zip", "the"]
    chat = Chat(read_folder(model))
    tokens = chat.tokens(prompt)
    for name in (None, "polite"):
        loaded = AutoModelForCausalLM.from_pretrained(model, local_files_only=True).double()
        if name:
            loaded = PeftModel.from_pretrained(loaded, adapters / name).double().merge_and_unload()
        found = await engines[name].score(prompt, targets)
        assert [len(each) for each in found] == [len(chat.continuation(target)) for target in targets]
        for target, logprobs in zip(targets, found, strict=True):
            added = chat.continuation(target)
            with torch.no_grad():
                likely = loaded.eval()(torch.tensor([tokens + added])).logits[0].log_softmax(-1)
            expected = [float(likely[len(tokens) - 1 + place, token]) for place, token in enumerate(added)]
            assert logprobs == pytest.approx(expected, abs=1e-3)
            assert all(math.isfinite(each) and each < 0 for each in logprobs)


async def test_scores_and_texts_of_many_adapters_at_once_are_what_they_are_alone(engines):
    names = [None, "polite", "rude"]
    prompt = (Message("user", "of all"),)
    texts_alone = [await engines[name].complete(asked("of all")) for name in names]
    scores_alone = [await engines[name].score(prompt, ["a"]) for name in names]
    async with asyncio.TaskGroup() as group:
        texts = [group.create_task(engines[name].complete(asked("of all"))) for name in names * 4]
        scores = [group.create_task(engines[name].score(prompt, ["a"])) for name in names * 4]
        said = [group.create_task(engines[name].complete(asked("x", 200, schema=SCHEMA))) for name in names * 2]
    assert [each.result() for each in texts] == texts_alone * 4
    for task, expected in zip(scores, scores_alone * 4, strict=True):
        assert task.result()[0] == pytest.approx(expected[0], abs=1e-4)
    assert all(isinstance(each.result(), Completed) for each in said)


async def test_adapters_come_and_go_without_a_restart(model, adapters, tmp_path):
    folder = tmp_path / "adapters"
    shutil.copytree(adapters / "polite", folder / "voice")
    plain = LocalEngine(model, device="cpu", adapters=folder, cache_blocks=64)
    voice = LocalEngine(model, "voice", device="cpu", adapters=folder, cache_blocks=64)
    host = voice._lent.host
    polite = await voice.complete(asked())
    process = host._process
    assert polite.text == reference(model, "the dress fits", 16, adapters / "polite")
    shutil.rmtree(folder / "voice")
    shutil.copytree(adapters / "rude", folder / "voice")
    rude = await voice.complete(asked())
    assert rude.text == reference(model, "the dress fits", 16, adapters / "rude")
    shutil.rmtree(folder / "voice")
    assert "put them there" in (await voice.complete(asked())).error
    assert (await plain.complete(asked())).text == reference(model, "the dress fits", 16)
    assert host.held == frozenset()
    (folder / "voice").mkdir()
    (folder / "voice" / "adapter_config.json").write_bytes((adapters / "rude" / "adapter_config.json").read_bytes())
    (folder / "voice" / "adapter_model.safetensors").write_bytes(b"half a file")
    assert "cannot be loaded" in (await voice.complete(asked())).error
    shutil.rmtree(folder / "voice")
    shutil.copytree(adapters / "rude", folder / "voice")
    assert (await voice.complete(asked())).text == rude.text
    assert host._process is process
    await voice.close()
    await plain.close()


async def test_a_folder_whose_weights_are_broken_says_so(model, tmp_path):
    broken = tmp_path / "broken"
    shutil.copytree(model, broken)
    (broken / "model.safetensors").write_bytes((2).to_bytes(8, "little") + b"{}")
    engine = LocalEngine(broken, device="cpu")
    failure = await engine.complete(asked())
    assert "weights are missing" in failure.error
    assert (failure.retryable, failure.endpoint, failure.lasting) == (False, True, False)
    await engine.close()


async def test_a_gpu_that_is_not_there_is_named(model):
    import torch

    if torch.cuda.is_available():
        pytest.skip("there is one here")
    engine = LocalEngine(model, device="cuda")
    failure = await engine.complete(asked())
    assert failure.error.endswith("torch finds no GPU here; set it to auto or cpu")
    assert (failure.retryable, failure.endpoint) == (False, True)
    await engine.close()


async def test_prompts_are_rendered_as_transformers_renders_them(model):
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(model, local_files_only=True)
    turns = [("system", "be brief"), ("user", "the dress\nfits, \u00e9\u4e2d"), ("assistant", "{}"), ("user", "again")]
    ours = Chat(read_folder(model)).tokens([Message(role, content) for role, content in turns])
    theirs = tokenizer.apply_chat_template(
        [{"role": role, "content": content} for role, content in turns], add_generation_prompt=True, return_dict=False
    )
    assert ours == theirs
