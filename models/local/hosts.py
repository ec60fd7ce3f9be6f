"""Engines of one folder share one process: here they find it."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from models.local.adapters import AdapterFolders
from models.local.host import ModelHost, Patience
from models.local.wire import Open


@dataclass(slots=True, eq=False)
class _Shared:
    host: ModelHost
    users: int = 0


_Key = tuple[str, Open, Path | None, tuple[str, ...]]
_shared: dict[_Key, _Shared] = {}
"""A model is gigabytes: two engines of a folder that know nothing of each other must not load it twice."""


class LentHost:
    """A host for one engine; the last to close it ends its process."""

    def __init__(self, key: _Key, shared: _Shared) -> None:
        self._key = key
        self._shared: _Shared | None = shared
        self.host = shared.host
        shared.users += 1

    async def close(self) -> None:
        """Give it back; a second time does nothing."""
        shared, self._shared = self._shared, None
        if shared is None:
            return
        shared.users -= 1
        if shared.users == 0:
            if _shared.get(self._key) is shared:
                del _shared[self._key]
            await shared.host.close()


def lend_host(
    name: str,
    opening: Open,
    adapters: Path | None,
    linger_s: float,
    patience: Patience,
    command: Sequence[str],
) -> LentHost:
    """Return the host of a folder: the one that others use already, or a new one. Starts no process yet.

    Args:
        name: Of the model.
        opening: What its process loads; another folder, device or size is another process.
        adapters: Where adapters are.
        linger_s: Of the first engine; see ``ModelHost``.
        patience: Likewise.
        command: The program.
    """
    key = name, opening, adapters, tuple(command)
    if key not in _shared:
        _shared[key] = _Shared(ModelHost(name, opening, AdapterFolders(adapters), linger_s, patience, command))
    return LentHost(key, _shared[key])
