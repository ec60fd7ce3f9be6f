from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec

import numpy as np
import onnx
import pytest

from models.minilm import minilm, runtimes
from models.minilm.files import ModelFiles
from models.minilm.minilm import MiniLM, identity
from models.minilm.standard_graph import build_standard
from models.minilm.tokens import Tokens
from models.minilm.weights import Weights
from tests.models.minilm.reference import Reference

TEXTS = [
    "The battery lasts two days, but the strap broke after a week.",
    "",
    "refund",
    "Große Freude: Ünïcode, 漢字と仮名, смелость, 😀 — all in one text",
    "How do I reset the device? Hold the power button for ten seconds. " * 40,  # 600 tokens, 256 are read
    "a  b\tc\nd" * 9,
    "it is not what the picture shows, and the seller answers no letters",
    "0 1.5 -3e9 $12.99 #4 @you",
]
LEAST_COSINE = {"fp32": 0.999999, "int8": 0.975, "bf16": 0.999}
HAS_OPENVINO = find_spec("openvino") is not None
PRECISIONS = ["fp32", "int8", *(["bf16"] if HAS_OPENVINO else [])]


@pytest.fixture(scope="session")
def graphs(tmp_path_factory):
    return tmp_path_factory.mktemp("minilm")


@pytest.fixture(scope="session", params=PRECISIONS)
def precision(request):
    return request.param


@pytest.fixture(scope="session")
def model(graphs, precision):
    return MiniLM.load(graphs, precision)


@pytest.fixture(scope="session")
def expected():
    files = ModelFiles.find()
    reference = Reference(files.read_weights())
    rows = Tokens(files.read_tokenizer()).encode_truncated(TEXTS)
    return np.array([reference.embed(row) for row in rows])


def test_vectors_are_those_of_the_reference(model, precision, expected):
    found = model.embed(TEXTS)
    assert ((found * expected).sum(axis=1) >= LEAST_COSINE[precision]).all()


def test_the_standard_graph_computes_the_same(tmp_path, expected):
    files = ModelFiles.find()
    built = build_standard(Weights.read(files.read_weights()))
    onnx.checker.check_model(built, full_check=True)
    assert {node.domain for node in built.graph.node} == {""}
    onnx.save(built, tmp_path / "standard.onnx")
    run = runtimes.open_onnxruntime(tmp_path / "standard.onnx")
    found = MiniLM("standard", Tokens(files.read_tokenizer()), run, 4096).embed(TEXTS)  # all eight padded together
    assert ((found * expected).sum(axis=1) >= LEAST_COSINE["fp32"]).all()


def test_every_vector_is_float32_of_length_one(model):
    found = model.embed(TEXTS)
    assert (found.shape, found.dtype, model.dimensions) == ((len(TEXTS), 384), np.float32, 384)
    assert np.abs(np.linalg.norm(found, axis=1) - 1).max() < 1e-6


def test_no_texts_have_no_vectors(model):
    found = model.embed([])
    assert (found.shape, found.dtype) == ((0, 384), np.float32)


def test_a_text_has_its_vector_whatever_it_is_embedded_with(model):
    alone = np.concatenate([model.embed([text]) for text in TEXTS])
    together = model.embed([*TEXTS, *["filler " * count for count in range(60)], *TEXTS[::-1]])
    assert np.abs(alone - together[: len(TEXTS)]).max() < 1e-6
    assert np.abs(alone - together[-len(TEXTS) :][::-1]).max() < 1e-6


def test_padding_in_one_batch_moves_no_vector(graphs):
    model = MiniLM.load(graphs, "fp32")
    one_batch = MiniLM("", model._tokens, model._run, 1_000_000)
    assert np.abs(one_batch.embed(TEXTS) - model.embed(TEXTS)).max() < 1e-6


def test_threads_may_share_a_model(model):
    want = model.embed(TEXTS)
    with ThreadPoolExecutor(4) as pool:
        for found in pool.map(lambda _: model.embed(TEXTS), range(8)):
            assert np.abs(found - want).max() < 1e-6


def test_tokens_are_counted_beyond_what_is_read(model):
    assert model.count_tokens(["", "hello world", "one " * 300]) == [2, 4, 302]


def test_the_identity_tells_precisions_and_graph_versions_apart(model, precision, monkeypatch):
    names = {identity(each) for each in ("fp32", "bf16", "int8")}
    assert len(names) == 3
    assert model.identity == identity(precision)
    monkeypatch.setattr(minilm, "GRAPH_VERSION", minilm.GRAPH_VERSION + 1)
    assert identity(precision) not in names


def test_a_damaged_graph_is_built_again(tmp_path):
    want = MiniLM.load(tmp_path, "int8").embed(TEXTS[:1])
    [path] = tmp_path.glob("*.onnx")
    whole = path.read_bytes()
    path.write_bytes(whole[:-1_000_000] + bytes(1_000_000))
    assert (MiniLM.load(tmp_path, "int8").embed(TEXTS[:1]) == want).all()
    assert path.read_bytes() == whole


def test_a_second_load_does_not_build(graphs, model, precision, monkeypatch):
    monkeypatch.setattr(ModelFiles, "read_weights", lambda files: pytest.fail("built although it was there"))
    assert MiniLM.load(graphs, precision).identity == model.identity
