import gzip
from pathlib import Path

import pytest

from processors.evaluation.synthesis import Place, Question
from streams.cli.errors import CommandError
from streams.cli.evaluation.judgments import read_documents, read_judged, write_judged

QUERIES = '{"_id": "1", "text": "What is a weir?"}\n{"query_id": 2, "text": "How high?"}\n{"_id": "3", "text": "?"}\n'
QRELS = "query-id\tcorpus-id\tscore\n1\tweir.md\t2\n1\tmill.md\t0\n2\twall.md\t1\n"


@pytest.fixture
def files(tmp_path: Path):
    def write(queries: str = QUERIES, qrels: str = QRELS) -> tuple[str, str]:
        (tmp_path / "queries.jsonl").write_text(queries)
        (tmp_path / "qrels.tsv").write_text(qrels)
        return str(tmp_path / "queries.jsonl"), str(tmp_path / "qrels.tsv")

    return write


def test_questions_come_with_their_grades_and_those_nobody_judged_are_left_out(files) -> None:
    judged = read_judged(*files())
    assert [(one.query_id, one.text, dict(one.grades)) for one in judged] == [
        ("1", "What is a weir?", {"weir.md": 2.0, "mill.md": 0.0}),
        ("2", "How high?", {"wall.md": 1.0}),
    ]


def test_no_more_questions_than_the_limit_and_no_header_needed(files) -> None:
    assert [one.query_id for one in read_judged(*files(qrels=QRELS.partition("\n")[2]), limit=1)] == ["1"]


def test_a_packed_file_of_questions_is_read_as_it_is_named(files, tmp_path: Path) -> None:
    _, qrels = files()
    packed = tmp_path / "queries.jsonl.gz"
    packed.write_bytes(gzip.compress(QUERIES.encode()))
    assert len(read_judged(str(packed), qrels)) == 2


@pytest.mark.parametrize(
    ("queries", "qrels", "told"),
    [
        (QUERIES, QRELS + "9\tx\t1\n", "judges question '9'"),
        (QUERIES, "1\tweir.md\t0\n", "above 0"),
        (QUERIES, "1 weir.md 1\n", "line 1 is not"),
        (QUERIES, QRELS + "1\tx\tmany\n", "line 5 is not"),
        (QUERIES, QRELS + "1\tx\tnan\n", "line 5 is not"),
        (QUERIES + '{"_id": "1", "text": "Again?"}\n', QRELS, "line 4: question '1' is there twice"),
        (QUERIES + '{"_id": "4"}\n', QRELS, "line 4: a question needs"),
        (QUERIES + '{"text": "who"}\n', QRELS, "line 4: a question needs"),
        (QUERIES + "no json\n", QRELS, "line 4: no JSON"),
    ],
)
def test_what_is_wrong_with_a_file_is_said_with_its_line(files, queries, qrels, told) -> None:
    with pytest.raises(CommandError, match=told) as caught:
        read_judged(*files(queries, qrels))
    assert caught.value.code == 2


def test_documents_are_read_with_either_name_of_their_id(tmp_path: Path) -> None:
    path = tmp_path / "corpus.jsonl"
    path.write_text('{"_id": "a", "title": "A", "text": "x"}\n{"document_id": "b", "text": "y"}\n{"text": "z"}\n')
    found = list(read_documents(str(path)))
    assert [(one.document_id, one.title, one.text) for one in found[:2]] == [("a", "A", "x"), ("b", None, "y")]
    assert len(found[2].document_id) == 32


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ('{"_id": "a", "text": "again"}', "line 2: document 'a' is there twice"),
        ('{"_id": "b"}', "line 2"),
        ('{"_id": "b", "op": "delete"}', "line 2: a deletion"),
        ("{", "line 2: no JSON"),
    ],
)
def test_a_row_that_is_no_document_ends_the_reading_and_is_named(tmp_path: Path, line, told) -> None:
    path = tmp_path / "corpus.jsonl"
    path.write_text('{"_id": "a", "text": "x"}\n' + line + "\n")
    with pytest.raises(CommandError, match=told):
        list(read_documents(str(path)))


def test_what_is_written_reads_back(tmp_path: Path) -> None:
    places = (Place("a.md", "c1", "A weir is a low wall."), Place("b.md", "c2", "A weir is a wall."))
    questions = [Question("What is a weir?", "definition", places), Question("How many?", "number", places[:1])]
    queries, qrels = write_judged(questions, tmp_path / "new" / "folder")
    judged = read_judged(str(queries), str(qrels))
    assert [(one.text, dict(one.grades)) for one in judged] == [
        ("What is a weir?", {"a.md": 1.0, "b.md": 1.0}),
        ("How many?", {"a.md": 1.0}),
    ]


def test_a_folder_that_cannot_be_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(CommandError, match="taken cannot be written"):
        write_judged([], tmp_path / "taken")
