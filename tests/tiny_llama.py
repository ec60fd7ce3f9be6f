"""A llama-shaped model of a few thousand weights that says one sentence: made by tests, for the llm environment."""

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

TEMPLATE = (
    "{% for message in messages %}<|{{ message.role }}|> {{ message.content }} {% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
SPECIAL = ["<unk>", "<eos>", "<|system|>", "<|user|>", "<|assistant|>"]


def save_tiny_llama(folder: Path, words: Sequence[str], *, stops: bool = True) -> Path:
    """Save a model that answers everything with the same words, and its tokenizer.

    Its layers add nothing and its embeddings are the unit vectors, so that the last token alone says the next: a
    row of the output matrix holds, for each token, whom it follows.

    Args:
        folder: Where to; its name is the model's.
        words: What it says; no word twice.
        stops: Whether it ends then; otherwise it begins again, for ever.
    """
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    vocabulary = [*SPECIAL, *words]
    size = 8 * (-(-len(vocabulary) // 8))
    config = LlamaConfig(
        vocab_size=size,
        hidden_size=size,
        intermediate_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        max_position_embeddings=2_048,
        eos_token_id=1,
        bos_token_id=None,
        pad_token_id=1,
        tie_word_embeddings=False,
    )
    torch.manual_seed(0)
    model = LlamaForCausalLM(config)
    chain = ["<|assistant|>", *words, "<eos>" if stops else words[0]]
    with torch.no_grad():
        model.model.embed_tokens.weight.copy_(torch.eye(size))
        model.lm_head.weight.zero_()
        for before, after in pairwise(chain):
            model.lm_head.weight[vocabulary.index(after), vocabulary.index(before)] = 1.0
        for layer in model.model.layers:
            layer.self_attn.o_proj.weight.zero_()
            layer.mlp.down_proj.weight.zero_()
    model.save_pretrained(folder)
    tokenizer = Tokenizer(models.WordLevel({word: index for index, word in enumerate(vocabulary)}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, unk_token="<unk>", eos_token="<eos>", pad_token="<eos>", chat_template=TEMPLATE
    ).save_pretrained(folder)
    return folder
