from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner

from infra.database import Waits, open_store
from infra.places import StorePlace
from infra.store_errors import StoreMissing
from schemas.hits import Hit
from streams.cli import search
from streams.cli.search import command
from tests.fake_vectors import FakeVectorStore
from tests.streams.retrieval_world import BagOfWords, IndexWorld


@pytest.fixture
def vectors() -> FakeVectorStore:
    return FakeVectorStore()


@pytest.fixture
def run(tmp_path: Path, vectors, monkeypatch):
    monkeypatch.setattr("streams.vector_place.open_vectors", lambda _settings: vectors)
    monkeypatch.setattr(search, "load_query_model", lambda _settings: (BagOfWords(), ""))

    def invoke(*arguments: str):
        return CliRunner().invoke(command, list(arguments), env={"MILLRACE_HOME": str(tmp_path), "COLUMNS": "80"})

    return invoke


@pytest.fixture
def world(tmp_path: Path, vectors):
    store = open_store(StorePlace("index", tmp_path), Waits())
    yield IndexWorld(store, vectors)
    store.close()


@pytest.fixture
def three(world) -> IndexWorld:
    world.put("open.md", "The zipper broke after a week.", title="Zippers", labels=["year=2026"])
    world.put("sales.md", "A zipper costs two euros.", to=["group:sales"])
    world.put("acme.md", "No zipper at all.", tenant="acme")
    return world


def hits(told) -> list[Hit]:
    return [msgspec.json.decode(line, type=Hit) for line in told.stdout.splitlines()]


def ids(told) -> list[str]:
    assert (told.exit_code, told.stderr) == (0, "")
    return [hit.document_id for hit in hits(told)]


def test_hits_are_printed_for_people(run, three) -> None:
    told = run("broken", "zipper")
    lines = told.stdout.splitlines()
    assert (told.exit_code, told.stderr) == (0, "")
    assert lines[0].split()[:4] == ["1", "Zippers", ">", "Guide"]
    assert lines[1:] == ['    "The zipper broke after a week."', "    open.md · file:open.md"]


def test_json_prints_one_hit_a_line_with_the_parts_of_its_score(run, three) -> None:
    (hit,) = hits(run("zipper", "--json"))
    assert (hit.document_id, hit.quote, hit.tenant) == ("open.md", "The zipper broke after a week.", None)
    assert set(hit.parts) == {"vector", "words", "whole", "sentence"}


def test_who_asks_decides_what_is_found(run, three) -> None:
    assert ids(run("zipper", "--json")) == ["open.md"]
    assert set(ids(run("zipper", "--as", "group:sales", "--as", "me", "--json"))) == {"open.md", "sales.md"}
    assert ids(run("zipper", "--tenant", "acme", "--json")) == ["acme.md"]


def test_metadata_narrows_the_search(run, three) -> None:
    assert ids(run("zipper", "--where", "year=2026", "--json")) == ["open.md"]
    assert ids(run("zipper", "--where", "year=2025", "--json")) == []


def test_no_more_hits_than_the_limit(run, world) -> None:
    for number in range(8):
        world.put(f"d{number}", "zipper")
    assert [len(ids(run("zipper", "--json", *more))) for more in ((), ("--limit", "2"))] == [5, 2]


def test_reviews_of_one_product_are_searched(run, world) -> None:
    world.review("B001", "r1", "The zipper broke.", rating=2.0)
    world.review("B002", "r2", "The zipper broke.")
    told = run("zipper", "--entity", "product_id=B001", "--json")
    assert [(hit.document_id, hit.kind, hit.product_id) for hit in hits(told)] == [("r1", "review", "B001")]
    assert "r1 · 2 ★ · 2023-11-14" in run("zipper", "--entity", "product_id=B001").stdout


def test_a_search_of_words_only_is_told_on_stderr(run, three, vectors) -> None:
    vectors.fail()
    told = run("zipper", "--json")
    assert [hit.document_id for hit in hits(told)] == ["open.md"]
    assert told.stderr == "Note: no Milvus answers at memory: only words were searched.\n"


def test_without_the_model_the_remedy_is_told(run, three, monkeypatch) -> None:
    monkeypatch.setattr(search, "load_query_model", lambda _settings: (None, " Run `make install`."))
    told = run("zipper")
    assert told.exit_code == 0
    assert told.stderr == "Note: the model of sentences is missing: only words were searched. Run `make install`.\n"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ((), "Nothing fits in the 1 document that can be seen without --as PRINCIPAL. Try other words.\n"),
        (
            ("--as", "a", "--as", "group:sales"),
            "Nothing fits in the 2 documents that can be seen as a, group:sales. Try other words.\n",
        ),
        (
            ("--tenant", "x"),
            "No document that can be seen without --as PRINCIPAL is of that tenant and metadata. "
            "Leave --tenant or --where out.\n",
        ),
        (
            ("--entity", "product_id=x"),
            "No review of 'x' fits. See `millrace summaries` for products that have reviews.\n",
        ),
    ],
)
def test_where_nothing_fits_the_next_step_is_named_and_hidden_documents_are_not_counted(
    run, three, vectors, arguments, told
) -> None:
    vectors.fail()
    assert run("unheard", *arguments).stdout == told


def test_an_empty_index_says_how_to_fill_it(run, world) -> None:
    assert "Send some: millrace produce documents FILE" in run("zipper").stdout


def test_an_index_that_never_ran_is_an_error_with_what_to_do(run) -> None:
    error = run("zipper").exception
    assert isinstance(error, StoreMissing)
    assert "millrace up" in error.remedy


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--where", "year"), "'year' is no NAME=VALUE"),
        (("--where", "=2026"), "'=2026' is no NAME=VALUE"),
        (("--entity", "B001"), "'B001' is no product_id=ID"),
        (("--entity", "shop=B001"), "'shop=B001' is no product_id=ID"),
        (("--entity", "product_id=B001", "--tenant", "acme"), "with --entity reviews are searched"),
        (("--timeout", "1"), "--timeout says how long to wait for --at-least, which is missing"),
        (("--limit", "0"), "0 is not in the range"),
    ],
)
def test_options_that_cannot_be_meant_are_refused(run, arguments, told) -> None:
    refused = run("zipper", *arguments)
    assert refused.exit_code == 2
    assert told in " ".join(refused.stderr.split())


def test_a_read_that_waited_sees_vectors_written_just_now(run, world, vectors, monkeypatch) -> None:
    asked = []
    monkeypatch.setattr(
        "streams.cli.waits.receipts.await_receipts",
        lambda _settings, agent, told, _s, quiet: asked.append((agent, told, quiet)),
    )
    vectors.lagging = True
    world.put("guide.md", "The colour is nice.")
    assert ids(run("unheard", "--json")) == []
    assert ids(run("unheard", "--json", "--at-least", "documents:0:1")) == ["guide.md"]
    assert asked == [("index", ("documents:0:1",), True)]
