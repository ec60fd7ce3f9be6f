"""The two commands as they are typed: what they print, how they end, and that only one rebuild runs."""

import logging
import threading

import msgspec
import pytest

from infra.alone import alone
from infra.database import Waits, open_store
from infra.local.kafka import free_port
from infra.places import StorePlace
from schemas.tables import GROUPS
from streams import vector_place
from streams.__main__ import run
from streams.assemblies import index as assembly
from streams.cli.index import AGENT, REBUILD
from tests.streams.cli.indexes.index_stage import Stage
from tests.streams.cli.indexes.test_verifying import add_vector, lose_words
from tests.streams.index_worker import collection


@pytest.fixture
def stage(sqlite_template, tmp_path, monkeypatch):
    """An index at the place where the commands look for it, its model and vector store in memory."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MILLRACE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("MILLRACE_INDEX_CHUNK_CHARACTERS", "200")
    monkeypatch.setenv("MILLRACE_KAFKA", f"127.0.0.1:{free_port()}")
    monkeypatch.setattr(logging.getLogger(), "handlers", [])  # commands set up a log of their own
    place = StorePlace(AGENT, tmp_path / "home")
    place.path.parent.mkdir(parents=True)
    place.path.write_bytes(sqlite_template.read_bytes())
    store = open_store(place, Waits(), GROUPS)
    built = Stage.build(place, store)
    built.fill()
    monkeypatch.setattr(vector_place, "open_vectors", lambda settings: built.vectors)
    monkeypatch.setattr(assembly, "load_document_model", lambda settings: built.worker.embedder)
    monkeypatch.setattr(assembly, "chunking_of", lambda settings: "test/200")
    yield built
    store.close()


def test_an_index_that_agrees_ends_with_0_and_a_table(stage, capsys):
    assert run(["index", "verify"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    told = [line.split() for line in out.splitlines()]
    assert told[1:7] == [
        ["standing", "missing", "stale", "pending"],
        ["documents", "3", "0", "0", "0"],
        ["chunks", "5", "0", "0", "0"],
        ["words", "5", "0", "0", "0"],
        ["vectors", "5", "0", "0", "0"],
        ["reviews", "2", "0", "0", "0"],
    ]
    assert "agree." in out


def test_one_that_does_not_ends_with_1_and_the_remedy_and_a_rebuild_mends_it(stage, capsys):
    lose_words(stage)
    add_vector(stage)
    assert run(["index", "verify", "--json"]) == 1
    out, err = capsys.readouterr()
    told = msgspec.json.decode(out)
    assert (told["agree"], told["missing_words"], told["stale_vectors"], told["chunks"]) == (False, 1, 1, 5)
    assert (told["collection"], told["model"], told["pending"]) == (collection(stage.store), "fake/1", 0)
    assert "millrace index rebuild" in err
    assert run(["index", "rebuild", "--json"]) == 0
    rebuilt = msgspec.json.decode(capsys.readouterr().out)
    assert (rebuilt["words"], rebuilt["vectors"], rebuilt["embedded"], rebuilt["dropped"]) == (1, 5, 0, 1)
    assert run(["index", "verify"]) == 0


def test_a_rebuild_tells_people_what_it_did(stage, capsys):
    assert run(["index", "rebuild"]) == 0
    out, err = capsys.readouterr()
    assert "serves now: 4 documents" in out
    assert "5 vectors written, 0 of them computed, 5 known" in out
    assert err == ""


def test_a_second_rebuild_is_refused_while_one_runs(stage, capsys):
    with alone(stage.place, REBUILD) as ours:
        assert ours
        assert run(["index", "rebuild"]) == 1
        assert "another `millrace index rebuild` runs" in capsys.readouterr().err
    assert run(["index", "rebuild"]) == 0


def test_a_vector_store_that_is_away_is_told_in_one_line(stage, capsys):
    stage.vectors.fail()
    for command in ("verify", "rebuild"):
        assert run(["index", command]) == 1
        (line,) = capsys.readouterr().err.splitlines()
        assert "Start one with `millrace up`" in line
    stage.vectors.recover()
    assert run(["index", "rebuild"]) == 0


def test_an_interrupted_rebuild_says_that_nothing_is_lost(stage, capsys, monkeypatch):
    def interrupt(name: str) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(stage.vectors, "flush", interrupt)
    assert run(["index", "rebuild"]) == 130
    assert "it goes on where it was" in capsys.readouterr().err


def test_only_one_process_is_alone_and_whoever_ends_lets_the_next_in(place):
    with alone(place, "test") as first, alone(place, "test") as second, alone(place, "other") as other:
        assert (first, second, other) == (True, False, True)
    found: list[bool] = []

    def enter() -> None:
        with alone(place, "test") as ours:
            found.append(ours)

    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()
    assert found == [True]
