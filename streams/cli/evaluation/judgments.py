"""Questions and who answers them, in the files retrieval tests come in: queries.jsonl, qrels.tsv, corpus.jsonl."""

import csv
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from processors.evaluation.metrics import Grades
from processors.evaluation.synthesis import Question
from schemas.documents import Document, document_key
from schemas.records import Unreadable
from streams.cli.errors import CommandError, Exit
from streams.cli.sending.files import FoundRow, InputFile
from streams.cli.sending.kinds import KINDS, Shaper, made_up

QUERY_IDS = ("_id", "query_id")
DOCUMENT_IDS = ("document_id", "_id")
HEADER = ("query-id", "corpus-id", "score")
FORMATS = "See `millrace evaluate retrieval --help` for what each file holds."


@dataclass(frozen=True, slots=True)
class Judged:
    """One question with its grades, at least one above 0."""

    query_id: str
    text: str
    grades: Grades


def read_judged(queries: str, qrels: str, limit: int | None = None) -> list[Judged]:
    """Read the questions that have an answer, in the order of their file.

    Args:
        queries: jsonl of ``{_id or query_id, text}``.
        qrels: Tab separated ``query-id, corpus-id, score``, with or without those words in its first line.
        limit: Most questions.

    Raises:
        CommandError: If a file cannot be read as that, a judged question is missing, or none is left.
    """
    grades = _read_grades(qrels)
    texts = _read_queries(queries)
    missing = sorted(set(grades) - set(texts))
    if missing:
        told = f"{qrels} judges question {missing[0]!r}, which {queries} does not have"
        raise CommandError(told, "Give the two files that belong together.", Exit.USAGE)
    relevant = [query_id for query_id in texts if any(grade > 0 for grade in grades.get(query_id, {}).values())]
    if not relevant:
        told = f"no question of {queries} has a score above 0 in {qrels}"
        raise CommandError(told, "Their ids must be the same, letter by letter.", Exit.USAGE)
    return [Judged(query_id, texts[query_id], grades[query_id]) for query_id in relevant[:limit]]


def read_documents(name: str) -> Iterator[Document]:
    """Read documents as ``millrace produce documents`` takes them; an ``_id`` names one, too.

    Raises:
        CommandError: If a row is no document, or is there twice.
    """
    file, shaper, seen = InputFile(name), Shaper(KINDS["documents"], {}), set[str]()
    for row in file.rows():
        document = _document(file, row, shaper)
        key = document_key(document.tenant, document.document_id)
        if key in seen:
            raise _refused(file, row, f"document {document.document_id!r} is there twice")
        seen.add(key)
        yield document


def write_judged(questions: Sequence[Question], folder: Path) -> tuple[Path, Path]:
    """Write ``queries.jsonl`` and ``qrels.tsv``; ``metadata`` of a query says where its answer stands.

    Raises:
        CommandError: If the folder cannot be written.
    """
    queries, qrels = folder / "queries.jsonl", folder / "qrels.tsv"
    named = [(f"q{number:05}", question) for number, question in enumerate(questions, 1)]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        queries.write_bytes(b"".join(msgspec.json.encode(_query(*pair)) + b"\n" for pair in named))
        with qrels.open("w", encoding="utf-8", newline="") as file:
            rows = csv.writer(file, delimiter="\t", lineterminator="\n")
            rows.writerow(HEADER)
            rows.writerows((name, place.document_id, 1) for name, question in named for place in question.answers)
    except OSError as error:
        raise CommandError(f"{folder} cannot be written: {error.strerror}", "Name another one with --out.") from error
    return queries, qrels


def _query(query_id: str, question: Question) -> dict[str, Any]:
    answers = [
        {"document_id": place.document_id, "chunk_id": place.chunk_id, "quote": place.quote}
        for place in question.answers
    ]
    return {"_id": query_id, "text": question.text, "metadata": {"kind": question.kind, "answers": answers}}


def _read_queries(name: str) -> dict[str, str]:
    file, texts = InputFile(name, "jsonl"), dict[str, str]()
    for row in file.rows():
        query_id, text = _identity(row.values, QUERY_IDS), row.values.get("text")
        if row.problem is not None:
            raise _refused(file, row, row.problem.error)
        if query_id is None or not isinstance(text, str) or not text.strip():
            raise _refused(file, row, "a question needs _id (or query_id) and text")
        if query_id in texts:
            raise _refused(file, row, f"question {query_id!r} is there twice")
        texts[query_id] = text
    return texts


def _read_grades(name: str) -> dict[str, dict[str, float]]:
    grades: dict[str, dict[str, float]] = defaultdict(dict)
    try:
        lines = Path(name).read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise CommandError(f"{name} cannot be read: {error}", FORMATS, Exit.USAGE) from error
    for number, line in enumerate(lines, 1):
        cells = line.split("\t")
        if not line.strip() or (number == 1 and tuple(cells) == HEADER):
            continue
        grade = _number(cells[2]) if len(cells) == 3 else None
        if grade is None:
            told = f"{name} line {number} is not query-id, corpus-id and score with tabs between"
            raise CommandError(told, FORMATS, Exit.USAGE)
        grades[cells[0]][cells[1]] = grade
    return grades


def _document(file: InputFile, row: FoundRow, shaper: Shaper) -> Document:
    if row.problem is not None:
        raise _refused(file, row, row.problem.error)
    identity = _identity(row.values, DOCUMENT_IDS)
    values = row.values if identity is None else {**row.values, "document_id": identity}
    try:
        document: Document = shaper.record(values, lambda: made_up(file.content_hash or file.name, row.number))
    except Unreadable as problem:
        raise _refused(file, row, problem.error) from problem
    if document.op == "delete":
        raise _refused(file, row, "a deletion is no document to be found")
    return document


def _identity(values: Mapping[str, Any], names: Sequence[str]) -> str | None:
    found = next((values[name] for name in names if values.get(name) not in (None, "")), None)
    return None if found is None else str(found)


def _number(cell: str) -> float | None:
    try:
        number = float(cell)
    except ValueError:
        return None
    return number if number - number == 0 else None  # neither infinite nor NaN


def _refused(file: InputFile, row: FoundRow, what: str) -> CommandError:
    return CommandError(f"{file.name} line {row.line}: {what}", FORMATS, Exit.USAGE)
