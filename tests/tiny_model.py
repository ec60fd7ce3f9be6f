"""A language model of random weights, small enough to be made in a second; nothing is downloaded.

Weights need the llm extra: ``needs_llm`` skips a test where it is not installed. The folder of a model that is never
loaded needs nothing.
"""

import json
import random
from importlib.util import find_spec
from pathlib import Path

import pytest
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

WORDS = "the a dress shoe fits runs small large colour fades soft seam zip broke nice cheap wide tight of and is was it"
MARKS = ("<s>", "</s>", "<pad>", "<|system|>", "<|user|>", "<|assistant|>")
TEMPLATE = (
    "{{ bos_token }}{% for message in messages %}<|{{ message['role'] }}|>{{ message['content'] }}{{ eos_token }}"
    "{% endfor %}{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
NEEDED = ("torch", "transformers", "peft", "xgrammar")

needs_llm = pytest.mark.skipif(
    any(find_spec(name) is None for name in NEEDED),
    reason='needs the llm extra: run with the interpreter of "make .venv-llm"',
)


def make_tokenizer(folder: Path, vocabulary: int = 512) -> None:
    """Write a fast tokenizer that knows every byte, with a chat template."""
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=vocabulary, special_tokens=list(MARKS), initial_alphabet=alphabet)
    rng = random.Random(0)
    tokenizer.train_from_iterator([" ".join(rng.choices(WORDS.split(), k=12)) for _ in range(200)], trainer)
    tokenizer.save(str(folder / "tokenizer.json"))
    settings = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": MARKS[0],
        "eos_token": MARKS[1],
        "pad_token": MARKS[2],
        "chat_template": TEMPLATE,
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))


def make_folder(folder: Path, vocabulary: int = 512, context: int | None = 2_048) -> Path:
    """Write what a model's owner reads: its weights are noise, nothing can load it."""
    make_tokenizer(folder, vocabulary)
    config = {"model_type": "llama", "vocab_size": vocabulary, "max_position_embeddings": context}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "model.safetensors").write_bytes((2).to_bytes(8, "little") + b"{}" + random.Random(0).randbytes(2_000))
    return folder


def make_model(
    folder: Path, hidden: int = 64, layers: int = 2, vocabulary: int = 512, context: int = 2_048, seed: int = 0
) -> Path:
    """Write a llama-shaped model with its tokenizer.

    Args:
        folder: Made if it is not there.
        hidden: Width; a multiple of 16.
        layers: Depth.
        vocabulary: Tokens at most.
        context: Positions.
        seed: Of the weights; another seed is another model.
    """
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    make_tokenizer(folder, vocabulary)
    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=vocabulary,
        hidden_size=hidden,
        intermediate_size=2 * hidden,
        num_hidden_layers=layers,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=context,
        bos_token_id=0,
        eos_token_id=1,
        pad_token_id=2,
        initializer_range=0.3,  # random, and yet sure of its next word
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    return folder


def make_adapter(model: Path, folder: Path, seed: int) -> Path:
    """Write a LoRA adapter of random weights that changes what the model says."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    torch.manual_seed(seed)
    base = AutoModelForCausalLM.from_pretrained(model, local_files_only=True)
    config = LoraConfig(r=4, lora_alpha=16, target_modules=["q_proj", "v_proj"], task_type="CAUSAL_LM")
    adapted = get_peft_model(base, config)
    for name, weights in adapted.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weights, std=0.3)
    adapted.save_pretrained(folder)
    return folder
