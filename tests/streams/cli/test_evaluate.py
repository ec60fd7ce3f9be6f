import csv
import json
import zlib
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from schemas.documents import Document
from streams.cli.errors import CommandError
from streams.cli.evaluate import command
from streams.cli.evaluation import trials
from streams.cli.evaluation.private_index import PrivateIndex

TEXTS = {
    "weir.md": "A weir is a low wall that raises the level of a river. It is built of stone and clay.",
    "race.md": "A mill race is a channel that carries water to the wheel. It is dug along the slope.",
    "gear.md": "A lantern pinion is a small gear made of round staves between two discs. It wears quickly.",
    "owner.md": "A miller is a person who keeps the stones sharp and the sacks dry. He is paid in flour.",
}
CLAIMS = {"1": ("what raises the level of a river", "weir.md"), "2": ("channel for water to the wheel", "race.md")}


class WordBag:
    """Vectors of shared words: no model is needed to tell a river from a gear."""

    identity = "bag/one/g1/0"
    dimensions = 256

    def __init__(self) -> None:
        self.asked: list[str] = []

    def embed(self, texts):
        self.asked += texts
        rows = np.zeros((len(texts), self.dimensions), np.float32)
        for row, text in zip(rows, texts, strict=True):
            row[0] = 0.1
            for word in text.lower().split():
                row[zlib.crc32(word.strip(".,?").encode()) % self.dimensions] += 1
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)


@pytest.fixture
def bag(monkeypatch) -> WordBag:
    made = WordBag()
    monkeypatch.setattr(trials, "load_document_model", lambda settings: made)
    monkeypatch.setattr(trials, "load_question_model", lambda settings: made)
    return made


@pytest.fixture
def run(tmp_path: Path):
    def invoke(*arguments: str):
        return CliRunner().invoke(command, list(map(str, arguments)), env={"MILLRACE_HOME": str(tmp_path / "home")})

    return invoke


@pytest.fixture
def files(tmp_path: Path) -> list[str]:
    queries, qrels, corpus = (tmp_path / name for name in ("queries.jsonl", "qrels.tsv", "corpus.jsonl"))
    queries.write_text("".join(json.dumps({"_id": key, "text": text}) + "\n" for key, (text, _) in CLAIMS.items()))
    qrels.write_text("".join(f"{key}\t{document}\t1\n" for key, (_, document) in CLAIMS.items()))
    corpus.write_text("".join(json.dumps({"_id": name, "text": text}) + "\n" for name, text in TEXTS.items()))
    return ["--queries", str(queries), "--qrels", str(qrels), "--documents", str(corpus)]


@pytest.fixture
def standing(tmp_path: Path, bag: WordBag, monkeypatch):
    """Let these documents stand in the index of the user's home, one of them for owners only."""
    index = PrivateIndex(tmp_path / "home", bag, 900, {})
    documents = [
        Document(document_id=name, text=text, principals=["owners"] if name == "owner.md" else ["public"])
        for name, text in TEXTS.items()
    ]
    index.fill(documents, lambda: None)
    monkeypatch.setattr(index.vectors, "close", lambda: None)  # asked more than once
    monkeypatch.setattr(trials, "open_vectors", lambda settings: index.vectors)
    yield index
    index.close()


def questions(folder: Path) -> list[dict]:
    return [json.loads(line) for line in (folder / "queries.jsonl").read_text().splitlines()]


def test_questions_are_made_of_a_file_and_say_where_they_are_answered(run, files, tmp_path: Path) -> None:
    told = run("synthesize", *files[-2:], "--out", tmp_path / "out", "--json")
    assert told.exit_code == 0, told.output
    outcome = json.loads(told.stdout)
    assert outcome["questions"] == 4
    assert outcome["kinds"] == {"definition": 4}
    weir = questions(tmp_path / "out")[0]
    (answer,) = weir["metadata"]["answers"]
    assert weir["text"] == "What is a weir?"
    assert answer["document_id"] == "weir.md"
    assert answer["quote"] in TEXTS["weir.md"]


def test_questions_of_the_standing_index_are_about_what_the_asker_may_see(run, standing, tmp_path: Path) -> None:
    run("synthesize", "--out", tmp_path / "all")
    run("synthesize", "--out", tmp_path / "owners", "--as", "owners")
    run("synthesize", "--out", tmp_path / "tenant", "--tenant", "other")
    asked = {name: {one["text"] for one in questions(tmp_path / name)} for name in ("all", "owners")}
    assert asked["owners"] - asked["all"] == {"What is a miller?"}
    assert len(asked["all"]) == 3
    assert not (tmp_path / "tenant").exists()


def test_documents_that_make_no_question_are_told(run, tmp_path: Path) -> None:
    (tmp_path / "short.jsonl").write_text('{"document_id": "a", "text": "Hm."}\n')
    error = run("synthesize", "--documents", tmp_path / "short.jsonl", "--out", tmp_path / "out").exception
    assert isinstance(error, CommandError)
    assert error.code == 5
    assert not (tmp_path / "out").exists()


def test_a_file_of_documents_is_searched_as_the_settings_say(run, files, bag) -> None:
    told = run("retrieval", *files, "--json", "--k", "1", "--k", "3")
    assert told.exit_code == 0, told.output
    first, third = map(json.loads, told.stdout.splitlines())
    assert (first["k"], first["questions"], first["recall"], first["ndcg"]) == (1, 2, 1.0, 1.0)
    assert first["configuration"] == {
        "name": "as set", "chunk_characters": 900, "words": None, "vectors": None, "sentences": None,
    }  # fmt: skip
    assert third["precision"] == pytest.approx(1 / 3, abs=1e-4)
    assert first["versus_first"] is None


def test_a_grid_tries_sizes_and_weights_and_compares_each_with_the_settings(run, files, bag, tmp_path: Path) -> None:
    told = run("retrieval", *files, "--grid", "--json", "--per-question", tmp_path / "rows.tsv")
    assert told.exit_code == 0, told.output
    measured = list(map(json.loads, told.stdout.splitlines()))
    names = [one["configuration"]["name"] for one in measured if one["k"] == 5]
    assert names[0] == "as set"
    assert len(names) == len(set(names)) == 1 + 3 * 4
    sizes = {one["configuration"]["chunk_characters"] for one in measured}
    assert sizes == {900, 500, 1000, 2000}
    assert all(set(one["versus_first"]) == {"precision", "recall", "mrr", "ndcg"} for one in measured[1:13])
    for one in measured[1:]:
        shares = [one["configuration"][name] for name in ("words", "vectors", "sentences")]
        assert shares == [None] * 3 or sum(shares) == pytest.approx(1)
    assert {
        row["query_id"] for row in csv.DictReader((tmp_path / "rows.tsv").read_text().splitlines(), delimiter="\t")
    } == {"1", "2"}


def test_a_grid_embeds_each_text_and_each_question_once(run, files, bag) -> None:
    run("retrieval", *files, "--grid")
    assert all(bag.asked.count(text) == 1 for text, _ in CLAIMS.values())
    assert all(bag.asked.count(text) == 1 for text in TEXTS.values())


def test_people_see_a_table(run, files, bag) -> None:
    lines = run("retrieval", *files, "--grid", "--k", "3").output.splitlines()
    assert lines[0] == "2 questions, first 3 documents"
    assert lines[2].split() == ["as", "set", "0.333", "1.000", "1.000", "1.000"]
    assert sum(line.startswith("  ") for line in lines) == 1 + 13


def test_the_standing_index_is_asked_as_one_who_may_see_it(run, standing, files) -> None:
    queries, qrels = Path(files[1]), Path(files[3])
    queries.write_text('{"_id": "3", "text": "who keeps the stones sharp"}\n')
    qrels.write_text("3\towner.md\t1\n")
    hidden, seen = (
        json.loads(run("retrieval", *files[:4], "--json", *more).stdout) for more in ([], ["--as", "owners"])
    )
    assert hidden["recall"] == 0.0
    assert seen["recall"] == 1.0


def test_a_grid_without_a_file_indexes_what_stands(run, standing, files) -> None:
    measured = run("retrieval", *files[:4], "--grid", "--json").stdout.splitlines()
    assert json.loads(measured[0])["recall"] == 1.0


def test_half_a_search_is_not_measured(run, standing, files, monkeypatch) -> None:
    standing.vectors.drop(standing.collection)
    error = run("retrieval", *files[:4]).exception
    assert isinstance(error, CommandError)
    assert "not whole" in error.message


def test_a_document_of_a_format_nobody_reads_is_named(run, files, bag, tmp_path: Path) -> None:
    (tmp_path / "corpus.jsonl").write_text('{"_id": "a.pdf", "text": "%PDF-1.4", "uri": "a.pdf"}\n')
    error = run("retrieval", *files).exception
    assert isinstance(error, CommandError)
    assert "'a.pdf' cannot be indexed" in error.message


def test_weights_order_documents_by_their_best_passage_each_once() -> None:
    both = trials.Weights("both", 0.25, 0.4)
    assert both.score({"vector": 1.0, "words": 0.5, "sentence": 0.5}) == pytest.approx(0.6 * 0.625 + 0.4 * 0.5)
    assert both.score({}) == 0.0
