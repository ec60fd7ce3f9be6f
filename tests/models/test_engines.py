import dataclasses
import sys
from types import ModuleType

import pytest

from models.engines import EngineOptions, Engines, Manner, prompt_of
from models.naming import ModelName, UnknownWriterError
from models.ports import Decoding

OPTIONS = EngineOptions(url="http://127.0.0.1:9/v1", api_key="hunter2", timeout_s=3.0, concurrency=2)
MANNER = Manner(Decoding(max_tokens=50), "de")


class FakeEngine:
    """Remembers how it was made, and whether it was closed."""

    endpoint = "here"

    def __init__(self, *named, **options) -> None:
        self.named, self.options, self.closed = named, options, False
        self.engine, self.model = "fake", str(named[0])
        if "broken" in self.model:
            raise ValueError("config.json: no such architecture")

    async def close(self) -> None:
        self.closed = True


@pytest.fixture
def engines(monkeypatch):
    """Engines whose kinds are stand-ins."""
    for place, name in (("models.remote.engine", "RemoteEngine"), ("models.local.engine", "LocalEngine")):
        module = ModuleType(place)
        setattr(module, name, FakeEngine)
        monkeypatch.setitem(sys.modules, place, module)
    return Engines(OPTIONS, MANNER)


def test_an_endpoint_is_asked_as_it_is_set(engines):
    made = engines.get(ModelName("openai", "m"))
    assert made.named == ("m",)
    assert made.options == {
        "url": OPTIONS.url, "api_key": "hunter2", "json_schema": "auto", "concurrency": 2, "timeout_s": 3.0,
    }  # fmt: skip


def test_a_folder_is_run_as_it_is_set_with_its_adapter(engines, tmp_path):
    made = engines.get(ModelName("local", str(tmp_path), "polite"))
    assert made.named == (tmp_path,)
    assert (made.options["adapter"], made.options["device"], made.options["timeout_s"]) == ("polite", "auto", 3.0)
    assert {"adapters", "batch_tokens", "linger_s", "cache_blocks"} <= made.options.keys()


async def test_a_model_is_loaded_once_however_many_write_with_it_and_all_are_given_back(engines):
    one, other = ModelName("openai", "m"), ModelName("openai", "n")
    assert engines.get(one) is engines.get(one) is not engines.get(other)
    made = [engines.get(one), engines.get(other)]
    await engines.close()
    assert [engine.closed for engine in made] == [True, True]


@pytest.mark.parametrize("kind", ["openai", "local"])
def test_what_cannot_be_had_is_named_with_what_to_do(engines, kind):
    with pytest.raises(UnknownWriterError, match=f"writer {kind}:broken: config.json: no such architecture") as told:
        engines.get(ModelName(kind, "broken"))
    assert told.value.remedy


def test_without_an_address_no_endpoint_is_asked():
    with pytest.raises(UnknownWriterError, match=r"openai:m needs an endpoint\. Set MILLRACE_WRITER_URL"):
        Engines(EngineOptions(), MANNER).get(ModelName("openai", "m"))


def test_a_key_is_never_told():
    assert "hunter2" not in repr(OPTIONS)
    assert dataclasses.asdict(OPTIONS)["api_key"] == "hunter2"


def test_a_prompt_that_is_missing_or_for_something_else_is_refused(tmp_path):
    assert prompt_of("summary", ("material", "language")).name == "summary"
    with pytest.raises(
        UnknownWriterError, match=r"prompt answer is for something else: it asks for (features|passages)"
    ):
        prompt_of("answer", ("material", "language"))
    with pytest.raises(UnknownWriterError, match=r"there is no prompt 'none'.*See `millrace prompts list`"):
        prompt_of("none", ())
    with pytest.raises(UnknownWriterError, match="cannot be read"):
        prompt_of(str(tmp_path / "own.md"), ())
