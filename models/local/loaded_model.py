"""In the model's process: load a folder with transformers, and switch its adapters."""

import importlib.metadata
from collections.abc import Callable
from pathlib import Path
from typing import Any

from models.local.adapters import identify
from models.local.folder import LocalModelError

LIBRARIES = ("torch", "transformers", "peft", "xgrammar")


class LoadedModel:
    """A causal language model with its tokenizer.

    Args:
        folder: Where; nothing is fetched from anywhere else, and no code of the folder is run.
        device: auto, cpu or cuda.

    Raises:
        LocalModelError: If it cannot be loaded.
    """

    def __init__(self, folder: Path, device: str) -> None:
        try:
            import torch
            from transformers import GenerationConfig
        except ImportError as error:
            raise LocalModelError(f"{error}; install the llm extra: pip install 'millrace[llm]'") from error
        self.device = _device(torch, device)
        if self.device == "cpu":
            torch.set_num_threads(1)
        self.tokenizer, model = _load(folder, torch.float32 if self.device == "cpu" else "auto")
        self.model = model.to(self.device).eval()
        self.stops = _stops(model.generation_config, self.tokenizer)
        added = self.tokenizer.added_tokens_decoder
        self.marks = sorted({place for place, token in added.items() if token.special} - self.stops)
        padding = self.tokenizer.pad_token_id
        self.padding: int = padding if padding is not None else min(self.stops, default=0)
        # a folder's own sampling defaults would be mixed into every request
        model.generation_config = GenerationConfig(eos_token_id=sorted(self.stops) or None, pad_token_id=self.padding)
        self.vocabulary: int = model.get_output_embeddings().weight.shape[0]
        self._attention = model.config._attn_implementation
        self._peft: Any | None = None  # puts adapters into the model's own layers, from the first one on
        self._loaded: set[str] = set()
        self._wrong: dict[str, str] = {}

    @property
    def versions(self) -> dict[str, str]:
        """What it runs on."""
        return {name: importlib.metadata.version(name) for name in LIBRARIES}

    @property
    def adapters(self) -> list[str]:
        """Identities of the loaded ones."""
        return sorted(self._loaded)

    def use_plain_attention(self) -> None:
        """Undo what continuous batching does to the attention layers."""
        self.model.set_attn_implementation(self._attention)

    def load_adapter(self, adapter: str, folder: str) -> None:
        """Load one; if that fails, ``use_adapter`` says why."""
        from peft import PeftConfig, get_peft_model

        name = _name(adapter)
        try:
            if self._peft is None:
                config = PeftConfig.from_pretrained(folder)
                self._peft = get_peft_model(self.model, config, adapter_name=name)
            told = self._peft.load_adapter(folder, adapter_name=name)
            self._peft.eval()  # new layers train, and drop out, until told otherwise
            if odd := [*told.unexpected_keys, *told.missing_keys]:
                raise ValueError(f"its weights are not for this model: {odd[0]}")
            if identify(Path(folder)) != adapter:  # what it says would be filed under the name of the one before
                raise ValueError("its files changed while it was loaded; it is loaded again with the next request")
        except Exception as error:  # noqa: BLE001 - what somebody drops into a folder must not end the model for all
            self._wrong[adapter] = f"adapter in {folder} cannot be loaded ({_first_line(error)})"
            self._drop(name)
            return
        self._loaded.add(adapter)

    def unload_adapter(self, adapter: str) -> None:
        """Free one; nothing if it is not loaded."""
        self._wrong.pop(adapter, None)
        if adapter in self._loaded:
            self._loaded.discard(adapter)
            self._drop(_name(adapter))

    def use_adapter(self, adapter: str | None) -> str | None:
        """Make the model speak with this adapter, or with none; returns why it cannot."""
        if adapter is None:
            if self._peft is not None:
                self._peft.base_model.disable_adapter_layers()
            return None
        if self._peft is None or adapter not in self._loaded:
            return self._wrong.get(adapter, f"adapter {adapter} was not loaded")
        self._peft.base_model.enable_adapter_layers()
        self._peft.set_adapter(_name(adapter))
        return None

    def _drop(self, name: str) -> None:
        if self._peft is not None and name in self._peft.peft_config:
            self._peft.delete_adapter(name)

    @property
    def clear_memory(self) -> Callable[[], None]:
        """What gives memory of a failed batch back to the GPU."""
        import torch

        free: Callable[[], None] = torch.cuda.empty_cache
        return free


def _device(torch: Any, wanted: str) -> str:
    found = torch.cuda.is_available()
    if wanted == "cuda" and not found:
        raise LocalModelError("local.device is cuda, but torch finds no GPU here; set it to auto or cpu")
    return "cuda" if wanted != "cpu" and found else "cpu"


def _load(folder: Path, precision: Any) -> tuple[Any, Any]:
    """Return tokenizer and model, whole or not at all."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    local: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, **local)
        model, told = AutoModelForCausalLM.from_pretrained(
            folder, dtype=precision, use_safetensors=True, output_loading_info=True, **local
        )
    except Exception as error:
        raise LocalModelError(f"{folder}: cannot be loaded ({_first_line(error)})") from error
    if missing := sorted(told["missing_keys"]):  # they would be random, and nobody would know
        raise LocalModelError(f"{folder}: {len(missing)} weights are missing, {missing[0]} first; copy it again")
    return tokenizer, model


def _stops(settings: Any, tokenizer: Any) -> frozenset[int]:
    found = settings.eos_token_id
    listed = found if isinstance(found, list) else [found]
    return frozenset(token for token in [*listed, tokenizer.eos_token_id] if token is not None)


def _name(adapter: str) -> str:
    return f"adapter_{adapter}"


def _first_line(error: Exception) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__)
