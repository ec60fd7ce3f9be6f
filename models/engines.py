"""Make language models out of names, each once however many write with it."""

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from models.naming import ModelName, UnknownWriterError
from models.ports import Decoding, Engine

if TYPE_CHECKING:
    from models.prompting.prompts import Prompt


@dataclass(frozen=True, slots=True)
class EngineOptions:
    """How language models are reached and run.

    Args:
        url: Of an OpenAI-compatible endpoint.
        api_key: Of that endpoint.
        json_schema: Whether that endpoint takes JSON Schema: yes, no or auto.
        concurrency: Calls at a time.
        timeout_s: A call that takes longer has failed, seconds.
        device: Where local models run: auto, cpu or cuda.
        adapters: Folder of adapters of local models.
        batch_tokens: Tokens in one batch of a local model.
        linger_s: How long such a batch waits for more, seconds.
        cache_blocks: Blocks of 32 tokens of its cache.
    """

    url: str | None = None
    api_key: str | None = None
    json_schema: str = "auto"
    concurrency: int = 4
    timeout_s: float = 120.0
    device: str = "auto"
    adapters: Path | None = None
    batch_tokens: int = 8_192
    linger_s: float = 0.02
    cache_blocks: int = 1_024

    def __repr__(self) -> str:
        """Tell where, never the key."""
        return f"EngineOptions(url={self.url!r}, device={self.device!r})"


@dataclass(frozen=True, slots=True)
class Manner:
    """How language models are to write.

    Args:
        decoding: How they choose their words.
        language: Of the texts; empty follows what they are written from.
    """

    decoding: Decoding
    language: str = ""


class Engines:
    """The language models of one process, loaded when they are first asked for.

    Args:
        options: How they are reached and run.
        manner: How they are to write.
    """

    def __init__(self, options: EngineOptions, manner: Manner) -> None:
        self._options = options
        self.manner = manner
        self._engines: dict[ModelName, Engine] = {}

    def get(self, name: ModelName) -> Engine:
        """Return a language model.

        Raises:
            UnknownWriterError: If it cannot be had, with what to do.
        """
        if name not in self._engines:
            self._engines[name] = self._remote(name) if name.kind == "openai" else self._local(name)
        return self._engines[name]

    async def close(self) -> None:
        """Give back what they hold; calls in flight fail."""
        engines = list(self._engines.values())
        self._engines.clear()
        for engine in engines:
            await engine.close()

    def _remote(self, name: ModelName) -> Engine:
        from models.remote.engine import RemoteEngine  # here: what is not asked for is not loaded

        options = self._options
        if not options.url:
            told = f"writer openai:{name.model} needs an endpoint"
            raise UnknownWriterError(told, "Set MILLRACE_WRITER_URL=https://HOST/v1.")
        try:
            return RemoteEngine(
                name.model,
                url=options.url,
                api_key=options.api_key,
                json_schema=options.json_schema,
                concurrency=options.concurrency,
                timeout_s=options.timeout_s,
            )
        except ValueError as error:
            raise UnknownWriterError(f"writer openai:{name.model}: {error}", "Correct MILLRACE_WRITER_URL.") from error

    def _local(self, name: ModelName) -> Engine:
        from models.local.engine import LocalEngine  # here: it comes with an extra

        options = self._options
        try:
            return LocalEngine(
                Path(name.model),
                adapter=name.adapter,
                device=options.device,
                adapters=options.adapters,
                batch_tokens=options.batch_tokens,
                linger_s=options.linger_s,
                cache_blocks=options.cache_blocks,
                timeout_s=options.timeout_s,
            )
        except ValueError as error:
            told = f"writer local:{name.model}: {error}"
            raise UnknownWriterError(told, "See the [local] settings: millrace config show.") from error


def prompt_of(name_or_path: str, inputs: Collection[str]) -> "Prompt":
    """Load a prompt.

    Args:
        name_or_path: Of one of ours, or of your own.
        inputs: What it can be filled in with.

    Raises:
        UnknownWriterError: If there is none, it cannot be read, or it asks for something else.
    """
    from models.prompting.prompts import PromptError, load_prompt  # here: the extractive writer needs none

    remedy = "See `millrace prompts list`."
    try:
        prompt = load_prompt(name_or_path)
    except PromptError as error:
        raise UnknownWriterError(f"prompt {name_or_path}: {error}", remedy) from error
    others = sorted(set(prompt.inputs) - set(inputs))
    if others:
        told = f"prompt {name_or_path} is for something else: it asks for {others[0]}, and here is {', '.join(inputs)}"
        raise UnknownWriterError(told, remedy)
    return prompt
