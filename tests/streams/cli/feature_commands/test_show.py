import msgspec

from streams.cli.errors import CommandError
from tests.streams.cli.feature_commands.conftest import MODULE, define


def test_a_definition_shows_source_key_and_each_feature(run, shelf):
    lines = run("show", "spending").stdout.splitlines()
    version = shelf.tables["spending"].version
    assert lines[0] == f"spending{f'live · {version}':>72}"
    assert lines[1:9] == [
        "  What a customer bought.",
        "",
        "  key        customer",
        "  source     events: sale",
        "  events     can come late or be corrected for 90 days",
        "  tiles      1m to 1h back, 1d of all time",
        lines[7],
        lines[8],
    ]
    assert [line.split() for line in lines if line.startswith(("  sales", "  spent", "  cheapest"))] == [
        ["sales", "count", "1h,", "all", "-"],
        ["spent", "sum", "of", "price", "1h,", "all", "-"],
        ["cheapest", "min", "of", "price", "1h,", "all", "-1.0"],
    ]


def test_json_tells_file_and_line_of_each_feature(run, shelf):
    told = msgspec.json.decode(run("show", "spending", "--json").stdout)
    assert told["place"].endswith(".py:5")
    assert told["features"][2] == {
        "name": "spent_1h", "is": "sum of price", "window_s": 3_600.0, "tile_s": 60.0, "default": None,
        "place": told["features"][2]["place"],
    }  # fmt: skip
    assert told["features"][2]["place"].endswith(".py:7")


def test_without_the_module_it_shows_what_the_store_knows(run, shelf, monkeypatch):
    monkeypatch.delenv("MILLRACE_FEATURES_MODULE")
    told = msgspec.json.decode(run("show", "spending", "--json").stdout)
    assert (told["features"][2]["is"], told["features"][2]["place"]) == ("sum", None)
    assert told["types"] == ["sale"]


def test_a_version_that_is_built_is_shown_after_the_one_that_is_read(run, shelf, module):
    define(shelf, module(MODULE.replace('"1h", ', '"1d", ')).spending, "building", cursor=1, goal=4)
    told = [msgspec.json.decode(line) for line in run("show", "spending", "--json").stdout.splitlines()]
    assert [one["state"] for one in told] == ["live", "building"]


def test_a_table_of_the_module_is_shown_before_it_stands(run, module):
    module()
    assert msgspec.json.decode(run("show", "carriers", "--json").stdout)["state"] == "defined"


def test_an_unknown_table_is_not_found(run, shelf):
    done = run("show", "spendin")
    assert isinstance(done.exception, CommandError)
    assert (done.exception.code, done.exception.remedy) == (5, "Did you mean spending? See `millrace features list`.")
