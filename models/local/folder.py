"""A folder with a language model: what it must hold, what it is called, what it can take.

Errors:
    LocalModelError(ValueError): a local model cannot be used; says what to do
"""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SAMPLES = 64
SAMPLE_BYTES = 65_536
TEXT_FILES = (
    "config.json",
    "generation_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "chat_template.jinja",
)
"""What decides, beside the weights, what a model says."""


class LocalModelError(ValueError):
    """A local model that cannot be used, in one line with what to do."""


@dataclass(frozen=True, slots=True)
class ModelFolder:
    """A folder that holds all that is needed.

    Args:
        path: Where.
        identity: Hash of its content, see ``identify``.
        template: The chat template.
        special: Texts of special tokens that templates use: bos_token, eos_token, ...
        vocabulary: Tokens the model knows.
        context: Tokens of prompt and text together; None where it does not say.
    """

    path: Path
    identity: str
    template: str
    special: dict[str, str]
    vocabulary: int
    context: int | None

    @property
    def name(self) -> str:
        """What the ledger calls it: the folder's name and its identity."""
        return f"{self.path.name}@{self.identity}"


def read_folder(path: Path) -> ModelFolder:
    """Check a folder and read what its owner needs to know; loads no weights.

    Args:
        path: A folder in the layout of transformers: config.json, tokenizer.json, a chat template, *.safetensors.

    Raises:
        LocalModelError: If something is missing, or the weights are pickled.
    """
    path = path.expanduser().resolve()
    if not path.is_dir():
        raise LocalModelError(f"{path}: no such folder; name one that holds a model (config.json, *.safetensors)")
    config = _read_json(path / "config.json", "copy the model's config.json into it")
    weights = sorted(path.glob("*.safetensors"))
    if not weights:
        raise LocalModelError(
            f"{path}: no *.safetensors; pickled weights (*.bin, *.pt) run code when they are read and are not taken: "
            "save the model with save_pretrained"
        )
    _read_json(path / "tokenizer.json", "save the tokenizer with AutoTokenizer.from_pretrained(...).save_pretrained")
    settings = _read_json(path / "tokenizer_config.json", "copy the model's tokenizer_config.json into it")
    text = config.get("text_config", config)
    vocabulary = text.get("vocab_size")
    if not isinstance(vocabulary, int):
        raise LocalModelError(f"{path / 'config.json'}: no vocab_size; only language models can be used")
    return ModelFolder(
        path=path,
        identity=identify(path),
        template=_template(path, settings),
        special=_special(settings),
        vocabulary=vocabulary,
        context=text.get("max_position_embeddings"),
    )


def identify(path: Path) -> str:
    """Return 12 hex digits of a model's content.

    Of the small files every byte counts. Of every weights file: name, size, the header with all names and shapes, and
    64 samples of 64 KiB spread evenly over it: milliseconds instead of seconds a gigabyte. Another training changes
    weights everywhere, so another model has another identity; a single byte changed by hand may go unseen.

    Raises:
        OSError: If a file cannot be read.
    """
    found = hashlib.sha256()
    for file in [path / name for name in TEXT_FILES] + sorted(path.glob("*.safetensors")):
        if file.exists():
            found.update(f"{file.name}\0{file.stat().st_size}\0".encode())
            for block in _blocks(file) if file.suffix == ".safetensors" else [file.read_bytes()]:
                found.update(block)
    return found.hexdigest()[:12]


def _blocks(file: Path) -> Iterator[bytes]:
    size = file.stat().st_size
    with file.open("rb") as weights:
        header = int.from_bytes(weights.read(8), "little")
        yield weights.read(min(header, size))
        start = weights.tell()
        stride = max(SAMPLE_BYTES, (size - start) // SAMPLES)
        for place in range(start, size, stride):
            weights.seek(place)
            yield weights.read(SAMPLE_BYTES)
        weights.seek(max(start, size - SAMPLE_BYTES))
        yield weights.read()


def _template(path: Path, settings: dict[str, Any]) -> str:
    file = path / "chat_template.jinja"
    if file.exists():
        return file.read_text(encoding="utf-8")
    found = settings.get("chat_template")
    if isinstance(found, list):  # several named ones
        found = next((each.get("template") for each in found if each.get("name") == "default"), None)
    if not isinstance(found, str):
        raise LocalModelError(
            f"{path}: no chat template; use an instruction-tuned model, or put its template into chat_template.jinja"
        )
    return found


def _special(settings: dict[str, Any]) -> dict[str, str]:
    found = {}
    for name in ("bos_token", "eos_token", "pad_token", "unk_token"):
        value = settings.get(name)
        text = value.get("content") if isinstance(value, dict) else value
        if isinstance(text, str):
            found[name] = text
    return found


def _read_json(path: Path, remedy: str) -> dict[str, Any]:
    try:
        found = json.loads(path.read_bytes())
    except FileNotFoundError:
        raise LocalModelError(f"{path.parent}: no {path.name}; {remedy}") from None
    except (OSError, ValueError) as error:
        raise LocalModelError(f"{path}: cannot be read ({error}); {remedy}") from error
    if not isinstance(found, dict):
        raise LocalModelError(f"{path}: holds no JSON object; {remedy}")
    return found
