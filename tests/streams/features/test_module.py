"""A user's module is imported from the folder the command runs in; what is wrong with it is told with its line."""

import sys

import pytest

from infra.settings import Settings
from streams.features.module import load_features
from streams.parts import Unusable

GOOD = """
from processors.features import Count, Events, FeatureLookup, FeatureSpec, FeatureTable
sales = FeatureTable("sales", "customer", Events("sale"), {"n": Count()})
again = sales
seen = FeatureSpec("seen", [FeatureLookup(sales, lookup_key="customer")])
"""


@pytest.fixture
def load(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [one for one in sys.path if one])

    def load_it(text: str, name: str = "shop_features", setting: str | None = None):
        (tmp_path / f"{name}.py").write_text(text)
        monkeypatch.delitem(sys.modules, name, raising=False)
        return load_features(Settings.from_env({"MILLRACE_FEATURES_MODULE": setting or name}))

    yield load_it
    sys.modules.pop("shop_features", None)


def test_what_stands_at_its_top_level_is_found_by_type(load):
    module = load(GOOD)
    assert (list(module.tables), list(module.synced), list(module.specs)) == (["sales"], [], ["seen"])


def test_without_a_module_the_remedy_names_the_setting():
    with pytest.raises(Unusable, match=r"no module of feature definitions is named.*MILLRACE_FEATURES_MODULE"):
        load_features(Settings())


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('FeatureTable("Sales", "customer", Events("sale"), {"n": Count()})', r"shop_features\.py:3: .*is no name"),
        ("1 / 0", r"shop_features\.py:3: ZeroDivisionError: division by zero"),
        ("import no_such_thing", r"shop_features\.py:3: ModuleNotFoundError: No module named 'no_such_thing'"),
        ("def (", r"shop_features\.py:3: SyntaxError"),
        ("raise SystemExit(3)", r"shop_features\.py:3: SystemExit: 3"),
    ],
)
def test_what_is_wrong_is_told_with_file_line_and_remedy(load, text, told):
    with pytest.raises(Unusable, match=told) as caught:
        load(f"\nfrom processors.features import Count, Events, FeatureTable\n{text}\n")
    assert caught.value.remedy


def test_a_module_that_is_not_there_is_told_with_where_it_was_looked_for(load, tmp_path):
    with pytest.raises(Unusable, match=f"no module 'shop' in {tmp_path}"):
        load(GOOD, setting="shop.features")


def test_two_tables_of_one_name_are_refused(load):
    other = 'other = FeatureTable("sales", "shop", Events("sale"), {"n": Count()})'
    with pytest.raises(Unusable, match=r"shop_features\.py:6: two feature tables are called 'sales'.*:3"):
        load(GOOD + other)
