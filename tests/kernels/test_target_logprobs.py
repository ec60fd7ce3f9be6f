import os
import subprocess
import sys
from importlib.util import find_spec

import pytest

from kernels import target_logprobs as kernel
from kernels.target_logprobs import BLOCK_TOKENS, CHUNK_TOKENS, SLICE_TOKENS, target_logprobs

INSTALL = "install the llm extra: make .venv-llm, then .venv-llm/bin/python -m pytest tests/kernels"
TOLERANCE = {"float32": 1e-4, "bfloat16": 1e-4, "float16": 1e-4}
"""Inputs are rounded before the reference sees them: what is left is the error of sums in float32."""

if find_spec("torch"):
    import torch
else:
    torch = None
needs_torch = pytest.mark.skipif(torch is None, reason=INSTALL)


@pytest.fixture(params=["torch", "triton"])
def device(request, monkeypatch):
    """Run a test on both paths; the device that takes that path is its value."""
    if torch is None:
        pytest.skip(INSTALL)
    if request.param == "torch":
        monkeypatch.delenv("TRITON_INTERPRET", raising=False)
        return "cpu"
    if find_spec("triton") is None:
        pytest.skip("triton is not installed; " + INSTALL)
    if torch.cuda.is_available():
        return "cuda"
    if os.environ.get("TRITON_INTERPRET") != "1":
        pytest.skip("no GPU here: set TRITON_INTERPRET=1 to run the kernel without one (make test-llm does)")
    return "cpu"


def made(rows, tokens, width, dtype="float32", device="cpu", seed=0):
    """Return hidden, weight and targets."""
    generator = torch.Generator().manual_seed(seed)
    hidden = torch.randn(rows, width, generator=generator).to(getattr(torch, dtype))
    weight = torch.randn(tokens, width, generator=generator).to(getattr(torch, dtype))
    targets = torch.randint(0, tokens, (rows,), generator=generator)
    return hidden.to(device), weight.to(device), targets.to(device)


def reference(hidden, weight, targets, bias=None):
    """From the formula, in float64, all logits at once."""
    logits = hidden.double().cpu() @ weight.double().cpu().T
    if bias is not None:
        logits = logits + bias.double().cpu()
    places = torch.arange(len(targets))
    return logits[places, targets.long().cpu()] - logits.exp().sum(dim=1).log()


def check(hidden, weight, targets, bias=None, tolerance=1e-4):
    got = target_logprobs(hidden, weight, targets, bias)
    assert got.dtype is torch.float32
    assert got.shape == targets.shape
    assert got.device == hidden.device
    torch.testing.assert_close(got.double().cpu(), reference(hidden, weight, targets, bias), atol=tolerance, rtol=0)
    return got


@pytest.mark.parametrize(
    ("rows", "tokens", "width"),
    [
        (1, 2, 1),
        (1, BLOCK_TOKENS, 64),
        (15, BLOCK_TOKENS + 1, 65),
        (16, SLICE_TOKENS, 31),
        (17, SLICE_TOKENS + 1, 33),
        (65, 3 * BLOCK_TOKENS - 1, 7),
        (2, CHUNK_TOKENS + 1, 5),
    ],
)
def test_it_equals_the_formula_at_shapes_that_fill_no_block(device, rows, tokens, width):
    check(*made(rows, tokens, width, device=device))


@pytest.mark.parametrize("dtype", TOLERANCE)
def test_it_equals_the_formula_in_every_dtype(device, dtype):
    check(*made(9, 300, 70, dtype, device), tolerance=TOLERANCE[dtype])


@pytest.mark.parametrize("dtype", TOLERANCE)
def test_a_bias_is_added_to_the_logits(device, dtype):
    hidden, weight, targets = made(5, SLICE_TOKENS + 100, 20, dtype, device)
    bias = torch.randn(len(weight)).to(weight)
    assert not torch.allclose(check(hidden, weight, targets, bias), target_logprobs(hidden, weight, targets))


def test_a_vocabulary_of_one_leaves_no_choice(device):
    assert check(*made(3, 1, 40, device=device)).tolist() == [0.0, 0.0, 0.0]


def test_no_rows_give_no_values(device):
    got = target_logprobs(*made(0, 5, 3, device=device))
    assert got.shape == (0,)
    assert got.dtype is torch.float32


@pytest.mark.parametrize("dtype", TOLERANCE)
def test_logits_of_hundreds_of_thousands_neither_overflow_nor_vanish(device, dtype):
    # 256 * 256 * 8 is beyond float16; float32 holds it to 0.03
    hidden = torch.full((2, 8), 256.0, device=device).to(getattr(torch, dtype))
    weight = torch.tensor([256.0, 255.0, -256.0, 256.0], device=device).to(hidden)[:, None].expand(4, 8)
    got = target_logprobs(hidden, weight, torch.tensor([0, 2], device=device))
    torch.testing.assert_close(got.cpu(), torch.tensor([-0.693, -2.0 * 256 * 256 * 8]), rtol=1e-6, atol=0.03)


def test_all_negative_logits_do_not_vanish(device):
    hidden = torch.tensor([[300.0]], device=device)
    weight = torch.full((SLICE_TOKENS + 1, 1), -1.0, device=device)
    got = target_logprobs(hidden, weight, torch.tensor([SLICE_TOKENS], device=device))
    torch.testing.assert_close(got.exp().cpu(), torch.tensor([1 / (SLICE_TOKENS + 1)]), rtol=1e-4, atol=0)


def test_a_bias_of_minus_infinity_forbids_tokens_even_a_whole_slice(device):
    hidden, weight, _ = made(2, SLICE_TOKENS + 3, 4, device=device)
    bias = torch.zeros(len(weight), device=device)
    bias[:SLICE_TOKENS] = -torch.inf
    got = target_logprobs(hidden, weight, torch.tensor([SLICE_TOKENS, 0], device=device), bias)
    left = target_logprobs(hidden[:1], weight[SLICE_TOKENS:], torch.tensor([0], device=device))
    torch.testing.assert_close(got[:1], left)
    assert got[1] == -torch.inf


def test_the_log_probabilities_of_all_tokens_add_up_to_one(device):
    hidden, weight, _ = made(1, SLICE_TOKENS + 70, 6, device=device)
    every = target_logprobs(hidden.expand(len(weight), -1), weight, torch.arange(len(weight), device=device))
    assert every.double().exp().sum().item() == pytest.approx(1, abs=1e-4)
    assert (every <= 0).all()


def test_tensors_with_gaps_are_read_right(device):
    hidden, weight, targets = made(6, 200, 22, device=device)
    check(hidden[::2, ::2], weight[:, ::2], targets[::2])
    check(hidden[:, 3:20], weight.T.contiguous().T[:, 3:20], targets.int())


def test_the_same_call_gives_the_same_bits(device):
    arguments = made(33, SLICE_TOKENS + 200, 48, "bfloat16", device)
    first = target_logprobs(*arguments)
    assert all(torch.equal(first, target_logprobs(*arguments)) for _ in range(3))


def test_what_is_no_number_stays_none(device):
    hidden, weight, targets = made(2, 9, 3, device=device)
    hidden[0, 0] = torch.nan
    got = target_logprobs(hidden, weight, targets)
    assert got.isnan().tolist() == [True, False]


def test_the_logits_of_all_tokens_are_never_in_memory_at_once(device):
    from torch.utils._python_dispatch import TorchDispatchMode

    class Largest(TorchDispatchMode):
        numbers = 0

        def __torch_dispatch__(self, called, types, args=(), kwargs=None):
            made = called(*args, **(kwargs or {}))
            if isinstance(made, torch.Tensor):
                self.numbers = max(self.numbers, made.numel())
            return made

    arguments = made(64, 3 * CHUNK_TOKENS, 4, device=device)
    with Largest() as largest:
        target_logprobs(*arguments)
    assert 0 < largest.numbers <= 64 * CHUNK_TOKENS


def test_both_paths_say_the_same(device, monkeypatch):
    hidden, weight, targets = made(20, 1_500, 50, "bfloat16", device)
    monkeypatch.setattr(kernel, "find_spec", lambda name: None)
    without_triton = target_logprobs(hidden, weight, targets)
    monkeypatch.undo()
    torch.testing.assert_close(target_logprobs(hidden, weight, targets), without_triton, atol=1e-4, rtol=0)


@needs_torch
@pytest.mark.parametrize(
    ("argument", "change", "told"),
    [
        ("hidden", lambda hidden: hidden[0], r"hidden: shape \(4,\), want \(N, D\)"),
        ("hidden", lambda hidden: hidden[:, :0], r"hidden: shape \(3, 0\), want \(N, D\)"),
        ("hidden", lambda hidden: hidden.double(), "hidden: torch.float64, want bfloat16"),
        ("weight", lambda weight: weight[:, :3], r"weight: shape \(5, 3\), want \(V, 4\)"),
        ("weight", lambda weight: weight[:0], r"weight: shape \(0, 4\), want"),
        ("weight", lambda weight: weight.half(), "weight: torch.float16, but hidden torch.float32"),
        ("weight", lambda weight: weight.to("meta"), "weight: on meta, but hidden on cpu"),
        ("targets", lambda targets: targets[:2], r"targets: shape \(2,\), want \(3,\)"),
        ("targets", lambda targets: targets[:, None], r"targets: shape \(3, 1\), want \(3,\)"),
        ("targets", lambda targets: targets.float(), "targets: torch.float32, want whole numbers"),
        ("targets", lambda targets: targets * 0 + 5, r"targets: 5 is not in \[0, 5\)"),
        ("targets", lambda targets: targets * 0 - 1, r"targets: -1 is not in \[0, 5\)"),
        ("bias", lambda _: torch.zeros(4), r"bias: shape \(4,\)"),
        ("bias", lambda _: torch.zeros(5, dtype=torch.long), "bias: .* want .* floating"),
    ],
)
def test_an_argument_that_does_not_fit_is_named(argument, change, told):
    arguments = dict(zip(("hidden", "weight", "targets"), made(3, 5, 4), strict=True), bias=None)
    arguments[argument] = change(arguments[argument])
    with pytest.raises(ValueError, match=told):
        target_logprobs(**arguments)


def test_importing_it_needs_neither_torch_nor_triton():
    program = "import sys; sys.modules.update(torch=None, triton=None); import kernels.target_logprobs"
    subprocess.run([sys.executable, "-c", program], check=True)
