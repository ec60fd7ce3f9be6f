import json
from pathlib import Path

import pytest

from models.local.folder import SAMPLE_BYTES, LocalModelError, identify, read_folder
from tests.tiny_model import make_folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return make_folder(tmp_path / "tiny")


def test_a_whole_folder_says_what_its_owner_needs(folder):
    found = read_folder(folder)
    assert (found.name, found.vocabulary, found.context) == (f"tiny@{identify(folder)}", 512, 2_048)
    assert found.special == {"bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>"}
    assert "<|assistant|>" in found.template


@pytest.mark.parametrize(
    ("missing", "why"),
    [
        ("config.json", "no config.json; copy the model's"),
        ("tokenizer.json", "no tokenizer.json; save the tokenizer with"),
        ("tokenizer_config.json", "no tokenizer_config.json; copy"),
        ("model.safetensors", r"no \*\.safetensors; pickled weights .* are not taken: save the model with"),
    ],
)
def test_what_is_missing_is_named_with_what_to_do(folder, missing, why):
    (folder / missing).unlink()
    with pytest.raises(LocalModelError, match=why) as raised:
        read_folder(folder)
    assert "\n" not in str(raised.value)


def test_a_folder_that_is_not_there_is_named(tmp_path):
    with pytest.raises(LocalModelError, match="no such folder; name one"):
        read_folder(tmp_path / "nowhere")


def test_pickled_weights_are_no_weights(folder):
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(LocalModelError, match="pickled weights"):
        read_folder(folder)


def change(path: Path, **values) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def test_a_model_without_chat_template_is_refused(folder):
    change(folder / "tokenizer_config.json", chat_template=None)
    with pytest.raises(LocalModelError, match="no chat template; use an instruction-tuned model"):
        read_folder(folder)


def test_the_template_may_be_a_file_or_one_of_several(folder):
    change(folder / "tokenizer_config.json", chat_template=[{"name": "default", "template": "one of several"}])
    assert read_folder(folder).template == "one of several"
    (folder / "chat_template.jinja").write_text("a file")
    assert read_folder(folder).template == "a file"


@pytest.mark.parametrize(("content", "why"), [("{", "cannot be read"), ("[]", "holds no JSON object")])
def test_a_broken_file_is_named(folder, content, why):
    (folder / "config.json").write_text(content)
    with pytest.raises(LocalModelError, match=rf"config\.json: {why}"):
        read_folder(folder)


def test_what_is_no_language_model_is_refused(folder):
    change(folder / "config.json", vocab_size=None)
    with pytest.raises(LocalModelError, match="no vocab_size"):
        read_folder(folder)


def test_sizes_of_a_model_with_more_than_text_are_those_of_its_text(folder):
    (folder / "config.json").write_text('{"text_config": {"vocab_size": 7, "max_position_embeddings": 9}}')
    found = read_folder(folder)
    assert (found.vocabulary, found.context) == (7, 9)


@pytest.mark.parametrize("name", ["config.json", "tokenizer.json", "tokenizer_config.json"])
def test_another_byte_in_a_small_file_is_another_model(folder, name):
    before = identify(folder)
    (folder / name).write_text((folder / name).read_text() + " ")
    assert identify(folder) != before


def test_other_weights_of_the_same_size_are_another_model(folder):
    size = 200 * SAMPLE_BYTES
    (folder / "model.safetensors").write_bytes((2).to_bytes(8, "little") + b"{}" + bytes(size))
    before = identify(folder)
    (folder / "model.safetensors").write_bytes((2).to_bytes(8, "little") + b"{}" + b"\1" * size)
    assert identify(folder) != before
    (folder / "model.safetensors").write_bytes((2).to_bytes(8, "little") + b"{}" + bytes(size - 1) + b"\1")
    assert identify(folder) != before


def test_a_copy_elsewhere_is_the_same_model(folder, tmp_path):
    folder.rename(tmp_path / "moved")
    assert identify(tmp_path / "moved") == identify(make_folder(tmp_path / "again"))
