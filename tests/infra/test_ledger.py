import dataclasses

from infra import ledger
from infra.ledger import Entry

ENTRY = Entry("key", "openai", "m1", "v1", "the text", 120, 60, 812.5, 1_700_000_000.25, "p")


def test_a_call_comes_back_as_it_was_written_down(store):
    with store.write() as connection:
        assert ledger.settle(connection, ENTRY) == ENTRY
        assert ledger.find(connection, ["key", "other"]) == {"key": ENTRY}
        assert ledger.find(connection, []) == {}


def test_a_call_found_in_the_ledger_wins_over_its_repeat(store):
    repeat = dataclasses.replace(ENTRY, output="another text", tokens_out=61)
    with store.write() as connection:
        ledger.settle(connection, ENTRY)
    with store.write() as connection:
        assert ledger.settle(connection, repeat) == ENTRY
        assert ledger.find(connection, ["key"])["key"].output == "the text"


def test_what_was_written_for_a_subject_is_forgotten_and_everything_else_stays(store):
    others = [dataclasses.replace(ENTRY, ledger_key="q", subject="q"), dataclasses.replace(ENTRY, ledger_key="old")]
    others[1] = dataclasses.replace(others[1], subject=None)
    with store.write() as connection:
        for entry in (ENTRY, dataclasses.replace(ENTRY, ledger_key="again"), *others):
            ledger.settle(connection, entry)
        ledger.forget(connection, ["p", "unknown"])
        ledger.forget(connection, [])
        assert ledger.find(connection, ["key", "again", "q", "old"]) == {"q": others[0], "old": others[1]}


def test_entries_that_tell_no_subject_are_listed_and_any_can_be_removed_by_its_key(store):
    old = dataclasses.replace(ENTRY, ledger_key="old", subject=None, output="an old text")
    with store.write() as connection:
        for entry in (ENTRY, old):
            ledger.settle(connection, entry)
    with store.write() as connection:
        assert list(ledger.unowned(connection)) == [("old", "an old text")]
        assert ledger.remove(connection, ["old", "unknown"]) == 1
        assert ledger.remove(connection, []) == 0
        assert ledger.find(connection, ["key", "old"]) == {"key": ENTRY}


FAILED = dataclasses.replace(ENTRY, output="", tokens_out=0, failure="says nothing that is in the points", cost=0.01)


def test_a_failure_for_ever_is_kept_and_forgotten_like_an_output(store):
    with store.write() as connection:
        assert ledger.settle(connection, FAILED) == FAILED
        assert ledger.find(connection, ["key"]) == {"key": FAILED}
        ledger.forget(connection, ["p"])
        assert ledger.find(connection, ["key"]) == {}


def test_a_failure_gives_way_to_an_output_and_never_the_other_way_round(store):
    again = dataclasses.replace(FAILED, failure="another reason")
    with store.write() as connection:
        ledger.settle(connection, FAILED)
        assert ledger.settle(connection, again) == FAILED
    with store.write() as connection:
        assert ledger.settle(connection, ENTRY) == ENTRY
        assert ledger.settle(connection, FAILED) == ENTRY
        assert ledger.find(connection, ["key"]) == {"key": ENTRY}
