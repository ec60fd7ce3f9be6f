import msgspec

from infra.watermarks import Watermark
from streams.cli.errors import CommandError
from streams.cli.waits.lateness import Late
from streams.cli.waits.standing import Gap
from tests.streams.feature_shelf import HOUR, MINUTE


def test_a_key_shows_its_features_with_their_windows_side_by_side(run, shelf):
    shelf.put("a", 2 * HOUR, price=1_234.5)
    shelf.put("b", 10 * MINUTE, price=7)
    done = run("get", "spending", "c1")
    version = shelf.tables["spending"].version
    assert done.stdout.splitlines() == [
        f"spending · c1{'newest event 10 min ago':>{80 - 13 - 15}} · {version}",
        "                  1h  all time",
        "  sales            1         2",
        "  spent          7.0   1,241.5",
        "  cheapest       7.0       7.0",
    ]
    assert done.exit_code == 0


def test_json_is_the_record_with_age_and_whether_it_is_missing(run, shelf):
    shelf.put("a", 90, price=5)
    done = run("get", "spending", "c1", "nobody", "--json")
    first, second = map(msgspec.json.decode, done.stdout.splitlines())
    assert first == {
        "table": "spending",
        "key": "c1",
        "revision": first["revision"],
        "op": "upsert",
        "values": {
            "sales_1h": 1, "sales": 1, "spent_1h": 5.0, "spent": 5.0, "cheapest_1h": 5.0, "cheapest": 5.0,
        },
        "as_of": "2026-11-22T09:28:30.000000+00:00",
        "version": shelf.tables["spending"].version,
        "sources": {"events": {"0": 2}},
        "age_s": 90.0,
        "missing": False,
        "partial": False,
    }  # fmt: skip
    assert (second["missing"], second["op"], second["as_of"], second["age_s"]) == (True, "delete", None, None)
    assert second["values"]["cheapest"] == -1.0
    assert done.exit_code == 0


def test_where_every_key_is_missing_the_defaults_are_shown_and_the_exit_code_says_so(run, shelf):
    done = run("get", "spending", "nobody", "nobody2")
    assert "  no events are known of this key: these are the defaults" in done.stdout.splitlines()
    assert done.exit_code == 5


def test_an_unknown_table_is_not_found_and_the_nearest_is_named(run, shelf):
    done = run("get", "spendings", "c1")
    assert isinstance(done.exception, CommandError)
    assert (done.exception.code, done.exception.message) == (5, "there is no feature table 'spendings'")
    assert done.exception.remedy == "Did you mean spending? See `millrace features list`."


def test_a_moment_can_be_asked_for_and_is_read_with_the_functions_of_the_module(run, shelf):
    shelf.put("a", 3 * HOUR, price=5)
    shelf.put("b", MINUTE, price=7)
    done = run("get", "spending", "c1", "--json", "--at", "2026-11-22T07:00:00Z")
    read = msgspec.json.decode(done.stdout)
    assert (read["values"]["sales_1h"], read["values"]["spent"], read["partial"]) == (1, 5.0, False)
    assert run("get", "spending", "c1", "--at", "2026-11-22 07:00").exit_code == 0
    assert "is no time" in run("get", "spending", "c1", "--at", "yesterday").stderr


def test_without_the_module_a_moment_of_before_is_marked(run, shelf, monkeypatch):
    shelf.put("a", 3 * HOUR, price=5)
    shelf.put("b", MINUTE, price=7)
    monkeypatch.delenv("MILLRACE_FEATURES_MODULE")
    done = run("get", "spending", "c1", "--at", "2026-11-22T07:00:00Z")
    assert "  not exact: " in done.stdout


def test_a_module_that_cannot_be_loaded_is_noted_and_what_stands_is_read(run, shelf):
    shelf.put("a", 90, price=5)
    done = run("get", "spending", "c1", "--json", MILLRACE_FEATURES_MODULE="nowhere")
    assert msgspec.json.decode(done.stdout)["values"]["sales"] == 1
    assert done.stderr.startswith("note: without your module: there is no module 'nowhere'")


def test_a_new_version_that_is_built_is_told_below(run, shelf, module):
    from tests.streams.cli.feature_commands.conftest import MODULE, define

    define(shelf, module(MODULE.replace('"1h", ', '"1d", ')).spending, "building", cursor=1, goal=4)
    shelf.put("a", 90, price=5)
    assert "is being built beside this one: 25 % done." in run("get", "spending", "c1").stdout.splitlines()[-1]


def test_texts_of_others_are_only_text(run, shelf):
    shelf.put("s", MINUTE, kind="scan", entity={"customer": "c1", "parcel": "p"}, city="\x1b[31mHalle\r\n")
    assert run("get", "carriers", "c1|p").stdout.splitlines()[1] == "  where_     Halle"


def test_many_windows_break_into_blocks_at_80_columns(run, shelf, module):
    from tests.streams.cli.feature_commands.conftest import MODULE, define

    windows = '"1m", "5m", "1h", "6h", "1d", "7d", "30d", "all"'
    define(shelf, module(MODULE.replace('"1h", "all"', windows).replace("spending", "wide")).wide)
    shelf.put("a", 90, price=5)
    lines = run("get", "wide", "c1").stdout.splitlines()
    assert max(map(len, lines)) <= 80
    assert len([line for line in lines if line.startswith("  sales")]) == 2
    assert len([line for line in run("get", "wide", "c1", width=120).stdout.splitlines() if "  sales" in line]) == 1


def test_what_a_receipt_is_waited_for_is_read_once_it_is_there(run, shelf, monkeypatch):
    def arrive(settings, agent, told, timeout_s, *, quiet):
        assert (agent, told, timeout_s, quiet) == ("featurize", ("millrace.events.v1:3:41",), 60.0, True)
        shelf.put("a", 90, price=5)

    monkeypatch.setattr("streams.cli.waits.receipts.await_receipts", arrive)
    done = run("get", "spending", "c1", "--json", "--at-least", "millrace.events.v1:3:41")
    assert msgspec.json.decode(done.stdout)["values"]["sales"] == 1


def test_at_the_timeout_what_stands_is_shown_and_the_exit_code_is_4(run, shelf, monkeypatch):
    gap = Gap("featurize", ("millrace.events.v1", 3), Watermark(40, 40, "fence"), 42)
    late = Late([gap], "after 1 s", "Wait longer.")
    monkeypatch.setattr("streams.cli.waits.receipts.await_receipts", lambda *_, **__: late)
    monkeypatch.setattr("streams.cli.waits.lateness.find_staleness", lambda _settings, gaps, _now: [7.0 for _ in gaps])
    arguments = ("--at-least", "millrace.events.v1:3:41", "--timeout", "1", "--json")
    done = run("get", "spending", "nobody", *arguments)
    assert msgspec.json.decode(done.stdout)["missing"]
    assert msgspec.json.decode(done.stderr)["gaps"][0]["missing"] == 2
    assert done.exit_code == 4
    done = run("get", "unheard", "nobody", *arguments)
    assert (done.stdout, done.exit_code) == ("", 4)


def test_a_timeout_without_a_receipt_is_a_mistake(run, shelf):
    assert run("get", "spending", "c1", "--timeout", "1").exit_code == 2
