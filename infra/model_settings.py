"""Settings of what embeds, answers and writes."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from infra.settings_reading import Meaning, Secret


@dataclass(frozen=True, slots=True)
class IndexSettings:
    """How documents become searchable."""

    precision: Annotated[
        str, Meaning("of document vectors; bf16 needs the openvino extra", choices=("fp32", "bf16"))
    ] = "fp32"
    chunk_characters: Annotated[int, Meaning("longest chunk; sections are cut at paragraphs", minimum=200)] = 900
    cache_s: Annotated[float, Meaning("vectors of texts that are gone are kept this long for renames", minimum=0)] = (
        3600.0
    )
    sweep_s: Annotated[float, Meaning("how often the vectors are compared with the registry", minimum=1)] = 600.0
    max_batch: Annotated[int, Meaning("documents embedded together", minimum=1)] = 16


@dataclass(frozen=True, slots=True)
class AnswerSettings:
    """How questions are answered."""

    use: Annotated[
        str,
        Meaning(
            "who writes: writer (the same as summaries), extractive, openai:MODEL or local:FOLDER",
            choices=("writer", "extractive", "openai:", "local:"),
        ),
    ] = "writer"
    prompt: Annotated[str, Meaning("name of a model's prompt, or the path of your own")] = "answer"
    deadline_ms: Annotated[int, Meaning("for requests that name none", minimum=100)] = 10_000
    passages: Annotated[int, Meaning("chunks an answer is written from", minimum=1, maximum=20)] = 8
    reviews: Annotated[int, Meaning("reviews a product's answer is counted from", minimum=1, maximum=200)] = 50
    threshold: Annotated[float, Meaning("below this probability nothing is answered", minimum=0, maximum=1)] = 0.3
    concurrency: Annotated[int, Meaning("answers written at a time", minimum=1)] = 4
    features: Annotated[str | None, Meaning("feature spec of requests that name none; empty for none")] = None


@dataclass(frozen=True, slots=True)
class FeatureSettings:
    """Which features are kept, and where they are served."""

    module: Annotated[
        str | None, Meaning("your Python module with feature tables, as shop.features; empty keeps none")
    ] = None
    run_size: Annotated[int, Meaning("records of one partition handled in one transaction, at most", minimum=1)] = 1_000
    cached_keys: Annotated[int, Meaning("keys kept in memory", minimum=1)] = 20_000
    function_s: Annotated[float, Meaning("longest time a feature function may take, seconds", minimum=0.001)] = 1.0


@dataclass(frozen=True, slots=True)
class GatewaySettings:
    """Where the gateway listens."""

    host: Annotated[str, Meaning("address it listens at; 0.0.0.0 lets other machines ask")] = "127.0.0.1"
    port: Annotated[int, Meaning("its port", minimum=1, maximum=65535)] = 8080


@dataclass(frozen=True, slots=True)
class WriterSettings:
    """Who writes the texts, when, and for how much."""

    use: Annotated[
        str,
        Meaning(
            "extractive, openai:MODEL or local:FOLDER (local:FOLDER#ADAPTER)",
            choices=("extractive", "openai:", "local:"),
            short="MILLRACE_WRITER",
        ),
    ] = "extractive"
    prompt: Annotated[str, Meaning("name of its prompt, or the path of your own")] = "summary"
    other: Annotated[
        str | None,
        Meaning("a second writer for a share of the products", choices=("extractive", "openai:", "local:")),
    ] = None
    other_prompt: Annotated[str | None, Meaning("its prompt; empty is the same")] = None
    other_share: Annotated[float, Meaning("share of products it writes for", minimum=0, maximum=1)] = 0.0
    fallbacks: Annotated[str | None, Meaning("asked in turn when the first cannot; extractive is always last")] = None
    url: Annotated[str | None, Meaning("of an OpenAI-compatible endpoint, with openai:MODEL: https://HOST/v1")] = None
    api_key: Annotated[Secret | None, Meaning("of that endpoint, where it wants one")] = None
    json_schema: Annotated[
        str, Meaning("whether that endpoint takes JSON Schema; auto finds out", choices=("auto", "yes", "no"))
    ] = "auto"
    language: Annotated[str | None, Meaning("of the texts; empty follows the reviews")] = None
    temperature: Annotated[float, Meaning("how freely words are chosen", minimum=0, maximum=2)] = 0.0
    max_tokens: Annotated[int, Meaning("longest text a model may write, tokens", minimum=16)] = 700
    prices: Annotated[
        str | None, Meaning("per million tokens, in and out: MODEL=0.15/0.60, OTHER=1/2; others cost nothing")
    ] = None
    budget_day: Annotated[float | None, Meaning("cost a day; then texts are extractive until the next", minimum=0)] = (
        None
    )
    budget_key: Annotated[float | None, Meaning("cost a product and day, likewise", minimum=0)] = None
    tokens_day: Annotated[int | None, Meaning("tokens a day, likewise", minimum=0)] = None
    tokens_key: Annotated[int | None, Meaning("tokens a product and day, likewise", minimum=0)] = None
    breaker_failures: Annotated[int, Meaning("failures in a row that open an endpoint's circuit", minimum=1)] = 5
    breaker_s: Annotated[float, Meaning("an open circuit breaker lets one call try again after this", minimum=0)] = 30.0
    debounce_s: Annotated[float, Meaning("a product is quiet this long before its text is written", minimum=0)] = 2.0
    deadline_s: Annotated[float, Meaning("a busy product's text is written at the latest after this", minimum=0)] = 30.0
    timeout_s: Annotated[float, Meaning("a call that takes longer has failed", minimum=0.1)] = 120.0
    concurrency: Annotated[int, Meaning("calls at a time", minimum=1)] = 4
    max_batch: Annotated[int, Meaning("products in one call of the extractive writer", minimum=1)] = 16


@dataclass(frozen=True, slots=True)
class LocalSettings:
    """How a model in a folder runs (local:FOLDER; needs the llm extra)."""

    device: Annotated[str, Meaning("where; auto takes a GPU if there is one", choices=("auto", "cpu", "cuda"))] = "auto"
    adapters: Annotated[Path | None, Meaning("folder of LoRA adapters, one folder each; read while running")] = None
    batch_tokens: Annotated[int, Meaning("tokens in one batch, prompts and what may be said", minimum=64)] = 8_192
    linger_s: Annotated[float, Meaning("a batch that is not full waits this long for more", minimum=0)] = 0.02
    cache_blocks: Annotated[int, Meaning("blocks of 32 tokens of the cache of continuous batching", minimum=8)] = 1_024
