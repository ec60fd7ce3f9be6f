import msgspec

from streams.cli.errors import CommandError
from tests.streams.cli.feature_commands.conftest import MODULE, define
from tests.streams.feature_shelf import HOUR


def compared(run):
    return {one["table"]: one for one in map(msgspec.json.decode, run("diff", "--json").stdout.splitlines())}


def test_what_is_the_same_changes_nothing_and_exits_with_0(run, shelf):
    done = run("diff")
    assert [line.split()[:2] for line in done.stdout.splitlines()] == [["same", "spending"], ["same", "carriers"]]
    assert done.exit_code == 0


def test_a_changed_table_tells_which_features_differ_and_what_they_cost(run, shelf, module):
    shelf.put("a", HOUR, price=5)
    shelf.put("b", HOUR, price=5)
    changed = MODULE.replace('Sum("price")', 'Sum("total")').replace('"cheapest": Min', '"lowest": Min')
    module(changed)
    told = compared(run)["spending"]
    assert (told["change"], told["events"]) == ("changed", 2)
    assert (told["added"], told["changed"], told["removed"]) == (
        ["lowest_1h", "lowest"], ["spent_1h", "spent"], ["cheapest_1h", "cheapest"],
    )  # fmt: skip
    done = run("diff")
    assert "         ~ spent_1h, spent" in done.stdout.splitlines()
    assert "         goes through 2 events of the log\n" in done.stdout
    assert done.exit_code == 1


def test_a_filter_of_the_table_changes_all_its_features(run, shelf, module):
    module(MODULE.replace('description="What', 'where=lambda row: row["price"] > 1, description="What'))
    assert len(compared(run)["spending"]["changed"]) == 6


def test_new_tables_and_those_nobody_defines_any_more_are_told(run, shelf, module):
    module(MODULE.replace('"carriers"', '"couriers"'))
    told = compared(run)
    assert (told["couriers"]["change"], told["carriers"]["change"], told["spending"]["change"]) == (
        "new",
        "gone",
        "same",
    )
    assert "nobody defines it any more" in run("diff").stdout


def test_what_is_being_built_already_is_no_difference(run, shelf, module):
    define(shelf, module(MODULE.replace('"1h", ', '"1d", ')).spending, "building", cursor=1, goal=4)
    assert compared(run)["spending"]["change"] == "building"
    assert run("diff").exit_code == 0


def test_before_featurize_ever_ran_everything_is_new(run, module):
    module()
    assert {one["change"] for one in compared(run).values()} == {"new"}


def test_without_a_module_it_says_how_to_name_one(run, home):
    done = run("diff")
    assert isinstance(done.exception, CommandError)
    assert (done.exception.code, done.exception.message) == (2, "no module of feature definitions is named")
