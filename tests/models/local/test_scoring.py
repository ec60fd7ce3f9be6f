import pytest

from models.local.adapters import identify
from models.local.wire import Row
from tests.tiny_model import make_adapter, make_model, needs_llm

ROWS = [Row(1, [5, 6, 7, 8], targets=[[9], [10, 11], [300]]), Row(2, [12], targets=[[9, 400, 13]])]


def expected(model, row):
    """Read each sequence alone, from the logits of the whole model in float64."""
    import torch

    found = []
    for target in row.targets:
        with torch.no_grad():
            logits = model(torch.tensor([row.tokens + target])).logits[0].double()
        places = torch.arange(len(row.tokens) - 1, len(row.tokens) + len(target) - 1)
        found.append(logits.log_softmax(-1)[places, torch.tensor(target)].tolist())
    return found


@pytest.fixture
def loaded(tmp_path):
    from models.local.loaded_model import LoadedModel

    return LoadedModel(make_model(tmp_path / "tiny"), "cpu")


def check(loaded):
    from models.local.scoring import score_rows

    scored = score_rows(loaded, ROWS, batch_tokens=64)
    for row, scores in zip(ROWS, scored, strict=True):
        for logprobs, wanted in zip(scores, expected(loaded.model, row), strict=True):
            assert logprobs == pytest.approx(wanted, abs=1e-3)
    return scored


@needs_llm
def test_targets_are_scored_as_the_whole_model_would(loaded):
    check(loaded)


@needs_llm
def test_a_bias_of_the_output_embedding_counts(loaded):
    import torch

    head = loaded.model.get_output_embeddings()
    before = check(loaded)
    head.bias = torch.nn.Parameter(torch.linspace(-3, 3, len(head.weight)))
    assert check(loaded) != before


@needs_llm
def test_an_adapter_on_the_output_embedding_is_heard(loaded, tmp_path):
    import torch
    from peft import LoraConfig, get_peft_model

    before = check(loaded)
    other = get_peft_model(
        type(loaded.model)(loaded.model.config), LoraConfig(r=4, target_modules=["lm_head"], task_type="CAUSAL_LM")
    )
    for name, weights in other.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weights, std=0.3)
    other.save_pretrained(tmp_path / "adapter", save_embedding_layers=False)
    identity = identify(tmp_path / "adapter")
    loaded.load_adapter(identity, str(tmp_path / "adapter"))
    assert loaded.use_adapter(identity) is None
    spoken = check(loaded)
    assert spoken != before


@needs_llm
def test_an_adapter_whose_files_are_no_longer_those_it_is_named_after_speaks_for_nobody(loaded, tmp_path):
    make_adapter(tmp_path / "tiny", tmp_path / "adapter", seed=1)
    identity = identify(tmp_path / "adapter")
    make_adapter(tmp_path / "tiny", tmp_path / "adapter", seed=2)
    loaded.load_adapter(identity, str(tmp_path / "adapter"))
    assert "its files changed while it was loaded" in loaded.use_adapter(identity)
    now = identify(tmp_path / "adapter")
    loaded.load_adapter(now, str(tmp_path / "adapter"))
    assert loaded.use_adapter(now) is None


@needs_llm
def test_a_model_that_caps_its_logits_fails_its_rows_for_good_and_lives_on(loaded):
    from models.local.together import Together

    said = []
    together = Together(loaded, 64, said.append, frozenset)
    loaded.model.config.final_logit_softcapping = 30.0
    together.do(ROWS)
    assert [(one.number, one.lasting) for one in said] == [(1, True), (2, True)]
    assert all("cap their logits" in one.error for one in said)
