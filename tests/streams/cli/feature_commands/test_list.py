import msgspec

from infra.feature_health import write_feature_health
from schemas.feature_health import FeatureHealth, TableHealth
from schemas.feature_tables import feature_copyings
from tests.streams.cli.feature_commands.conftest import MODULE, define
from tests.streams.feature_shelf import NOW


def tell(home, table, version, **changed):
    values = {
        "table": table, "version": version, "keys": 100_000, "newest_event_at": NOW - 3, "readable_events": 900,
        "readable_p50_s": 0.012, "readable_p99_s": 0.08, "sampled": 100, "ages": {"60": 1.0},
        "nulls": {"a": 0.0, "b": 0.04}, "defaults": {"a": 0.5, "b": 0.5},
    }  # fmt: skip
    health = FeatureHealth(slot=0, pid=1, at=NOW, tables=[TableHealth(**(values | changed))])
    write_feature_health(home, health)


def listed(run):
    return [msgspec.json.decode(line) for line in run("list", "--json").stdout.splitlines()]


def test_without_anything_it_says_what_to_do(run):
    done = run("list")
    assert done.stdout.startswith("No feature table stands yet. Name your module in millrace.toml")
    assert done.exit_code == 0
    assert run("list", "--json").stdout == ""


def test_tables_of_the_module_that_do_not_stand_yet_say_how_they_come_to(run, module):
    module()
    lines = run("list").stdout.splitlines()
    assert lines[1].split() == ["spending", "defined", "-", "-", "-", "-", "-"]
    assert lines[2] == "  not there yet; made by featurize: millrace up"
    assert lines[-1].split() == ["order", "customer", "→", "spent"]


def test_a_table_tells_keys_age_and_how_long_events_take(run, shelf, home):
    tell(home, "spending", shelf.tables["spending"].version)
    lines = run("list").stdout.splitlines()
    assert lines[0].split() == ["table", "state", "features", "keys", "newest", "readable", "null"]
    assert lines[1].split() == ["carriers", "live", "1", "-", "-", "-", "-"]
    assert lines[2].split() == ["spending", "live", "6", "100,000", "3", "s", "12", "/", "80", "ms", "2", "%"]
    assert max(map(len, lines)) <= 80
    table = listed(run)[1]
    assert (table["keys"], table["readable_p99_s"], table["null_share"], table["default_share"]) == (
        100_000, 0.08, 0.02, 0.5,
    )  # fmt: skip


def test_what_was_said_of_another_version_is_not_told(run, shelf, home):
    tell(home, "spending", "another")
    assert listed(run)[1]["keys"] is None


def test_a_version_that_is_built_shows_how_far_it_is(run, shelf, module):
    newer = module(MODULE.replace('"1h", ', '"1d", ')).spending
    define(shelf, newer, "building", cursor=1_000, goal=4_000)
    assert f"  version {newer.version} is being built beside this one: 25 % of 4,000 events" in run("list").stdout
    assert listed(run)[1]["building"] == {"version": newer.version, "events": 1_000, "of": 4_000, "share": 0.25}


def test_the_first_version_is_building_until_it_is_live(run, home, module):
    from tests.streams.feature_shelf import Shelf

    shelf, shop = Shelf(home), module()
    define(shelf, shop.spending, "building", cursor=-1, goal=4_000)
    lines = run("list").stdout.splitlines()
    assert lines[1].split()[:2] == ["spending", "building"]
    assert lines[2] == f"  version {shop.spending.version} is being built: 0 % of 4,000 events"
    shelf.close()


def test_a_table_kept_in_sync_tells_when_it_was_copied_and_what_is_wrong_with_it(run, shelf):
    def write(connection):
        told = {"round": 1, "copied_at": NOW - 40, "row_count": 7, "error": "2 rows without a key were left out"}
        never = {"version": "", "copied_at": 0.0, "row_count": 0, "error": "it does not answer"}
        connection.execute(feature_copyings.insert(), {"name": "stock", "version": "v1"} | told)
        connection.execute(feature_copyings.insert(), {"name": "zones"} | told | never)

    shelf.store.change(write)
    lines = run("list").stdout.splitlines()
    assert [line.split() for line in lines[3:7]] == [
        ["stock", "live", "-", "7", "40", "s", "-", "-"],
        ["last", "error:", "2", "rows", "without", "a", "key", "were", "left", "out"],
        ["zones", "failing", "-", "0", "-", "-", "-"],
        ["last", "error:", "it", "does", "not", "answer"],
    ]
