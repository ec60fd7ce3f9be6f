"""LoRA adapters in folders: which there are, and whether one has changed."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from models.local.folder import LocalModelError

FILES = ("adapter_config.json", "adapter_model.safetensors")


@dataclass(frozen=True, slots=True)
class Adapter:
    """One adapter as it is on disk now.

    Args:
        name: Its folder's.
        folder: Where.
        identity: First 12 hex digits of the hash of both its files, every byte.
    """

    name: str
    folder: Path
    identity: str


class AdapterFolders:
    """The folder of all adapters; looked at again whenever one is asked for.

    Args:
        path: Holds one folder an adapter; None where there are none.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path.expanduser().resolve() if path else None
        self._seen: dict[str, tuple[tuple[tuple[int, int], ...], str]] = {}

    def find(self, name: str) -> Adapter:
        """Return an adapter as it is now; its files are read again only when size or time changed.

        Raises:
            LocalModelError: If there is none of that name.
        """
        if self._path is None:
            raise LocalModelError(f"adapter {name}: no folder of adapters is set; set local.adapters")
        if not name or Path(name).name != name:
            raise LocalModelError(f"adapter {name!r}: no name of a folder in {self._path}")
        folder = self._path / name
        try:
            stamps = tuple((file.stat().st_size, file.stat().st_mtime_ns) for file in _files(folder))
            seen = self._seen.get(name)
            if seen is None or seen[0] != stamps:
                self._seen[name] = seen = stamps, identify(folder)
        except FileNotFoundError:
            self._seen.pop(name, None)
            raise LocalModelError(
                f"adapter {name}: {folder} does not hold {' and '.join(FILES)}; put them there (no pickled weights)"
            ) from None
        return Adapter(name, folder, seen[1])


def _files(folder: Path) -> list[Path]:
    return [folder / name for name in FILES]


def identify(folder: Path) -> str:
    """Return the identity of the adapter in a folder, as its files are now.

    Raises:
        OSError: If one of them cannot be read.
    """
    found = hashlib.sha256()
    for file in _files(folder):
        content = file.read_bytes()
        found.update(f"{file.name}\0{len(content)}\0".encode())
        found.update(content)
    return found.hexdigest()[:12]
