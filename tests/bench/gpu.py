"""``make bench-gpu``: what a GPU writes with models in a folder, and the kernel against torch; prints one JSON object.

Models are llama-shaped with random weights, made here: weights do not change speed. ``--device cpu --shapes tiny``
only tries the script. Liger's fused linear cross entropy is measured too where liger-kernel is installed.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

from kernels import target_logprobs as kernel
from models.local.process import environment
from tests.bench.gpu_writing import WAYS, write_prompts
from tests.bench.minilm import cpu_name
from tests.tiny_model import MARKS, TEMPLATE

LIBRARIES = ("torch", "triton", "transformers", "xgrammar", "liger-kernel")
ROWS = (16, 1_024)
"""Targets scored together: the choices of a few questions; all tokens of long answers."""
ROUNDS = 31


@dataclass(frozen=True)
class Shape:
    """A llama, see LlamaConfig; heads are 64 or 128 wide."""

    vocabulary: int
    hidden: int
    intermediate: int
    layers: int
    heads: int
    shared_heads: int


SHAPES = {
    "tiny": Shape(8_192, 64, 128, 2, 4, 2),
    "0.5B": Shape(151_936, 896, 4_864, 24, 14, 2),
    "3B": Shape(128_256, 3_072, 8_192, 28, 24, 8),
}


def make_model(folder: Path, shape: Shape, device: str) -> Path:
    """Write a model of random weights and a tokenizer that has learnt words from the prompts."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import LlamaConfig, LlamaForCausalLM

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=4_096, special_tokens=list(MARKS), initial_alphabet=alphabet)
    tokenizer.train_from_iterator((turn.content for turns, _ in write_prompts(64) for turn in turns), trainer)
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(folder / "tokenizer.json"))
    names = {"bos_token": MARKS[0], "eos_token": MARKS[1], "pad_token": MARKS[2], "chat_template": TEMPLATE}
    settings = {"tokenizer_class": "PreTrainedTokenizerFast", **names}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    config = LlamaConfig(
        vocab_size=shape.vocabulary,
        hidden_size=shape.hidden,
        intermediate_size=shape.intermediate,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        num_key_value_heads=shape.shared_heads,
        max_position_embeddings=8_192,
        tie_word_embeddings=True,
        **dict(zip(("bos_token_id", "eos_token_id", "pad_token_id"), range(3), strict=True)),
    )
    torch.manual_seed(0)
    with torch.device(device):
        LlamaForCausalLM(config).to(torch.bfloat16).save_pretrained(folder)
    return folder


def measure_writing(folder: Path, options: argparse.Namespace) -> dict:
    figures = {}
    for way in WAYS:
        tell(f"{folder.name}, {way}")
        asked = {
            "--device": options.device,
            "--texts": options.texts,
            "--rounds": options.rounds,
            "--batch-tokens": options.batch_tokens,
            "--cache-blocks": options.cache_blocks,
        }
        command = [sys.executable, "-m", "tests.bench.gpu_writing", str(folder), way]
        command += [str(each) for pair in asked.items() for each in pair]
        ran = subprocess.run(command, stdout=subprocess.PIPE, text=True, env=environment(os.environ))
        if ran.returncode:
            raise SystemExit(f"{folder.name}, {way}: ended with status {ran.returncode}; its last lines are above")
        found = json.loads(ran.stdout.splitlines()[-1])
        found["reviews_per_s"] = round(found["texts_per_s"] * 1_000 / options.calls_per_1000, 2)
        figures |= {f"{folder.name}_{way}_{name}": value for name, value in found.items()}
    return figures


def measure_kernel(name: str, shape: Shape, device: str) -> dict:
    """Return milliseconds and MiB beside the inputs of every way to score targets, medians of rounds in turns."""
    import torch

    figures = {}
    for rows in ROWS:
        tell(f"{name}, {rows} targets")
        generator = torch.Generator(device).manual_seed(0)
        made = {"device": device, "dtype": torch.bfloat16, "generator": generator}
        hidden = torch.randn(rows, shape.hidden, **made)
        weight = torch.randn(shape.vocabulary, shape.hidden, **made) * 0.02
        targets = torch.randint(0, shape.vocabulary, (rows,), device=device, generator=generator)
        ways = {way: lambda score=score: score(hidden, weight, targets) for way, score in scorers(device).items()}  # noqa: B023
        exact = ways["all_logits"]()
        for way, score in ways.items():
            torch.testing.assert_close(score(), exact, atol=0.1, rtol=0, msg=f"{way} says something else")
        turns = [{way: seconds(score, device) for way, score in ways.items()} for _ in range(ROUNDS)]
        for way, score in ways.items():
            label = f"{name}_{rows}_targets_{way}"
            figures[f"{label}_ms"] = round(statistics.median(turn[way] for turn in turns) * 1_000, 3)
            figures[f"{label}_mib"] = memory(score) if device == "cuda" else None
    return figures


def scorers(device: str) -> dict[str, Callable]:
    found = {"all_logits": all_logits, "torch_blocks": lambda *inputs: kernel._by_torch(*inputs, None)}
    if device == "cuda" and find_spec("triton"):
        found["kernel"] = kernel.target_logprobs
    if device == "cuda" and find_spec("liger_kernel"):
        found["liger"] = liger
    return found


def all_logits(hidden, weight, targets):
    """Score the usual way, ``(N, V)`` logits in memory."""
    return (hidden @ weight.T).float().log_softmax(dim=-1).gather(1, targets[:, None])[:, 0]


def liger(hidden, weight, targets):
    from liger_kernel.transformers.functional import liger_fused_linear_cross_entropy

    return -liger_fused_linear_cross_entropy(hidden, weight, targets, reduction="none").float()


def seconds(call: Callable, device: str) -> float:
    import torch

    wait = torch.cuda.synchronize if device == "cuda" else lambda: None
    wait()
    started = time.perf_counter()
    call()
    wait()
    return time.perf_counter() - started


def memory(call: Callable) -> float:
    import torch

    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    call()
    return round((torch.cuda.max_memory_allocated() - before) / 2**20, 1)


def require(device: str) -> None:
    """End with one line where nothing can be measured."""
    if find_spec("torch") is None or find_spec("transformers") is None:
        raise SystemExit("bench-gpu needs the llm extra, not installed here; run it with: make bench-gpu")
    import torch

    if device == "cuda" and not torch.cuda.is_available():
        raise SystemExit(f"bench-gpu needs a CUDA GPU; torch {torch.__version__} finds none here. Nothing was measured")


def report(options: argparse.Namespace) -> dict:
    import torch

    figures = {}
    with tempfile.TemporaryDirectory() as made, torch.inference_mode():
        for name in options.shapes:
            figures |= measure_kernel(name, SHAPES[name], options.device)
            folder = make_model(Path(made) / name, SHAPES[name], options.device)
            if options.device == "cuda":
                torch.cuda.empty_cache()
            figures |= measure_writing(folder, options)
    gpu = torch.cuda.get_device_name() if options.device == "cuda" else "no GPU"
    return {
        "name": "gpu",
        "machine": f"{gpu}, {cpu_name()}",
        "versions": {"python": platform.python_version()} | {name: found(name) for name in LIBRARIES},
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
        "input": (
            f"{options.texts} summaries of 1 to 8 made-up points, random weights, batch_tokens {options.batch_tokens}, "
            f"cache_blocks {options.cache_blocks}, {options.calls_per_1000:g} texts per 1,000 reviews, "
            f"medians of {options.rounds} (kernel: {ROUNDS})"
        ),
        "figures": figures,
    }


def found(library: str) -> str | None:
    try:
        return version(library)
    except PackageNotFoundError:
        return None


def tell(line: str) -> None:
    print(f"measuring: {line}", file=sys.stderr, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(prog="tests.bench.gpu")
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda", help="cpu only tries the script")
    parser.add_argument("--shapes", nargs="+", choices=SHAPES, default=["0.5B", "3B"])
    parser.add_argument("--texts", type=int, default=64, help="summaries written a round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--batch-tokens", type=int, default=8_192, help="as local.batch_tokens")
    parser.add_argument("--cache-blocks", type=int, default=1_024, help="as local.cache_blocks")
    parser.add_argument(
        "--calls-per-1000", type=float, default=1_000, help="texts per 1,000 reviews, as `millrace bench writers` says"
    )
    options = parser.parse_args()
    require(options.device)
    print(json.dumps(report(options)))


if __name__ == "__main__":
    main()
