import dataclasses

from infra import ledger
from infra.ledger import Entry

ENTRY = Entry("key", "openai", "m1", "v1", "the text", 120, 60, 812.5, 1_700_000_000.25)


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
