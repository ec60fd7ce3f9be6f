"""Which adapters a model's process has loaded, and what to tell it so that it has those that are wanted."""

from collections.abc import Set as AbstractSet

from models.local.adapters import Adapter, AdapterFolders
from models.local.folder import LocalModelError
from models.local.wire import Load, Unload


class HeldAdapters:
    """Loads an adapter with its first row, and drops it when its folder goes or changes.

    Args:
        folders: Where adapters are.
    """

    def __init__(self, folders: AdapterFolders) -> None:
        self._folders = folders
        self._held: dict[str, Adapter] = {}

    def orders(self, adapter: Adapter | None, wanted: AbstractSet[Adapter]) -> list[Load | Unload]:
        """Return what to tell the process before rows of this adapter.

        Args:
            adapter: Of the rows that follow; None for the model as it is.
            wanted: Adapters that rows are for which are not done.
        """
        gone = [held for held in self._held.values() if held not in wanted and not self._current(held)]
        for held in gone:
            del self._held[held.identity]
        found: list[Load | Unload] = [Unload(held.identity) for held in gone]
        if adapter and adapter.identity not in self._held:
            self._held[adapter.identity] = adapter
            found.append(Load(adapter.identity, str(adapter.folder)))
        return found

    def forget(self) -> None:
        """The process is gone, and all it held."""
        self._held.clear()

    @property
    def loaded(self) -> frozenset[str]:
        """Identities."""
        return frozenset(self._held)

    def _current(self, held: Adapter) -> bool:
        try:
            return self._folders.find(held.name).identity == held.identity
        except LocalModelError:
            return False
