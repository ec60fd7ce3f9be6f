import importlib
import sys

import pytest
from click.testing import CliRunner

from streams.cli import features as told
from streams.featurizing import definitions
from tests.streams.feature_shelf import NOW, Shelf

MODULE = """
from processors.features import Count, Events, FeatureTable, Last, Min, Sum
from processors.features.definitions.serving import FeatureLookup, FeatureSpec

spending = FeatureTable(
    "spending", "customer", Events("sale"),
    {"sales": Count(), "spent": Sum("price"), "cheapest": Min("price", default=-1.0)},
    windows=("1h", "all"), description="What a customer bought.",
)
carriers = FeatureTable("carriers", ("customer", "parcel"), Events("scan"), {"where_": Last("city")})
order = FeatureSpec("order", [FeatureLookup(spending, "customer", features=["spent"])])
"""


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setattr("time.time", lambda: NOW)
    monkeypatch.delenv("MILLRACE_FEATURES_MODULE", raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path / "home"


@pytest.fixture
def module(home, tmp_path, monkeypatch):
    """Write the user's module and import it; again with another text, it is another."""
    names = []

    def write(text=MODULE):
        name = f"shop_{len(names)}_{abs(hash(tmp_path)) % 10**9}"
        names.append(name)
        (tmp_path / f"{name}.py").write_text(text)
        monkeypatch.setenv("MILLRACE_FEATURES_MODULE", name)
        importlib.invalidate_caches()
        monkeypatch.syspath_prepend(str(tmp_path))
        return importlib.import_module(name)

    yield write
    for name in names:
        sys.modules.pop(name, None)


@pytest.fixture
def shelf(home, module):
    shop = module()
    shelf = Shelf(home)
    for table in (shop.spending, shop.carriers):
        define(shelf, table)
    yield shelf
    shelf.close()


def define(shelf, table, state="live", **changed):
    shelf.define(table, state, described=definitions._describe(table, None), **changed)


@pytest.fixture
def run(home):
    def invoke(*arguments, width=80, **environ):
        environ = {"MILLRACE_HOME": str(home), "COLUMNS": str(width), **environ}
        return CliRunner().invoke(told.command, list(arguments), env=environ, catch_exceptions=True)

    return invoke
