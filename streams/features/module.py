"""Load the user's module of feature definitions: what stands at its top level, found by type."""

import importlib
import sys
import traceback
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Protocol, TypeVar

from infra.settings import Settings
from processors.features.definitions.faults import Place, WrongDefinition
from processors.features.definitions.serving import FeatureSpec
from processors.features.definitions.synced import SyncedTable
from processors.features.definitions.tables import FeatureTable
from streams.unusable import Unusable


class Named(Protocol):
    """Anything that can be defined."""

    @property
    def name(self) -> str:
        """Under which it is kept or served."""
        ...

    @property
    def place(self) -> Place:
        """Where it was written."""
        ...


Kind = TypeVar("Kind", bound=Named)


@dataclass(frozen=True, slots=True)
class FeatureModule:
    """What a user's module defines, by name and in the order it stands there.

    Args:
        tables: Kept from the stream.
        synced: Kept in sync with a table or file elsewhere.
        specs: Served.
    """

    tables: dict[str, FeatureTable]
    synced: dict[str, SyncedTable]
    specs: dict[str, FeatureSpec]


def load_features(settings: Settings) -> FeatureModule:
    """Import the module that ``features.module`` names, from the folder the command runs in or from what is installed.

    Raises:
        Unusable: If none is named, it is not there, it fails, two of its objects have one name, or a spec looks up
            what no table has.
    """
    if not settings.features.module:
        remedy = 'Name yours in millrace.toml: [features] module = "shop.features", or in MILLRACE_FEATURES_MODULE.'
        raise Unusable("no module of feature definitions is named", remedy)
    found = list(vars(_imported(settings.features.module)).values())
    tables, synced = _named(found, FeatureTable, "feature tables"), _named(found, SyncedTable, "feature tables")
    for name in tables.keys() & synced.keys():
        raise _twice("feature tables", tables[name], synced[name])
    specs = _named(found, FeatureSpec, "feature specs")
    try:
        for spec in specs.values():
            spec.check_tables([*tables.values(), *synced.values()])
    except WrongDefinition as error:
        raise Unusable(f"{error.place}: {error.what}", error.remedy) from error
    return FeatureModule(tables, synced, specs)


def _imported(name: str) -> ModuleType:
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    try:
        return importlib.import_module(name)
    except WrongDefinition as error:
        raise Unusable(f"{error.place}: {error.what}", error.remedy) from error
    except ModuleNotFoundError as error:
        if error.name is not None and f"{name}.".startswith(f"{error.name}."):
            remedy = f"Run in the folder it is in, or put that into PYTHONPATH; features.module is {name!r}."
            raise Unusable(f"there is no module {error.name!r} in {here} or among what is installed", remedy) from error
        raise _failed(name, error) from error
    except (Exception, SystemExit) as error:  # whatever a user's module does while it is imported
        raise _failed(name, error) from error


def _failed(name: str, error: BaseException) -> Unusable:
    frames = [one for one in traceback.extract_tb(error.__traceback__) if not one.filename.startswith("<")]
    place = f"{frames[-1].filename}:{frames[-1].lineno}"
    if isinstance(error, SyntaxError) and error.filename:
        place = f"{error.filename}:{error.lineno}"
    return Unusable(
        f"{place}: {type(error).__name__}: {error}",
        f"Correct it; the module of features.module {name!r} must be importable, try: python -c 'import {name}'.",
    )


def _named(found: list[object], kind: type[Kind], what: str) -> dict[str, Kind]:
    named: dict[str, Kind] = {}
    for one in found:
        if isinstance(one, kind) and named.setdefault(one.name, one) is not one:
            raise _twice(what, named[one.name], one)
    return named


def _twice(what: str, one: Named, other: Named) -> Unusable:
    return Unusable(f"{other.place}: two {what} are called {one.name!r}, the other is at {one.place}", "Rename one.")
