import dataclasses
import threading

import pytest
import sqlalchemy as sa

from infra.fences import Moved
from infra.rows.answer_rows import (
    ANSWERS_GATE,
    TOGETHER,
    AnswerRow,
    BasisRow,
    RequestRow,
    add_basis,
    basis_on,
    cite_basis,
    drop_basis,
    load_answers,
    load_requests,
    pass_gate,
    put_answer,
    put_request,
)
from schemas.answer_tables import answer_basis, gate

REQUEST = RequestRow("q", b"{}", 1_700_000_000.5, 1_700_000_010.5, b"{}")
ANSWER = AnswerRow("q", 1, b"{}", False, 1_700_000_001.5)
READ = BasisRow("q", "/guide", "c2", False)


def basis(store) -> set[BasisRow]:
    with store.read() as connection:
        return {BasisRow(**row._mapping) for row in connection.execute(sa.select(answer_basis))}


def test_a_question_comes_back_as_it_was_first_asked(store):
    with store.write() as connection:
        assert load_requests(connection, ["q"]) == {}
        put_request(connection, REQUEST)
        assert load_requests(connection, ["q", "unknown"]) == {"q": REQUEST}
    with pytest.raises(Moved), store.write() as connection:
        put_request(connection, dataclasses.replace(REQUEST, record=b"[]"))
    with store.read() as connection:
        assert load_requests(connection, ["q"]) == {"q": REQUEST}


def test_an_answer_is_written_over_the_one_before_it_and_no_other(store):
    newer = dataclasses.replace(ANSWER, revision=2, withdrawn=True)
    with store.write() as connection:
        put_answer(connection, ANSWER)
        put_answer(connection, newer)
        assert load_answers(connection, ["q", "unknown"]) == {"q": newer}
    for other in (ANSWER, newer, dataclasses.replace(ANSWER, revision=4)):
        with pytest.raises(Moved), store.write() as connection:
            put_answer(connection, other)
    with store.read() as connection:
        assert load_answers(connection, ["q"]) == {"q": newer}


def test_what_was_read_is_kept_until_it_is_dropped_and_the_newest_answer_says_what_it_cites(store):
    cited = dataclasses.replace(READ, cited=True)
    with store.write() as connection:
        add_basis(connection, [READ])
        cite_basis(connection, [cited])
        add_basis(connection, [READ])  # of a call whose answer is never written
    assert basis(store) == {cited}
    with store.write() as connection:
        cite_basis(connection, [READ])
    assert basis(store) == {READ}


def test_chunks_of_two_documents_may_share_their_name_and_stay_two(store):
    rows = {READ, dataclasses.replace(READ, source_key="/other"), dataclasses.replace(READ, chunk_id="c3")}
    with store.write() as connection:
        add_basis(connection, rows)
        cite_basis(connection, [dataclasses.replace(READ, cited=True)])
    assert basis(store) == rows - {READ} | {dataclasses.replace(READ, cited=True)}


def test_what_rests_on_documents_is_found_by_any_of_their_keys(store):
    rows = [READ, BasisRow("q", "review:p/r1", "c1", True), BasisRow("r", "/guide", "c2", True)]
    with store.write() as connection:
        add_basis(connection, [*rows, BasisRow("r", "/guide/other", "c4", True)])
        assert basis_on(connection, {"/guide", "review:p/r1", "/nothing"}) == rows
        assert basis_on(connection, []) == []


def test_more_keys_than_one_statement_takes_are_all_looked_for(store):
    rows = [BasisRow(f"q{number}", f"/{number}", "c", False) for number in range(2 * TOGETHER + 1)]
    with store.write() as connection:
        add_basis(connection, rows)
        assert len(basis_on(connection, {row.source_key for row in rows})) == len(rows)
        drop_basis(connection, [row.request_id for row in rows[1:]], cited=False)
    assert basis(store) == {rows[0]}


def test_what_a_standing_answer_cites_is_dropped_only_when_it_is_withdrawn(store):
    cited, of_other = BasisRow("q", "/guide", "c3", True), dataclasses.replace(READ, request_id="r")
    with store.write() as connection:
        add_basis(connection, [READ, cited, of_other])
        drop_basis(connection, ["q"], cited=False)
    assert basis(store) == {cited, of_other}
    with store.write() as connection:
        drop_basis(connection, ["q"], cited=True)
    assert basis(store) == {of_other}


def test_two_workers_pass_the_gate_one_after_the_other(store, second_store):
    """The second one sees all that the first wrote before the gate opened."""
    seen, inside, passed = [], threading.Event(), threading.Event()

    def follow() -> None:
        inside.wait(10)
        with second_store.write() as connection:
            pass_gate(connection)
            seen.append((passed.is_set(), len(basis_on(connection, ["/guide"]))))

    other = threading.Thread(target=follow)
    other.start()
    with store.write() as connection:
        pass_gate(connection)
        inside.set()
        other.join(0.3)  # it must not come through meanwhile; a fast one has had its chance
        add_basis(connection, [READ])
        passed.set()
    other.join(10)
    assert seen == [(True, 1)]
    with store.read() as connection:
        assert connection.execute(sa.select(gate)).all() == [(ANSWERS_GATE, 2)]
